"""`manage.py events`, as somebody on call uses it."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from tests.support.receivers import SECRET, receiver
from users import events, services, webhooks
from users.models import Delivery, Event
from users.webhooks import EventType

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backend(settings):
    with receiver() as server:
        settings.WEBHOOK_URLS = [webhooks.parse(server.url)]
        settings.WEBHOOK_SECRETS = [SECRET]
        settings.EVENTS_ARE_RECORDED = True
        yield server


def say(*arguments: str) -> str:
    said = StringIO()
    call_command("events", *arguments, stdout=said)
    return said.getvalue()


def happen(*numbers: int) -> list[str]:
    """Ids of the events, oldest first."""
    events.record(EventType.USER_ENABLED, *({"user_id": number} for number in numbers))
    return [str(uid) for uid in Event.objects.order_by("id").values_list("uid", flat=True)]


def test_what_is_due_is_delivered_and_listed(backend):
    first, second = happen(1, 2)
    assert say("deliver") == "posted: 2\n"
    lines = say("list").splitlines()
    assert [line.split()[0] for line in lines] == [second, first]
    assert "user.enabled" in lines[0]
    assert "127.0.0.1: delivered" in lines[0]
    assert say("list", "--type", "user.deleted") == say("list", "--given-up") == ""
    assert say("deliver") == "posted: 0\n"


@pytest.mark.parametrize("limit", ["-5", "0", "many", "99999999999999999999"])
def test_a_limit_that_is_none_is_said_to_be(limit):
    with pytest.raises(CommandError, match=f"argument --limit: invalid count value: '{limit}'"):
        say("list", f"--limit={limit}")


def test_one_event_is_shown_whole(backend):
    [event] = happen(7)
    backend.status = 500
    say("deliver")
    said = say("show", event)
    assert '"user_id": 7' in said
    assert "127.0.0.1: next attempt" in said
    assert "(500), attempts: 1" in said
    assert "/events" not in said  # of a URL nothing but the host


def test_named_events_are_posted_again_whatever_became_of_them(backend):
    first, _ = happen(1, 2)
    say("deliver")
    assert say("replay", first) == "due again: 1\n"
    assert say("deliver") == "posted: 1\n"
    assert [event["data"]["user_id"] for event in backend.events].count(1) == 2
    assert Delivery.objects.filter(delivered_at=None).count() == 0


def test_an_event_is_posted_to_an_endpoint_that_came_later(backend, settings):
    [event] = happen(1)
    say("deliver")
    with receiver() as newcomer:
        settings.WEBHOOK_URLS = [webhooks.parse(newcomer.url)]
        assert say("replay", event) == "due again: 1\n"
        assert say("deliver") == "posted: 1\n"
        assert newcomer.verified() == backend.verified()


def test_all_that_was_given_up_is_posted_again(backend):
    happen(1, 2)
    backend.status = 500
    say("deliver")
    Delivery.objects.filter(event__data__user_id=1).update(next_attempt_at=None)
    assert len(say("list", "--given-up").splitlines()) == 1
    backend.status = 204
    assert say("replay", "--given-up") == "due again: 1\n"
    assert say("deliver") == "posted: 1\n"
    assert say("list", "--given-up") == ""


@pytest.mark.parametrize("arguments", [["show", "nonsense"], ["replay", "5b0c6f7e-0000-4000-8000-000000000000"]])
def test_an_event_that_is_not_there_is_said_so(db, arguments):
    with pytest.raises(CommandError, match="no event"):
        say(*arguments)


@pytest.mark.parametrize("arguments", [["replay"], ["replay", "5b0c6f7e-0000-4000-8000-000000000000", "--given-up"]])
def test_what_to_replay_has_to_be_said(db, arguments):
    with pytest.raises(CommandError, match="name the events"):
        say(*arguments)


def test_waiting_deliveries_are_counted_with_the_age_of_the_oldest(backend):
    assert services.waiting_deliveries() == services.Waiting(0, timedelta())
    backend.status = 500
    happen(1, 2)
    say("deliver")
    Event.objects.filter(data__user_id=1).update(created_at=F("created_at") - timedelta(hours=1))
    waiting = services.waiting_deliveries()
    assert waiting.count == 2
    assert timedelta(hours=1) <= waiting.oldest < timedelta(hours=2)


def test_events_are_kept_for_thirty_days(backend):
    happen(1, 2)
    say("deliver")
    Event.objects.filter(data__user_id=1).update(created_at=timezone.now() - timedelta(days=31))
    call_command("purge", stdout=StringIO())
    assert [event.data for event in Event.objects.all()] == [{"user_id": 2}]
    assert Delivery.objects.count() == 1
