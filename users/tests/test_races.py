"""What two requests could race, raced: real threads at a barrier, on committed data."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from tests.support.people import ALICE, at_once
from tests.support.servers import wait_until
from users import errors, limits, services, tokens
from users.clients import Client
from users.models import Activation, Challenge, CodeFailure, Session, User
from users.rates import parse

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = range(20)
BROWSER = Client(address="203.0.113.5")


def kinds(results: list) -> dict[str, int]:
    names = [type(result).__name__ for result in results]
    return {name: names.count(name) for name in set(names)}


def request_code(number: int = 0):
    return services.request_code(phone=f"+7913000{number:04}", client=BROWSER)


def verify(sent, code=None):
    return services.verify_code(code=code or sent.otp, challenge=sent.challenge, client=BROWSER)


@pytest.mark.parametrize("round_", ROUNDS)
def test_48_right_codes_make_one_session(round_):
    sent = request_code()
    results = at_once(48, lambda number: verify(sent))
    assert kinds(results) == {"SignIn": 1, "InvalidCode": 47}
    assert (Session.objects.count(), User.objects.count()) == (1, 1)


@pytest.mark.parametrize("round_", ROUNDS)
def test_of_64_wrong_codes_three_are_compared(round_):
    sent = request_code()
    wrong = [f"{number:04}" for number in range(65) if f"{number:04}" != sent.otp]
    results = at_once(64, lambda number: verify(sent, wrong[number]))
    assert kinds(results) == {"InvalidCode": 64}
    assert sorted(error.extra["attempts_left"] for error in results) == [0] * 62 + [1, 2]
    assert CodeFailure.objects.count() == Challenge.objects.get().attempts == 3


@pytest.mark.parametrize("round_", ROUNDS)
def test_48_first_sign_ins_make_one_user(round_):
    many = [services.request_code(phone=ALICE, client=BROWSER) for _ in range(3)]
    results = at_once(48, lambda number: verify(many[number % 3]))
    assert kinds(results) == {"SignIn": 3, "InvalidCode": 45}
    assert sum(result.is_new_user for result in results if not isinstance(result, Exception)) == 1
    assert User.objects.count() == 1


@pytest.mark.parametrize("round_", ROUNDS)
def test_48_registrations_of_one_number_make_one_user(round_):
    results = at_once(48, lambda number: User.objects.get_or_register(ALICE))
    assert sum(is_new for _, is_new in results) == 1
    assert {user.id for user, _ in results} == {User.objects.get().id}


@pytest.mark.parametrize("round_", ROUNDS)
def test_48_different_invite_codes_make_one_activation(round_):
    inviters = [User.objects.get_or_register(f"+7913000{number:04}")[0] for number in range(48)]
    invitee, _ = User.objects.get_or_register(ALICE)
    results = at_once(
        48, lambda number: services.activate_invite(user=invitee, invite_code=inviters[number].invite_code)
    )
    assert kinds(results) == {"ActivatedInvite": 1, "InviteAlreadyActivated": 47}
    [winner] = [result for result in results if isinstance(result, services.ActivatedInvite)]
    assert Activation.objects.get().inviter.invite_code == winner.invite_code


def test_48_times_the_same_invite_code_is_one_activation():
    inviter, _ = User.objects.get_or_register("+79130000001")
    invitee, _ = User.objects.get_or_register(ALICE)
    results = at_once(48, lambda number: services.activate_invite(user=invitee, invite_code=inviter.invite_code))
    assert results == [services.ActivatedInvite(inviter.invite_code, "+7 913 ***-**-01")] * 48
    assert Activation.objects.count() == 1


@pytest.mark.parametrize("round_", range(5))
def test_of_24_sends_to_one_phone_the_cooldown_lets_one_through(round_, settings, sms_outbox):
    settings.OTP_RESEND_COOLDOWN = 60
    results = at_once(24, lambda number: request_code())
    assert kinds(results) == {"SentCode": 1, "CodeRequestedTooSoon": 23}
    assert len(sms_outbox) == 1


@pytest.mark.parametrize("round_", range(5))
def test_of_24_sends_from_one_address_the_limit_lets_five_through(round_, settings, sms_outbox):
    settings.OTP_SENDS_PER_IP = parse("5/h")
    results = at_once(24, request_code)
    assert kinds(results) == {"SentCode": 5, "TooManyRequests": 19}
    assert len(sms_outbox) == 5


@pytest.mark.parametrize("round_", range(5))
def test_24_sends_to_one_phone_leave_three_codes_open(round_):
    results = at_once(24, lambda number: request_code())
    assert kinds(results) == {"SentCode": 24}
    assert Challenge.objects.filter(slot__isnull=False).count() == 3


@pytest.mark.parametrize("round_", range(5))
def test_50_refreshes_give_one_successor(round_, alice):
    session = tokens.open_session(alice, BROWSER)
    token = tokens.issue(session).refresh
    results = at_once(50, lambda number: services.refresh(refresh_token=token).tokens.refresh)
    assert len(set(results)) == 1
    assert services.refresh(refresh_token=results[0])


def test_a_logout_among_refreshes_ends_the_session(alice):
    session = tokens.open_session(alice, BROWSER)
    token = tokens.issue(session).refresh

    def act(number):
        return tokens.end_session(session) if number == 5 else services.refresh(refresh_token=token)

    at_once(24, act)
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=token)


def test_a_refresh_that_waits_for_another_becomes_its_successor_and_not_a_second_one(alice, browser):
    session = tokens.open_session(alice, browser)
    refresh_token = tokens.issue(session).refresh

    def rotate() -> int:
        try:
            return tokens.rotate(refresh_token).generation
        finally:
            connection.close()

    def somebody_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return cursor.fetchone()[0] > 0

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first = tokens.rotate(refresh_token)
            second = pool.submit(rotate)
            wait_until(somebody_waits)
        assert (first.generation, second.result(10)) == (1, 1)


@pytest.mark.parametrize("round_", range(8))
def test_of_many_guesses_at_three_codes_of_a_phone_ten_are_compared_before_the_step(round_, settings):
    sent = [request_code() for _ in range(3)]
    settings.OTP_FAILURES_PER_PHONE = parse("5/d")
    at_once(48, lambda number: verify(sent[number % 3], f"{(int(sent[number % 3].otp) + 1 + number) % 10**4:04}"))
    rows = Challenge.objects.values_list("attempts", "dead_attempts")
    assert (sum(compared for compared, _ in rows), sum(dead for _, dead in rows)) == (5, 4)


@pytest.mark.parametrize("round_", range(3))
def test_of_48_guesses_at_many_phones_everybodys_limit_lets_five_be_compared_short(round_, settings):
    settings.OTP_FAILURES_GLOBAL = parse("5/h")
    sent = [request_code(number) for number in range(24)]
    at_once(48, lambda number: verify(sent[number % 24], f"{(int(sent[number % 24].otp) + 1 + number) % 10**4:04}"))
    assert sum(Challenge.objects.values_list("attempts", flat=True)) == 5


@pytest.mark.parametrize("round_", range(3))
def test_of_24_failures_of_an_address_its_limit_lets_five_be_compared(round_, settings):
    settings.OTP_FAILURES_PER_IP = parse("5/h")
    sent = [request_code(number) for number in range(24)]
    results = at_once(24, lambda number: verify(sent[number], f"{(int(sent[number].otp) + 1) % 10**4:04}"))
    assert kinds(results) == {"InvalidCode": 5, "TooManyAttempts": 19}
    assert CodeFailure.objects.count() == sum(Challenge.objects.values_list("attempts", flat=True)) == 5


@pytest.mark.parametrize("round_", range(10))
def test_sends_that_end_each_others_codes_wait_in_no_circle(round_):
    """Of 24 pairs of phones each sends to one and names the oldest code of the other, which has to make room anyway."""
    oldest = [request_code(number) for number in range(48)]
    for number in range(96):
        request_code(number % 48)

    def resend(number):
        earlier = oldest[number ^ 1].challenge
        return services.request_code(phone=f"+7913000{number:04}", client=BROWSER, challenge=earlier)

    results = at_once(48, resend)
    assert kinds(results) == {"SentCode": 48}
    assert Challenge.objects.filter(slot__isnull=False).count() == 3 * 48


@pytest.mark.parametrize("round_", range(5))
def test_leaving_among_sends_and_guesses_waits_in_no_circle(round_):
    sent = [request_code() for _ in range(3)]
    user, _ = User.objects.get_or_register("+79130000000")

    def act(number):
        if number == 7:
            return services.delete_account(user=user, code=sent[0].otp, challenge=sent[0].challenge)
        return request_code() if number % 2 else verify(sent[1 + number % 2], "00000000")

    assert set(kinds(at_once(24, act))) <= {"NoneType", "SentCode", "InvalidCode"}


def test_of_24_attempts_at_administration_the_limit_lets_five_through(settings):
    settings.ADMIN_FAILURES_PER_IP = parse("5/h")
    results = at_once(24, lambda number: limits.count_admin_attempt(address=BROWSER.address))
    assert kinds(results) == {"AddressFailure": 5, "TooManyAttempts": 19}
