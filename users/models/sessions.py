"""Who is signed in, and where."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from users.models.people import User


class Session(models.Model):
    """One signed-in client. Its row decides; a token only names it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions", db_index=False)
    generation = models.PositiveIntegerField(default=0)  # how often the refresh token has rotated
    salt = models.BinaryField(max_length=32)
    address = models.GenericIPAddressField(_("address"))
    user_agent = models.CharField(_("browser"), max_length=200)
    created_at = models.DateTimeField(_("signed in"), db_default=Now())
    seen_at = models.DateTimeField(_("last seen"), db_default=Now())  # give or take tokens.SEEN_EVERY
    refreshed_at = models.DateTimeField(_("refreshed"), db_default=Now())
    refreshed_before = models.DateTimeField(db_default=Now(), editable=False)  # the time before that
    expires_at = models.DateTimeField(_("expires"))
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="session_newest_first"),
            models.Index(fields=["created_at"], name="session_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.created_at:%Y-%m-%d %H:%M}"
