"""What one's own backend was told, and what became of it."""

import json

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from users import events, services
from users.admin.look_only import LookOnly
from users.models import Delivery, Event

NO_LONGER = _("no longer configured")


class Replays(LookOnly):
    """Has posting again as an action, for whoever may change what it lists."""

    actions = ("replay",)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"users.change_{self.opts.model_name}")

    def _tell(self, request: HttpRequest, count: int) -> None:
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, _("Due again: %(count)d.") % {"count": count}, level)


@admin.register(Event)
class Events(Replays):
    list_display = ("type", "created_at", "uid", "became")
    list_filter = ("type",)
    search_fields = ("=uid",)
    search_help_text = _("Id of the event")
    ordering = ("-id",)
    show_full_result_count = False
    fields = ("uid", "type", "created_at", "shown_data", "place", "became")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).prefetch_related("deliveries")

    @admin.display(description=_("data"))
    def shown_data(self, event: Event) -> str:
        return json.dumps(event.data, indent=2, ensure_ascii=False)

    @admin.display(description=_("deliveries"))
    def became(self, event: Event) -> str:
        return ", ".join(f"{_host(delivery)}: {_outcome(delivery)}" for delivery in event.deliveries.all()) or "–"

    @admin.action(description=_("Post the chosen events again, delivered or not"), permissions=["replay"])
    def replay(self, request: HttpRequest, chosen: QuerySet[Event]) -> None:
        self._tell(request, services.replay_events(chosen=chosen))


class Outcome(admin.SimpleListFilter):
    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [("delivered", _("delivered")), ("waiting", _("waiting")), ("given_up", _("given up"))]

    def queryset(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
        wanted: dict[str, dict[str, object]] = {
            "delivered": {"delivered_at__isnull": False},
            "waiting": {"next_attempt_at__isnull": False},
            "given_up": {"delivered_at": None, "next_attempt_at": None},
        }
        return deliveries.filter(**wanted.get(self.value() or "", {}))


@admin.register(Delivery)
class Deliveries(Replays):
    list_display = ("event_type", "host", "attempts", "outcome", "next_attempt_at", "delivered_at")
    list_filter = (Outcome,)
    list_select_related = ("event",)
    ordering = ("-id",)
    show_full_result_count = False
    fields = ("event", "host", "attempts", "outcome", "next_attempt_at", "delivered_at")

    @admin.display(description=_("event"))
    def event_type(self, delivery: Delivery) -> str:
        return delivery.event.type

    @admin.display(description=_("endpoint"))
    def host(self, delivery: Delivery) -> str:
        return _host(delivery)

    @admin.action(description=_("Post the chosen deliveries again"), permissions=["replay"])
    def replay(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        self._tell(request, services.replay_deliveries(chosen=chosen))


def _host(delivery: Delivery) -> str:
    """Of a URL nothing but the host is shown: the rest may hold a secret."""
    return events.host_of(delivery.endpoint) or f"{delivery.endpoint} ({NO_LONGER})"


def _outcome(delivery: Delivery) -> str:
    if delivery.delivered_at:
        return str(_("delivered"))
    return f"{_('waiting') if delivery.next_attempt_at else _('given up')} ({delivery.outcome or '–'})"
