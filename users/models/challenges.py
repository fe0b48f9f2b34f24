"""The codes that were sent."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

LIVE_CHALLENGES = 3


class Challenge(models.Model):
    """A code that was sent, and what is known of those who try to name it.

    It is open while it holds one of its phone's slots: from the moment the message has left until it is used or
    another takes its place. So a phone never has more open codes than slots.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    phone = models.CharField(_("phone"), max_length=16)  # empty when its owner has left
    phone_key = models.CharField(max_length=32)  # what limits count by
    digits = models.PositiveSmallIntegerField(_("digits"), db_default=4)
    slot = models.PositiveSmallIntegerField(_("slot"), null=True)
    code_hash = models.CharField(max_length=64)
    # How it was sent: empty until it has been, and where the gateway did not say.
    route = models.CharField(_("route"), max_length=32, blank=True, db_default="")
    channel = models.CharField(_("channel"), max_length=16, blank=True, db_default="")
    cost = models.DecimalField(_("cost"), max_digits=12, decimal_places=4, null=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    address = models.GenericIPAddressField(_("address"))
    created_at = models.DateTimeField(_("asked for"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"), db_default=Now())
    used_at = models.DateTimeField(_("used"), null=True)

    class Meta:
        verbose_name = _("challenge")
        verbose_name_plural = _("challenges")
        indexes = [
            models.Index(fields=["phone_key", "-created_at"], name="challenge_by_phone_key"),
            models.Index(fields=["address", "-created_at"], name="challenge_by_address"),
            models.Index(fields=["-created_at"], name="challenge_by_time"),
            # The condition is that of limits.FAILED.
            models.Index(
                fields=["-created_at"],
                name="challenge_failed",
                condition=Q(attempts__gt=1) | Q(attempts=1, used_at=None),
            ),
        ]
        constraints = [
            models.CheckConstraint(name="challenge_slot_exists", condition=Q(slot__lt=LIVE_CHALLENGES)),
            models.UniqueConstraint("phone_key", "slot", name="challenge_one_per_slot"),
        ]

    def __str__(self) -> str:
        return str(self.id)
