"""The demo's phone."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

MESSAGES_KEPT = 50

# For whoever has more to write in the same round trip: the newest message of `phone`, once its challenge is open.
KEEP_MESSAGE = (
    """INSERT INTO users_message (phone, text)
       SELECT phone, %(text)s FROM users_challenge WHERE id = %(id)s::uuid AND slot IS NOT NULL""",
    f"DELETE FROM users_message WHERE id <= (SELECT max(id) FROM users_message) - {MESSAGES_KEPT}",  # noqa: S608
)


class MessageManager(models.Manager["Message"]):
    def deliver(self, phone: str, text: str) -> None:
        """Keep the message; now and then forget all but the newest."""
        delivered = self.create(phone=phone, text=text)
        if delivered.pk % MESSAGES_KEPT == 0:
            self.filter(id__lte=delivered.pk - MESSAGES_KEPT).delete()

    def newest_to(self, phone: str) -> str | None:
        """The words of the last message to that number."""
        message = self.filter(phone=phone).order_by("-id").first()
        return message.words if message else None


class Message(models.Model):
    """What the simulated gateway delivered. In a demo only: anywhere else this table stays empty.

    It is unlogged: after a crash it is empty too, and a demo pays for no write-ahead log.
    """

    phone = models.CharField(_("phone"), max_length=16)
    text = models.TextField(_("text"))
    created_at = models.DateTimeField(_("delivered"), db_default=Now())

    objects = MessageManager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def words(self) -> str:
        """The text without its last line, which is for browsers."""
        return self.text.partition("\n\n@")[0]
