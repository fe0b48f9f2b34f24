"""Where somebody is signed in: all of it, in slices."""

from datetime import timedelta

import pytest
from django.db.models import F

from users import errors, services, tokens
from users.models import Session
from users.webhooks import EndReason

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(alice, browser) -> list[Session]:
    """Seven of Alice's, newest first, three of them opened at the same moment."""
    for _ in range(7):
        tokens.open_session(alice, browser)
    third, *others = Session.objects.order_by("created_at")[2:5]
    for session in others:
        Session.objects.filter(id=session.id).update(created_at=third.created_at)
    return list(Session.objects.order_by("-created_at", "-id"))


@pytest.mark.parametrize("first", [1, 2, 3, 6, 7, 8])
def test_slices_forth_and_back_show_each_session_once(alice, many, first):
    forth, cursor = [], None
    while True:
        found = services.sessions_of(user=alice, cursor=cursor, first=first)
        forth.append(found)
        cursor = found.next
        if cursor is None:
            break
    assert [session for found in forth for session in found.items] == many
    assert forth[0].previous is None
    back, cursor = forth[-1].items, forth[-1].previous
    while cursor:
        found = services.sessions_of(user=alice, cursor=cursor, first=first)
        back, cursor = [*found.items, *back], found.previous
    assert back == many


def test_ended_and_expired_sessions_and_those_of_others_are_not_listed(alice, bob, browser, many):
    tokens.open_session(bob, browser)
    tokens.end_session(many[0], reason=EndReason.LOGGED_OUT)
    Session.objects.filter(id=many[1].id).update(expires_at=F("created_at") - timedelta(days=1))
    assert services.sessions_of(user=alice).items == many[2:]


@pytest.mark.parametrize("cursor", ["x", "PDE", "PDEuMQ", "PC0xLmFi", "é", "PD" * 500])
def test_what_is_no_cursor_of_ours_is_refused(alice, cursor):
    with pytest.raises(errors.InvalidInput) as refused:
        services.sessions_of(user=alice, cursor=cursor)
    assert list(refused.value.extra["fields"]) == ["cursor"]


@pytest.mark.parametrize("first", [0, -1, 101])
def test_from_1_to_100_are_shown_at_once(alice, first):
    with pytest.raises(errors.InvalidInput):
        services.sessions_of(user=alice, first=first)


def test_all_but_the_one_that_asks_are_ended(alice, bob, browser, many):
    bobs = tokens.open_session(bob, browser)
    alice.session = many[3]
    assert services.end_other_sessions(user=alice) == 6
    assert set(tokens.live_sessions()) == {many[3], bobs}
    assert services.end_other_sessions(user=alice) == 0
