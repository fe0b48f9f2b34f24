import json
import signal
import sys
import threading

from django.core.management import BaseCommand, CommandError
from django.db import connection
from django.db.models import QuerySet

from users import events, services
from users.errors import DomainError
from users.models import Delivery, Event
from users.webhooks import EventType


class Command(BaseCommand):
    help = "What one's own backend is told: lists events, shows one, posts them again, delivers what is due."
    requires_system_checks = []

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="the newest events, and what became of their deliveries")
        listing.add_argument("--type", choices=list(EventType))
        listing.add_argument("--limit", type=count, default=20)
        listing.add_argument("--given-up", action="store_true", help="only those that an endpoint never took")
        showing = actions.add_parser("show", help="one event, with every delivery")
        showing.add_argument("id")
        replaying = actions.add_parser("replay", help="post events again, delivered or not")
        replaying.add_argument("id", nargs="*")
        replaying.add_argument("--given-up", action="store_true", help="all that an endpoint never took")
        delivering = actions.add_parser("deliver", help="post what is due now; `serve` does so by itself")
        delivering.add_argument("--forever", action="store_true", help="until a signal, for other servers than `serve`")
        delivering.add_argument(
            "--until-input-ends", action="store_true", help="the same, and until whoever began it ends"
        )

    def handle(self, *, action: str, **options):
        getattr(self, f"{action}_events")(**options)

    def list_events(self, *, type: str | None, limit: int, given_up: bool, **options) -> None:
        found = _given_up_events() if given_up else Event.objects.all()
        if type:
            found = found.filter(type=type)
        for event in found.prefetch_related("deliveries").order_by("-id")[:limit]:
            became = ", ".join(_became(delivery) for delivery in event.deliveries.all())
            self.stdout.write(f"{event.uid}  {event.created_at:%Y-%m-%d %H:%M:%S}  {event.type:18}  {became}")

    def show_events(self, *, id: str, **options) -> None:
        event = _named(id)
        self.stdout.write(f"{event.uid}  {event.type}  {event.created_at.isoformat()}")
        self.stdout.write(json.dumps(event.data, indent=2))
        for delivery in event.deliveries.all():
            self.stdout.write(f"{_became(delivery)}, attempts: {delivery.attempts}")

    def replay_events(self, *, id: list[str], given_up: bool, **options) -> None:
        if bool(id) == given_up:
            raise CommandError("name the events by their ids, or say --given-up")
        if given_up:
            count = services.replay_deliveries(chosen=services.given_up_deliveries())
        else:
            chosen = Event.objects.filter(pk__in=[_named(one).pk for one in id])
            count = services.replay_events(chosen=chosen)
        self.stdout.write(f"due again: {count}")

    def deliver_events(self, *, forever: bool, until_input_ends: bool, **options) -> None:
        if forever or until_input_ends:
            events.deliver_forever(_told_to_stop(watch_input=until_input_ends))
        else:
            connection.ensure_connection()  # which starts the embedded database where it does not run
            connection.close()
            self.stdout.write(f"posted: {events.deliver_due()}")


def count(written: str) -> int:
    """As argparse wants it: a ValueError is shown in one line, with this name."""
    if not 1 <= int(written) <= 1_000_000:
        raise ValueError
    return int(written)


def _named(event_id: str) -> Event:
    try:
        return services.event_named(event_id=event_id)
    except DomainError:
        raise CommandError(f"no event {event_id}") from None


def _given_up_events() -> QuerySet[Event]:
    return Event.objects.filter(deliveries__in=services.given_up_deliveries()).distinct()


def _became(delivery: Delivery) -> str:
    host = events.host_of(delivery.endpoint) or f"{delivery.endpoint} (no longer configured)"
    if delivery.delivered_at:
        return f"{host}: delivered {delivery.delivered_at:%Y-%m-%d %H:%M:%S} ({delivery.outcome})"
    if delivery.next_attempt_at:
        return f"{host}: next attempt {delivery.next_attempt_at:%Y-%m-%d %H:%M:%S} ({delivery.outcome or 'none yet'})"
    return f"{host}: given up ({delivery.outcome})"


def _told_to_stop(*, watch_input: bool) -> threading.Event:
    """Set by a signal, and when nothing more can come on stdin: then whoever began this process is gone."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if watch_input:
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), stop.set()), daemon=True).start()
    return stop
