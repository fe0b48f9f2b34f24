"""Where one is signed in: all of it in slices, end one, end all others."""

import base64
from contextlib import nullcontext
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from tests.support.people import at_once
from users import errors, services, tokens
from users.models import Session
from users.webhooks import EndReason

pytestmark = pytest.mark.django_db


@pytest.fixture
def me(alice, browser):
    """Alice, signed in."""
    alice.session = tokens.open_session(alice, browser)
    return alice


def open_more(user, browser, count: int) -> list[Session]:
    return [tokens.open_session(user, browser) for _ in range(count)]


def test_a_session_says_who_where_and_when(me, browser):
    [session] = services.sessions_of(user=me).items
    row = Session.objects.get()
    shown = services.OwnSession(row.id, "Unknown browser", browser.address, row.created_at, row.seen_at, current=True)
    assert session == shown


def test_every_session_is_in_exactly_one_slice_forwards_and_back(me, browser):
    more = open_more(me, browser, 6)
    Session.objects.filter(id__in=[session.id for session in more[1:4]]).update(created_at=Now())  # at the same time
    newest_first = list(Session.objects.order_by("-created_at", "-id").values_list("id", flat=True))
    slices = [services.sessions_of(user=me, first=3)]
    while slices[-1].next:
        slices.append(services.sessions_of(user=me, cursor=slices[-1].next, first=3))
    assert [[session.id for session in found.items] for found in slices] == [
        newest_first[:3],
        newest_first[3:6],
        newest_first[6:],
    ]
    back = services.sessions_of(user=me, cursor=slices[2].previous, first=3)
    assert (back.items, slices[0].previous) == (slices[1].items, None)
    assert services.sessions_of(user=me, cursor=back.previous, first=3).items == slices[0].items
    assert [session.id for found in slices for session in found.items if session.current] == [me.session.id]


@pytest.mark.parametrize("cursor", ["nonsense", "PDE", "PA", "PDEuMg", "PDk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OS4x", "ы"])
def test_a_cursor_that_is_not_ours_is_refused(me, cursor):
    with pytest.raises(errors.InvalidInput) as refused:
        services.sessions_of(user=me, cursor=cursor)
    assert list(refused.value.extra["fields"]) == ["cursor"]


@pytest.mark.parametrize(("digits", "refused"), [(17, False), (18, True)])
def test_a_cursor_of_a_time_that_never_comes_is_refused(me, digits, refused):
    cursor = base64.urlsafe_b64encode(f"<{'9' * digits}.{me.session.id}".encode()).decode().rstrip("=")
    with pytest.raises(errors.InvalidInput) if refused else nullcontext():
        services.sessions_of(user=me, cursor=cursor)


@pytest.mark.parametrize("first", [0, 101])
def test_a_slice_has_from_1_to_100(me, first):
    with pytest.raises(errors.InvalidInput):
        services.sessions_of(user=me, first=first)


def test_what_has_ended_or_expired_or_is_somebody_elses_is_not_shown_and_not_ended(me, bob, browser):
    ended, expired = open_more(me, browser, 2)
    theirs = tokens.open_session(bob, browser)
    tokens.end_session(ended)
    Session.objects.filter(id=expired.id).update(expires_at=Now())
    before = list(Session.objects.order_by("id").values())
    assert [session.id for session in services.sessions_of(user=me).items] == [me.session.id]
    for session_id in (ended.id, expired.id, theirs.id, "", "nonsense"):
        with pytest.raises(errors.NotFound):
            services.end_session(user=me, session_id=str(session_id))
    services.end_other_sessions(user=me)
    assert list(Session.objects.order_by("id").values()) == before


def test_ending_all_others_leaves_this_one(me, browser):
    open_more(me, browser, 3)
    assert services.end_other_sessions(user=me) == 3
    assert list(Session.objects.filter(ended_at=None)) == [me.session]


@pytest.mark.parametrize(("everywhere", "left"), [(False, 2), (True, 0)])
def test_logging_out_here_or_everywhere(me, bob, browser, everywhere, left):
    open_more(me, browser, 2)
    tokens.open_session(bob, browser)
    services.logout(user=me, everywhere=everywhere)
    assert me.sessions.filter(ended_at=None).count() == left
    assert bob.sessions.filter(ended_at=None).count() == 1


def test_an_app_is_seen_when_it_refreshes(me):
    Session.objects.update(seen_at=Now() - timedelta(days=3), refreshed_at=Now() - timedelta(days=3))
    services.refresh(refresh_token=tokens.issue(me.session).refresh)
    session = Session.objects.get()
    assert session.seen_at == session.refreshed_at > session.created_at


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(5))
def test_of_24_who_end_a_session_one_does(me, browser, round_):
    [other] = open_more(me, browser, 1)
    results = at_once(24, lambda number: services.end_session(user=me, session_id=str(other.id)))
    assert sorted(type(result).__name__ for result in results) == ["NoneType"] + ["NotFound"] * 23


OF_MANY = {"salt": b"", "address": "203.0.113.5", "user_agent": "", "expires_at": Now() + timedelta(days=1)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(5))
def test_many_who_end_the_same_sessions_do_not_wait_in_a_circle(me, browser, round_):
    """Whatever order each of them finds them in."""
    Session.objects.bulk_create([Session(user=me, **OF_MANY) for _ in range(3000)])
    orders = ["id", "-id"]
    results = at_once(
        12,
        lambda number: tokens.end_sessions(
            Session.objects.filter(user=me).order_by(orders[number % 2]), reason=EndReason.ENDED_BY_OPERATOR
        ),
    )
    assert sum(results) == 3001
