"""Leaving, raced against whatever else people and administrators may do: no error, nothing left over, exact counts."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from tests.support.people import ALICE, BOB, at_once
from tests.support.servers import wait_until
from users import errors, limits, services, sms, tokens
from users.clients import Client
from users.models import Activation, Challenge, Message, Session, User
from users.services import account

ROUNDS = range(20)
BROWSER = Client(address="203.0.113.5")


@pytest.fixture
def people(transactional_db) -> tuple[User, User]:
    return User.objects.get_or_register(ALICE)[0], User.objects.get_or_register(BOB)[0]


def leaving(user: User):
    """What lets the user leave, with the code for it in hand."""
    sent = services.request_code(phone=user.phone, client=BROWSER)
    return lambda: services.delete_account(user=user, code=sent.otp, challenge=sent.challenge)


def activating(user: User, inviter: User):
    return lambda: services.activate_invite(user=user, invite_code=inviter.invite_code)


def race(*actions) -> list[str]:
    """What became of each: the name of the error, or of what came back."""
    return [type(result).__name__ for result in at_once(len(actions), lambda number: actions[number]())]


def assert_nothing_is_left_of_those_who_left() -> None:
    gone = User.objects.filter(phone=None)
    assert not gone.filter(is_active=True).exists()
    assert not Session.objects.filter(user__in=gone).exists()
    assert not Activation.objects.filter(invitee__in=gone, invitee_phone__isnull=False).exists()
    assert not Challenge.objects.filter(phone="", slot__isnull=False).exists()
    for user in User.objects.all():
        assert user.referrals_count == Activation.objects.filter(inviter=user).count()


@pytest.mark.parametrize("round_", ROUNDS)
def test_the_invitee_leaves_while_they_enter_a_code(people, round_):
    alice, bob = people
    left, entered = race(leaving(bob), activating(bob, alice))
    assert left == "NoneType"
    assert entered in {"ActivatedInvite", "InvalidToken"}
    assert Activation.objects.count() == (entered == "ActivatedInvite")
    assert_nothing_is_left_of_those_who_left()


@pytest.mark.parametrize("round_", ROUNDS)
def test_the_inviter_leaves_while_their_code_is_entered(people, round_):
    alice, bob = people
    left, entered = race(leaving(alice), activating(bob, alice))
    assert left == "NoneType"
    assert entered in {"ActivatedInvite", "InviteNotFound"}
    assert Activation.objects.count() == (entered == "ActivatedInvite")
    assert_nothing_is_left_of_those_who_left()


@pytest.mark.parametrize("round_", ROUNDS)
def test_two_enter_each_others_codes(people, round_):
    alice, bob = people
    assert race(*[activating(alice, bob), activating(bob, alice)] * 4) == ["ActivatedInvite"] * 8
    assert Activation.objects.count() == 2
    assert_nothing_is_left_of_those_who_left()


@pytest.mark.parametrize("round_", ROUNDS)
def test_a_person_leaves_while_they_are_switched_on_and_off(people, round_):
    alice, _ = people
    everybody = User.objects.all()
    switch = [lambda on=on: services.switch_users(users=everybody, active=on) for on in (False, True)]
    left, *switched = race(leaving(alice), *switch, *switch)
    assert left == "NoneType"
    assert switched == ["int"] * 4
    assert_nothing_is_left_of_those_who_left()


@pytest.mark.parametrize("round_", ROUNDS)
def test_a_person_leaves_while_they_sign_in_and_ask_for_codes(people, round_):
    alice, _ = people
    sent = services.request_code(phone=ALICE, client=BROWSER)
    left, entered, asked = race(
        leaving(alice),
        lambda: services.verify_code(code=sent.otp, challenge=sent.challenge, client=BROWSER),
        lambda: services.request_code(phone=ALICE, client=BROWSER),
    )
    assert (left, asked) == ("NoneType", "SentCode")
    assert entered in {"SignIn", "InvalidCode"}
    assert_nothing_is_left_of_those_who_left()
    assert not User.objects.filter(phone=ALICE).exists()


def test_a_code_that_was_on_its_way_when_its_owner_left_is_dead_and_leaves_no_number(people, monkeypatch):
    alice, _ = people
    leave = leaving(alice)
    deliver = sms.send

    def send(message):
        leave()
        return deliver(message)

    monkeypatch.setattr(sms, "send", send)
    sent = services.request_code(phone=ALICE, client=BROWSER)
    assert services.awaited_code(challenge=sent.challenge, client=BROWSER) is None
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=sent.otp, challenge=sent.challenge, client=BROWSER)
    assert set(Challenge.objects.values_list("phone", "slot")) == {("", None)}
    assert not Message.objects.exists()
    assert_nothing_is_left_of_those_who_left()


def test_leaving_waits_for_who_sends_to_the_number_or_tries_its_codes(people, monkeypatch):
    alice, _ = people
    leave = leaving(alice)
    monkeypatch.setattr(account, "confirm_code", lambda **given: None)  # that waits for them as well

    def somebody_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            return cursor.fetchone()[0] > 0

    with ThreadPoolExecutor(1) as pool:
        with limits.locked_phones(Challenge.objects.get().phone_key):
            left = pool.submit(at_once, 1, lambda _: leave())
            wait_until(somebody_waits)
            assert User.objects.get(id=alice.id).phone == ALICE
        assert left.result() == [None]
    assert_nothing_is_left_of_those_who_left()


@pytest.mark.parametrize("round_", ROUNDS)
def test_whoever_is_switched_off_while_they_sign_in_has_no_session_when_they_are_back(people, round_):
    alice, _ = people
    sent = services.request_code(phone=ALICE, client=BROWSER)
    entered, switched = race(
        lambda: services.verify_code(code=sent.otp, challenge=sent.challenge, client=BROWSER),
        lambda: services.switch_users(users=User.objects.filter(id=alice.id), active=False),
    )
    assert (entered in {"SignIn", "AccountDisabled"}, switched) == (True, "int")
    services.switch_users(users=User.objects.filter(id=alice.id), active=True)
    assert not tokens.live_sessions().exists()


@pytest.mark.parametrize("round_", ROUNDS)
def test_one_leaves_twice_at_once(people, round_):
    alice, _ = people
    [second, first] = sorted(race(leaving(alice), leaving(alice)))
    assert first == "NoneType"
    assert second in {"InvalidToken", "InvalidCode"}  # codes on their way are dead
    assert_nothing_is_left_of_those_who_left()


def test_whoever_has_left_is_not_switched_on(people):
    alice, _bob = people
    leaving(alice)()
    assert services.switch_users(users=User.objects.all(), active=True) == 0
    for wrong in ({"is_active": True}, {"is_staff": True}):
        with pytest.raises(IntegrityError, match="user_who_left_is_inactive"):
            User.objects.filter(id=alice.id).update(**wrong)


def test_the_database_takes_no_activation_of_somebody_who_has_left(people):
    alice, _bob = people
    leaving(alice)()
    for invitee, inviter in (people, people[::-1]):
        with pytest.raises(IntegrityError, match="somebody has left"), transaction.atomic():
            Activation.objects.create(invitee=invitee, inviter=inviter)
    assert not Activation.objects.exists()


def test_a_new_pepper_forgets_neither_who_has_left_nor_a_limit(people, settings):
    alice, bob = people
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    leaving(bob)()
    settings.OTP_PEPPER, settings.OTP_PEPPER_FALLBACKS = "n" * 50, [settings.OTP_PEPPER]
    sent = services.request_code(phone=BOB, client=BROWSER)
    again = services.verify_code(code=sent.otp, challenge=sent.challenge, client=BROWSER).user
    assert again.id != bob.id
    with pytest.raises(errors.InviteAlreadyActivated):
        services.activate_invite(user=again, invite_code=alice.invite_code)
    assert Challenge.objects.values("phone_key").distinct().count() == 1


def test_whoever_comes_back_is_not_asked_for_a_code_that_can_only_be_refused(people):
    alice, bob = people
    assert services.may_activate(user=bob)
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    assert not services.may_activate(user=bob)
    leaving(bob)()
    again, _ = User.objects.get_or_register(BOB)
    assert not services.may_activate(user=again)
    with pytest.raises(errors.InviteAlreadyActivated):
        services.activate_invite(user=again, invite_code=alice.invite_code)
