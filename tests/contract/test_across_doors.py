"""What begins at one door goes on at the other: one set of challenges, tries, sessions and limits behind both."""

import pytest

from tests.contract.test_scenarios import sign_in, wrong
from tests.support.people import ALICE
from users.models import Challenge, Session, User

pytestmark = pytest.mark.django_db


def test_a_token_of_one_door_is_good_at_the_other(two_token_doors):
    one, other = (door() for door in two_token_doors)
    sign_in(one, ALICE)
    other.token = one.token
    assert other.me()["phone"] == ALICE


def test_two_wrong_codes_here_and_one_there_exhaust_one_challenge(two_doors):
    one, other = (door() for door in two_doors)
    sent = one.request_code(ALICE)
    tries = [caller.verify_code(wrong(sent["otp"]), challenge=sent["challenge"]) for caller in (one, one, other)]
    assert [answer["attempts_left"] for answer in tries] == [2, 1, 0]
    for caller in (one, other):
        assert caller.verify_code(sent["otp"], challenge=sent["challenge"]).refusal == ("invalid_code", 400)
    assert Challenge.objects.get().attempts == 3
    assert not User.objects.exists()


def test_the_challenge_cookie_of_one_door_is_good_at_the_other(two_doors):
    one_door, other_door = two_doors
    one = one_door()
    code = one.request_code(ALICE)["otp"]
    assert other_door(one.client).verify_code(code).refusal == (None, 200)


def test_a_code_used_here_is_used_there(two_doors):
    one, other = (door() for door in two_doors)
    sent = one.request_code(ALICE)
    one.verify_code(sent["otp"])
    assert other.verify_code(sent["otp"], challenge=sent["challenge"]).refusal == ("invalid_code", 400)


def test_the_cooldown_is_of_the_phone_and_not_of_a_door(two_doors, settings, sms_outbox):
    settings.OTP_RESEND_COOLDOWN = 60
    one, other = (door() for door in two_doors)
    one.request_code(ALICE)
    assert other.request_code(ALICE).refusal == ("code_requested_too_soon", 429)
    assert len(sms_outbox) == 1


def test_logout_here_is_logout_there(two_token_doors):
    one, other = (door() for door in two_token_doors)
    tokens = sign_in(one, ALICE)
    other.token = one.token
    one.logout()
    assert other.me().refusal == ("invalid_token", 401)
    assert other.refresh(tokens["refresh_token"]).refusal == ("invalid_token", 401)
    assert Session.objects.get().ended_at


def test_a_refresh_repeated_at_the_other_door_gives_the_same_successor(two_token_doors):
    one, other = (door() for door in two_token_doors)
    old = sign_in(one, ALICE)["refresh_token"]
    assert one.refresh(old)["refresh_token"] == other.refresh(old)["refresh_token"]
    assert Session.objects.get().generation == 1
