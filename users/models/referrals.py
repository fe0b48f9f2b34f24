"""Who entered whose invite code, and who entered one that nobody has."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from users.models.people import User


class Activation(models.Model):
    """Somebody entered somebody's invite code: once, for ever."""

    invitee = models.OneToOneField(User, models.PROTECT, related_name="activation", verbose_name=_("who came"))
    inviter = models.ForeignKey(
        User, models.PROTECT, related_name="referrals", db_index=False, verbose_name=_("who invited")
    )
    # The invitee's own number, kept by triggers: an inviter's list is read off one index.
    invitee_phone = models.CharField(_("number of who came"), max_length=16, null=True, editable=False)
    created_at = models.DateTimeField(_("when"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("activation")
        verbose_name_plural = _("activations")
        indexes = [
            models.Index(
                fields=["inviter", "-id"], include=["invitee_phone", "created_at"], name="activation_newest_first"
            ),
            models.Index(fields=["created_at"], name="activation_by_time"),
        ]
        constraints = [
            models.CheckConstraint(name="activation_not_of_own_code", condition=~Q(invitee=F("inviter"))),
        ]

    def __str__(self) -> str:
        return f"{self.invitee} ← {self.inviter}"


class InvitedNumber(models.Model):
    """A number whose owner entered an invite code and has given it up since, by leaving or for another one.

    Its key is all that is left of it. Whoever has the number next may enter none: once for ever holds for a number.
    """

    phone_key = models.CharField(max_length=32, primary_key=True)

    def __str__(self) -> str:
        return self.phone_key


class InviteOpening(models.Model):
    """How many times somebody's invite link was opened on a day, see users/services/openings.py."""

    inviter = models.ForeignKey(User, models.CASCADE, related_name="openings", db_index=False)
    day = models.DateField()  # UTC's
    times = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["inviter", "day"], name="invite_opening_counted_in_one_row"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class InviteFailure(models.Model):
    """Somebody entered an invite code that nobody has."""

    user = models.ForeignKey(User, models.CASCADE, related_name="invite_failures", db_index=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["user", "-created_at"], name="invite_failure_by_user")]

    def __str__(self) -> str:
        return str(self.pk)
