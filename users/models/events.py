"""What happened, for one's own backend: written with it, given a place in the feed, posted to whoever wants to hear."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from users.webhooks import EventType


class Event(models.Model):
    """Written by the statement or transaction of what it tells, so neither is there without the other.

    It gets its `place` later, when that transaction is over: places follow each other in the order in which they
    become visible, so whoever has read up to one has missed nothing before it. `endpoints` are those it is to be posted
    to. `data` holds ids, invite codes and times, never a number.
    """

    uid = models.UUIDField(_("id"), db_default=RandomUUID(), editable=False)
    type = models.CharField(_("type"), max_length=32, choices=[(kind.value, kind.value) for kind in EventType])
    data = models.JSONField(_("data"))
    endpoints = ArrayField(models.CharField(max_length=12), default=list, editable=False)
    place = models.BigIntegerField(_("place in the feed"), null=True, editable=False)
    created_at = models.DateTimeField(_("when"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["id"], name="event_without_a_place", condition=Q(place=None)),
            models.Index(fields=["-created_at"], name="event_alarm", condition=Q(type=EventType.ALARM_RAISED.value)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["uid"], name="event_has_an_id_of_its_own"),
            models.UniqueConstraint(
                fields=["place"], name="event_has_a_place_of_its_own", condition=Q(place__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.uid)


class Delivery(models.Model):
    """One event on its way to one endpoint. It is due while `next_attempt_at` is set; without that and without
    `delivered_at` it has been given up."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries", db_index=False)
    endpoint = models.CharField(_("endpoint"), max_length=12)
    attempts = models.PositiveSmallIntegerField(_("attempts"), db_default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, db_default=Now())
    delivered_at = models.DateTimeField(_("delivered"), null=True)
    outcome = models.CharField(_("outcome of the last attempt"), max_length=40, db_default="")

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                name="delivery_due",
                condition=Q(next_attempt_at__isnull=False),
            )
        ]
        constraints = [models.UniqueConstraint(fields=["event", "endpoint"], name="delivery_once_an_endpoint")]

    def __str__(self) -> str:
        return str(self.pk)


class GoneEndpoint(models.Model):
    """An endpoint that answered 410: nothing is posted to it until a server is restarted."""

    endpoint = models.CharField(max_length=12, primary_key=True)
    gone_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.endpoint
