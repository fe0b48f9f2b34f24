"""What has happened, for one's own backend and for those who look after it: read on, looked up, told again."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from users import events
from users.errors import InvalidInput, NotFound
from users.events import Happened
from users.models import Delivery, Event
from users.services.arguments import parse_id
from users.webhooks import EventType

MOST_AT_ONCE = 1000


@dataclass(frozen=True)
class EventSlice:
    """Oldest first. `next` is the cursor to go on from, however much there is now."""

    items: list[Happened]
    next: str


def events_after(*, cursor: str | None = None, limit: int = 100, kind: str | None = None) -> EventSlice:
    """The feed behind a cursor; without one, from the oldest that is kept. Raises InvalidInput."""
    if not 1 <= limit <= MOST_AT_ONCE:
        raise InvalidInput(fields={"limit": [_("From 1 to %(most)d at once.") % {"most": MOST_AT_ONCE}]})
    if kind and kind not in set(EventType):
        raise InvalidInput(fields={"type": [_("There is no such type of event.")]})
    found, place = events.after(_place(cursor), limit=limit, kind=kind or None)
    return EventSlice(found, str(place))


def _place(cursor: str | None) -> int:
    if not cursor:
        return 0
    place = int(cursor) if cursor.isascii() and cursor.isdecimal() and len(cursor) < 19 else -1
    if place < 0 or not events.was_drawn(place):
        raise InvalidInput(fields={"after": [_("This is not a cursor of ours.")]})
    return place


def event_named(*, event_id: str) -> Event:
    """With its deliveries. Raises NotFound."""
    wanted = parse_id(event_id)
    event = Event.objects.prefetch_related("deliveries").filter(uid=wanted).first() if wanted else None
    if event is None:
        raise NotFound()
    return event


def replay_events(*, chosen: QuerySet[Event]) -> int:
    """Post these to every endpoint they are for under the settings of now, delivered or not, from the first attempt on.
    Returns how many deliveries that makes."""
    due = [
        Delivery(event=event, endpoint=endpoint.key)
        for event in chosen.filter(type__in=settings.WEBHOOK_TYPES)
        for endpoint in settings.WEBHOOK_URLS
    ]
    Delivery.objects.bulk_create(due, ignore_conflicts=True)
    again = Q(event__in=[delivery.event_id for delivery in due], endpoint__in=_endpoints())
    return _make_due(Delivery.objects.filter(again))


def replay_deliveries(*, chosen: QuerySet[Delivery]) -> int:
    """The same for single ones. What is for an endpoint that is no longer configured stays as it is."""
    return _make_due(chosen.filter(endpoint__in=_endpoints()))


def given_up_deliveries() -> QuerySet[Delivery]:
    return Delivery.objects.filter(next_attempt_at=None, delivered_at=None)


@dataclass(frozen=True)
class Waiting:
    """Deliveries that have not arrived yet and are still tried, and how old the oldest of their events is."""

    count: int
    oldest: timedelta


def waiting_deliveries() -> Waiting:
    waiting = Delivery.objects.filter(next_attempt_at__isnull=False, endpoint__in=_endpoints())
    found = waiting.aggregate(count=Count("id"), oldest=Now() - Min("event__created_at"))
    return Waiting(found["count"], found["oldest"] or timedelta())


def _make_due(deliveries: QuerySet[Delivery]) -> int:
    return deliveries.update(attempts=0, next_attempt_at=Now(), delivered_at=None, outcome="")


def _endpoints() -> list[str]:
    return [endpoint.key for endpoint in settings.WEBHOOK_URLS]
