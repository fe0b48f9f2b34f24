"""Many at once, through every door together: each rule holds as if they had come one by one."""

import pytest

from tests.contract.conftest import DOORS, WITH_TOKENS
from tests.contract.test_scenarios import sign_in, wrong
from tests.support.people import ALICE, BOB, at_once
from users.models import Activation, Challenge, Session, User

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5
MANY = 24


def callers(doors=DOORS):
    return [doors[number % len(doors)]() for number in range(MANY)]


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_of_many_right_codes_one_signs_in(_round):
    sent = DOORS[0]().request_code(ALICE)
    crowd = callers()
    answers = at_once(MANY, lambda i: crowd[i].verify_code(sent["otp"], challenge=sent["challenge"]))
    assert sorted(answer.status for answer in answers) == [200] + [400] * (MANY - 1)
    assert {answer.code for answer in answers} == {None, "invalid_code"}
    assert Session.objects.count() == User.objects.count() == 1


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_of_many_wrong_codes_three_are_compared(_round):
    sent = DOORS[0]().request_code(ALICE)
    crowd = callers()
    answers = at_once(MANY, lambda i: crowd[i].verify_code(wrong(sent["otp"]), challenge=sent["challenge"]))
    assert {answer.refusal for answer in answers} == {("invalid_code", 400)}
    assert sorted(answer["attempts_left"] for answer in answers) == [0] * (MANY - 2) + [1, 2]
    assert Challenge.objects.get().attempts == 3
    assert DOORS[0]().verify_code(sent["otp"], challenge=sent["challenge"]).code == "invalid_code"


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_many_first_sign_ins_register_one_user(_round):
    sent = [DOORS[0]().request_code(ALICE) for _ in range(3)]
    crowd = callers()[:3]
    answers = at_once(3, lambda i: crowd[i].verify_code(sent[i]["otp"], challenge=sent[i]["challenge"]))
    assert [answer.refusal for answer in answers] == [(None, 200)] * 3
    assert sorted(answer["is_new_user"] for answer in answers) == [False, False, True]
    assert User.objects.count() == 1


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_of_many_invite_codes_one_is_activated(_round):
    owners = [User.objects.get_or_register(f"+7916000{number:04}")[0] for number in range(MANY)]
    crowd = callers()
    for caller in crowd:
        sign_in(caller, BOB)
    answers = at_once(MANY, lambda i: crowd[i].activate_invite(owners[i].invite_code))
    assert sorted(answer.status for answer in answers) == [200] + [409] * (MANY - 1)
    [winner] = [number for number, answer in enumerate(answers) if answer.status == 200]
    assert Activation.objects.get().inviter == owners[winner]


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_of_many_code_requests_one_is_sent(_round, settings, sms_outbox):
    settings.OTP_RESEND_COOLDOWN = 60
    crowd = callers()
    answers = at_once(MANY, lambda i: crowd[i].request_code(ALICE))
    assert sorted(answer.status for answer in answers) == [200] + [429] * (MANY - 1)
    assert len(sms_outbox) == Challenge.objects.count() == 1


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_many_refreshes_at_once_have_one_successor(_round):
    old = sign_in(WITH_TOKENS[0](), ALICE)["refresh_token"]
    crowd = callers(WITH_TOKENS)
    answers = at_once(MANY, lambda i: crowd[i].refresh(old))
    assert {answer.refusal for answer in answers} == {(None, 200)}
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert Session.objects.get().generation == 1


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_a_logout_among_refreshes_leaves_nothing_that_works(_round):
    signed_in = sign_in(WITH_TOKENS[0](), ALICE)
    crowd = callers(WITH_TOKENS)
    for caller in crowd:
        caller.token = signed_in["token"]
    answers = at_once(MANY, lambda i: crowd[i].logout() if i < 2 else crowd[i].refresh(signed_in["refresh_token"]))
    refreshed = [answer for answer in answers[2:] if answer.code is None]
    assert {answer.refusal for answer in answers} <= {(None, 200), ("invalid_token", 401)}
    assert Session.objects.get().ended_at
    for caller in crowd[:2]:
        assert caller.me().refusal == ("invalid_token", 401)
        for answer in refreshed:
            assert caller.refresh(answer["refresh_token"]).refusal == ("invalid_token", 401)
