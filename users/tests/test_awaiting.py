"""Between the message and the code: what somebody who holds a challenge may know."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from tests.support.people import ALICE, BOB
from users import errors, services
from users.clients import Client
from users.models import Challenge, User
from users.rates import parse
from users.services import sign_in

pytestmark = pytest.mark.django_db


def test_who_holds_a_challenge_knows_what_it_is_about(browser):
    services.request_code(phone=BOB, client=browser)
    sent = services.request_code(phone=ALICE, client=browser)

    awaited = services.awaited_code(challenge=sent.challenge, client=browser)

    assert (awaited.phone, awaited.digits, awaited.attempts_left) == (ALICE, 4, 3)
    assert 175 < awaited.expires_in <= 180
    assert awaited.resend_in == 0
    assert sent.otp in awaited.message
    assert awaited.is_open


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_minutes_off_makes_no_difference(browser, monkeypatch, minutes):
    sent = services.request_code(phone=ALICE, client=browser)
    elsewhere = timezone.now() + timedelta(minutes=minutes)
    monkeypatch.setattr(timezone, "now", lambda: elsewhere)
    awaited = services.awaited_code(challenge=sent.challenge, client=browser)
    assert 0 < awaited.expires_in <= 180
    assert awaited.is_open


@pytest.mark.parametrize("challenge", [None, "", "nothing", "0a43d461-0000-4000-8000-000000000000"])
def test_nobody_else_knows_anything(browser, challenge):
    services.request_code(phone=ALICE, client=browser)
    assert services.awaited_code(challenge=challenge, client=browser) is None


def test_each_wrong_code_leaves_fewer_tries_until_it_is_over(browser):
    sent = services.request_code(phone=ALICE, client=browser)
    for left in (2, 1, 0):
        with pytest.raises(errors.InvalidCode):
            services.verify_code(code="000000", challenge=sent.challenge, client=browser)
        awaited = services.awaited_code(challenge=sent.challenge, client=browser)
        assert (awaited.attempts_left, awaited.is_open) == (left, left > 0)


def test_a_code_that_was_used_is_not_awaited(browser):
    sent = services.request_code(phone=ALICE, client=browser)
    services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)
    assert services.awaited_code(challenge=sent.challenge, client=browser) is None


def test_a_code_that_was_replaced_is_over(browser):
    first = services.request_code(phone=ALICE, client=browser)
    services.request_code(phone=ALICE, client=browser, challenge=first.challenge)
    awaited = services.awaited_code(challenge=first.challenge, client=browser)
    assert (awaited.expires_in, awaited.is_open) == (0, False)


def test_a_code_that_has_expired_is_over(browser):
    sent = services.request_code(phone=ALICE, client=browser)
    Challenge.objects.update(expires_at=F("expires_at") - timedelta(seconds=181))
    awaited = services.awaited_code(challenge=sent.challenge, client=browser)
    assert (awaited.expires_in, awaited.is_open) == (0, False)


def test_outside_a_demo_nobody_is_shown_the_message(browser, settings):
    sent = services.request_code(phone=ALICE, client=browser)
    settings.DEMO = False
    assert services.awaited_code(challenge=sent.challenge, client=browser).message is None


def test_the_wait_for_the_next_is_that_of_the_phone_of_the_address_and_of_its_network(browser, settings):
    sent = services.request_code(phone=ALICE, client=browser)

    def wait(client: Client) -> int:
        return services.awaited_code(challenge=sent.challenge, client=client).resend_in

    settings.OTP_RESEND_COOLDOWN = 60
    assert 0 < wait(Client("198.51.100.7")) <= 60
    settings.OTP_RESEND_COOLDOWN, settings.OTP_SENDS_PER_IP = 0, parse("1/h")
    assert 0 < wait(browser) <= 3600
    assert wait(Client("198.51.100.7")) == 0
    settings.OTP_SENDS_PER_IP, settings.OTP_SENDS_PER_NETWORK = (), parse("1/h")
    sent = services.request_code(phone=ALICE, client=Client("2001:db8:1::1"))
    assert 0 < wait(Client("2001:db8:1:ffff::1")) <= 3600
    assert wait(Client("2001:db8:2::1")) == 0


def test_a_code_is_spent_once(browser):
    sent = services.request_code(phone=ALICE, client=browser)
    alice, _ = User.objects.get_or_register(ALICE)

    sign_in.confirm_code(user=alice, code=sent.otp, challenge=sent.challenge)
    with pytest.raises(errors.InvalidCode):
        sign_in.confirm_code(user=alice, code=sent.otp, challenge=sent.challenge)

    challenge = Challenge.objects.get(id=sent.challenge)
    assert challenge.slot is None
    assert challenge.used_at is not None
