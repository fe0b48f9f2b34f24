"""Events: written with what they tell, and fed so that nobody misses one."""

import threading
from itertools import pairwise

import pytest
from django.db import connection, connections, transaction

from tests.support.people import ALICE, BOB, at_once, wrong
from users import codes, errors, events, services, tokens
from users.models import Activation, Event, Session, User
from users.rates import parse
from users.webhooks import EventType

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def recording(settings):
    settings.SERVICE_KEYS = {"crm": "k" * 40}
    settings.EVENTS_ARE_RECORDED = True


def told() -> list[tuple[str, dict]]:
    """Every event, in the order of the feed."""
    happened, _ = events.after(0, limit=1000)
    return [(event.type, event.data) for event in happened]


def sign_in(browser, phone=ALICE):
    sent = services.request_code(phone=phone, client=browser)
    return services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)


def code_for(user, browser) -> dict[str, str]:
    sent = services.request_code(phone=user.phone, client=browser)
    return {"code": sent.otp, "challenge": sent.challenge}


def test_nothing_is_recorded_while_nobody_is_to_hear_of_it(alice, browser, settings, django_assert_num_queries):
    settings.EVENTS_ARE_RECORDED = False
    user = sign_in(browser).user
    services.switch_users(users=User.objects.filter(id=user.id), active=False)
    with django_assert_num_queries(0):
        events.record(EventType.USER_ENABLED, {"user_id": user.id})
        events.raise_alarm("anything")
    assert Event.objects.count() == 0


def test_a_sign_in_is_told_and_the_first_one_of_the_new_user_too(browser):
    first, second = sign_in(browser), sign_in(browser)
    user = str(first.user.id)
    assert told() == [
        ("user.created", {"user_id": user, "invite_code": first.user.invite_code}),
        ("user.signed_in", {"user_id": user, "session_id": str(first.session.id), "is_new_user": True}),
        ("user.signed_in", {"user_id": user, "session_id": str(second.session.id), "is_new_user": False}),
    ]


def test_a_sign_in_that_is_refused_is_not_told(alice, browser):
    User.objects.filter(id=alice.id).update(is_active=False)
    with pytest.raises(errors.AccountDisabled):
        sign_in(browser)
    sent = services.request_code(phone=BOB, client=browser)
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=wrong(sent.otp), challenge=sent.challenge, client=browser)
    assert told() == []


def test_registrations_that_collide_are_told_all_the_same(alice, browser, monkeypatch):
    """The drawn invite code is somebody's already, so the one statement registers nobody."""
    drawn = iter([alice.invite_code, "K7WQ2M"])
    monkeypatch.setattr(codes, "new_invite_code", lambda: next(drawn))
    entered = sign_in(browser, BOB)
    user = str(entered.user.id)
    assert told() == [
        ("user.created", {"user_id": user, "invite_code": "K7WQ2M"}),
        ("user.signed_in", {"user_id": user, "session_id": str(entered.session.id), "is_new_user": True}),
    ]


def test_a_limit_that_everybody_has_reached_is_an_alarm(browser, settings):
    settings.OTP_SENDS_GLOBAL = parse("1/h")
    services.request_code(phone=ALICE, client=browser)
    for _ in range(2):
        with pytest.raises(errors.TooManyRequests):
            services.request_code(phone=BOB, client=browser)
    assert told() == [("alarm.raised", {"alarm": "limit_reached", "limit": "OTP_SENDS_GLOBAL"})]


def test_an_activation_is_told_once(alice, bob):
    for _ in range(2):
        services.activate_invite(user=bob, invite_code=alice.invite_code)
    activated = {"inviter_id": str(alice.id), "invitee_id": str(bob.id), "invite_code": alice.invite_code}
    assert told() == [("referral.activated", activated)]


def test_a_logout_says_why_the_session_ended(alice, browser):
    session = tokens.open_session(alice, browser)
    user = tokens.authenticate(f"Bearer {tokens.issue(session).access}")
    for _ in range(2):
        services.logout(user=user)
    ended = {"user_id": str(alice.id), "session_id": str(session.id), "reason": "logged_out"}
    assert told() == [("session.ended", ended)]


def test_switching_off_and_on_tells_of_the_sessions_too(alice, bob, browser):
    session = tokens.open_session(alice, browser)
    both = User.objects.filter(id__in=[alice.id, bob.id])
    User.objects.filter(id=bob.id).update(is_active=False)
    services.switch_users(users=both, active=False)
    services.switch_users(users=User.objects.filter(id=alice.id), active=True)
    assert told() == [
        ("user.disabled", {"user_id": str(alice.id)}),
        ("session.ended", {"user_id": str(alice.id), "session_id": str(session.id), "reason": "user_disabled"}),
        ("user.enabled", {"user_id": str(alice.id)}),
    ]


def test_leaving_is_told_without_the_number(alice, browser):
    session = tokens.open_session(alice, browser)
    services.delete_account(user=alice, **code_for(alice, browser))
    assert told() == [
        ("session.ended", {"user_id": str(alice.id), "session_id": str(session.id), "reason": "user_deleted"}),
        ("user.deleted", {"user_id": str(alice.id), "invite_code": alice.invite_code}),
    ]


def test_a_session_ended_from_another_one_or_by_the_operator_says_so(alice, browser):
    first, second, third = [tokens.open_session(alice, browser) for _ in range(3)]
    services.end_session(user=alice, session_id=str(first.id))
    alice.session = second
    services.end_other_sessions(user=alice)
    services.end_sessions(sessions=Session.objects.filter(user=alice))
    assert [(data["session_id"], data["reason"]) for _, data in told()] == [
        (str(first.id), "ended_elsewhere"),
        (str(third.id), "ended_elsewhere"),
        (str(second.id), "ended_by_operator"),
    ]


def test_a_session_ended_because_its_token_was_stolen_says_so(alice, browser, settings):
    settings.REFRESH_TOKEN_GRACE = 0
    session = tokens.open_session(alice, browser)
    stolen = tokens.issue(session).refresh
    services.refresh(refresh_token=stolen)
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=stolen)
    ended = {"user_id": str(alice.id), "session_id": str(session.id), "reason": "token_reused"}
    assert told() == [("session.ended", ended)]


def test_what_is_rolled_back_is_not_told(alice, bob, browser, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError

    monkeypatch.setattr(events, "record", fail)
    with pytest.raises(RuntimeError):
        services.activate_invite(user=bob, invite_code=alice.invite_code)
    assert Activation.objects.count() == 0

    monkeypatch.undo()
    with transaction.atomic():
        services.activate_invite(user=bob, invite_code=alice.invite_code)
        transaction.set_rollback(True)
    assert told() == []


def test_an_alarm_is_told_once_in_ten_minutes(db):
    for _ in range(3):
        events.raise_alarm("webhook_gone", endpoint="backend.example")
    events.raise_alarm("another")
    assert told() == [
        ("alarm.raised", {"alarm": "webhook_gone", "endpoint": "backend.example"}),
        ("alarm.raised", {"alarm": "another"}),
    ]
    Event.objects.update(created_at="2026-01-01T00:00:00Z")
    events.raise_alarm("another")
    assert len(told()) == 3


def test_the_feed_goes_on_where_it_was_left_and_by_type(db):
    for number in range(5):
        kind = EventType.USER_ENABLED if number % 2 else EventType.USER_DISABLED
        events.record(kind, {"user_id": number})
    first, place = events.after(0, limit=2)
    second, end = events.after(place, limit=100)
    assert [event.data["user_id"] for event in first + second] == [0, 1, 2, 3, 4]
    assert events.after(end, limit=100) == ([], end)

    enabled, after_enabled = events.after(0, limit=100, kind="user.enabled")
    assert [event.data["user_id"] for event in enabled] == [1, 3]
    assert after_enabled == end
    Event.objects.all().delete()
    assert events.after(end, limit=100) == ([], end)
    assert (events.was_drawn(end), events.was_drawn(end + 1)) == (True, False)


def write(number: int) -> None:
    events.record(EventType.USER_ENABLED, {"user_id": number})


@pytest.mark.django_db(transaction=True)
def test_the_feed_does_not_skip_one_that_commits_late(db):
    written, may_end = threading.Event(), threading.Event()

    def slowly() -> None:
        with transaction.atomic():
            write(1)
            written.set()
            may_end.wait()
        connections.close_all()

    slow = threading.Thread(target=slowly)
    slow.start()
    written.wait()
    write(2)
    before, place = events.after(0, limit=10)
    may_end.set()
    slow.join()
    late, _ = events.after(place, limit=10)
    assert [event.data["user_id"] for event in before] == [2]
    assert [event.data["user_id"] for event in late] == [1]


@pytest.mark.django_db(transaction=True)
def test_20_writers_some_of_them_slow_and_nothing_is_skipped_or_repeated(db):
    """Two readers read on while they write, each a few at once."""
    writing = threading.Event()
    writing.set()
    read: list[list[int]] = [[], []]

    def read_on(mine: list[int]) -> None:
        place, is_last = 0, False
        while not is_last:
            is_last = not writing.is_set()
            happened, place = events.after(place, limit=7)
            mine += [event.data["user_id"] for event in happened]
            is_last = is_last and not happened
        connections.close_all()

    def write_some(writer: int) -> None:
        for number in range(15):
            with transaction.atomic():
                write(writer * 100 + number)
                if writer % 4 == 0:  # the others commit past it
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT pg_sleep(0.02)")

    readers = [threading.Thread(target=read_on, args=[mine]) for mine in read]
    for reader in readers:
        reader.start()
    at_once(20, write_some)
    writing.clear()
    for reader in readers:
        reader.join()
    everything = sorted(writer * 100 + number for writer in range(20) for number in range(15))
    assert [sorted(mine) for mine in read] == [everything, everything]
    assert read[0] == read[1]
    own = [[number for number in read[0] if number // 100 == writer] for writer in range(20)]
    assert all(first < second for mine in own for first, second in pairwise(mine))
