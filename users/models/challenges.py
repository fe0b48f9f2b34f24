"""The codes that were asked for, and the wrong ones that were tried."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from users import phones

LIVE_CHALLENGES = 3


class Challenge(models.Model):
    """A code that was asked for, and what is known of those who try to name it.

    It is written before the gateway is called, so that whatever happens then, the message counts. It is open while it
    holds one of its phone's slots: from the moment the message has left until it is used or another takes its place.
    So a phone never has more open codes than slots.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    phone = models.CharField(_("phone"), max_length=16)  # empty when its owner has left
    phone_key = models.CharField(max_length=32)  # what limits count by
    address = models.GenericIPAddressField(_("address"))
    network = models.GenericIPAddressField()  # the /24 around it, the /48 of an IPv6 address
    region = models.CharField(_("region"), max_length=3, blank=True, db_default="")  # the number's, as ISO 3166 has it
    at_home = models.BooleanField(db_default=False)  # the phone had signed in from this address
    is_test = models.BooleanField(_("test number"), default=False, db_default=False)  # nothing is sent: a fixed code
    is_sent = models.BooleanField(db_default=True)  # False: the gateway refused it for certain
    digits = models.PositiveSmallIntegerField(_("digits"), db_default=4)
    told_digits = models.PositiveSmallIntegerField(null=True)  # what may be said of them, see limits.Admission
    slot = models.PositiveSmallIntegerField(_("slot"), null=True)
    code_hash = models.CharField(max_length=64, db_default="")
    # How it was sent: empty until it has been, and where the gateway did not say.
    route = models.CharField(_("route"), max_length=32, blank=True, db_default="")
    channel = models.CharField(_("channel"), max_length=16, blank=True, db_default="")
    cost = models.DecimalField(_("cost"), max_digits=12, decimal_places=4, null=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, db_default=0)  # that were compared
    dead_attempts = models.PositiveSmallIntegerField(default=0, db_default=0)  # after the phone's codes grew longer
    created_at = models.DateTimeField(_("asked for"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"), db_default=Now())
    used_at = models.DateTimeField(_("used"), null=True)
    used_from = models.GenericIPAddressField(null=True)  # from now on the phone is at home there
    asked_at = models.DateTimeField(null=True)  # the right code was named, and its owner asked whose account it is

    class Meta:
        verbose_name = _("challenge")
        verbose_name_plural = _("challenges")
        indexes = [
            models.Index(fields=["phone_key", "-created_at"], name="challenge_by_phone"),
            models.Index(fields=["address", "-created_at"], name="challenge_by_address"),
            models.Index(fields=["network", "-created_at"], name="challenge_by_network"),
            models.Index(fields=["at_home", "-created_at"], name="challenge_by_time"),
            models.Index(
                fields=["region", "-created_at"], name="challenge_of_stranger", condition=Q(at_home=False, is_sent=True)
            ),
            models.Index(
                fields=["phone_key", "used_from"], name="challenge_homes", condition=Q(used_from__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(name="challenge_slot_exists", condition=Q(slot__lt=LIVE_CHALLENGES)),
            models.UniqueConstraint("phone_key", "slot", name="challenge_one_per_slot"),
        ]

    def __str__(self) -> str:
        whose = phones.mask(self.phone) if self.phone else "–"
        return f"{whose} · {self.created_at:%Y-%m-%d %H:%M}"

    def attempts_left(self, of: int) -> int:
        return max(0, of - self.attempts - self.dead_attempts)


class CodeFailure(models.Model):
    """A wrong code, remembered for a year by the phone it was tried on and the address it came from."""

    phone_key = models.CharField(max_length=32)
    address = models.GenericIPAddressField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["phone_key", "-created_at"], name="code_failure_by_phone"),
            models.Index(fields=["address", "-created_at"], name="code_failure_by_address"),
            models.Index(fields=["-created_at"], name="code_failure_by_time"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class AddressFailure(models.Model):
    """Somebody who had not signed in was wrong at a door where addresses alone are counted."""

    class Door(models.TextChoices):
        INVITE = "invite"
        ADMIN = "admin"
        SERVICE = "service"

    door = models.CharField(max_length=7, choices=Door.choices)
    address = models.GenericIPAddressField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["door", "address", "-created_at"], name="address_failure_by_address")]

    def __str__(self) -> str:
        return str(self.pk)


class GuardDecision(models.Model):
    """How many codes of strangers the guard has found dubious in an hour: see users/guard.py. One row an hour, a region
    and a reason, whoever asked and however often."""

    class Decision(models.TextChoices):
        RECORDED = "recorded", _("recorded")
        DENIED = "denied", _("denied")

    class Scope(models.TextChoices):
        REGION = "region", _("region")
        NETWORK = "network", _("network")

    hour = models.DateTimeField(_("hour (UTC)"))
    region = models.CharField(_("region"), max_length=3)
    scope = models.CharField(_("unused codes of its"), max_length=7, choices=Scope.choices)
    decision = models.CharField(_("decision"), max_length=8, choices=Decision.choices)
    codes = models.PositiveIntegerField(_("codes"), db_default=1)

    class Meta:
        verbose_name = _("decision of the guard")
        verbose_name_plural = _("decisions of the guard")
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "region", "scope", "decision"], name="guard_decision_counted_in_one_row"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)
