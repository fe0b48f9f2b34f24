"""The tables, and behind every rule that two requests could race, a constraint."""

import uuid

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from users import codes, errors, phones

E164 = r"^\+[1-9][0-9]{6,14}$"
INVITE_CODE = f"^[{codes.INVITE_ALPHABET}]{{{codes.INVITE_LENGTH}}}$"
LIVE_CHALLENGES = 3
NO_PASSWORD = UNUSABLE_PASSWORD_PREFIX
MESSAGES_KEPT = 50


def _normalise(phone: str) -> str:
    return phones.normalise(phone, default_region=settings.PHONE_DEFAULT_REGION, allowed_regions=[])


class UserManager(BaseUserManager["User"]):
    def draw(self, phone: str) -> "User":
        """Somebody new, with an invite code of their own. Not saved yet."""
        return self.model(phone=phone, invite_code=codes.draw_invite_code(), password=NO_PASSWORD)

    def get_or_register(self, phone: str) -> tuple["User", bool]:
        """The user of that number, and whether this call created it. Any number of calls may race."""
        while True:
            user = self.filter(phone=phone).first()
            if user:
                return user, False
            drawn = self.draw(phone)
            # A conflict is either the phone (then it is found above) or the invite code (then another is drawn).
            self.bulk_create([drawn], ignore_conflicts=True)
            user = self.filter(id=drawn.id).first()
            if user:
                return user, True

    def get_by_natural_key(self, phone: str) -> "User":
        """Who signs in to the admin site, the number written in any usual form. Raises User.DoesNotExist."""
        try:
            return self.get(phone=_normalise(phone))
        except errors.DomainError:
            raise self.model.DoesNotExist from None

    def create_superuser(self, phone: str, password: str) -> "User":
        """Raises ValidationError, which `manage.py createsuperuser` shows in one line."""
        user = self.draw(self.model._meta.get_field("phone").clean(phone, None))
        user.is_staff = user.is_superuser = True
        user.set_password(password)
        user.save(force_insert=True)
        return user


class PhoneField(models.CharField):
    """Takes a number in any usual form and keeps it in E.164; to the database a text like any other."""

    def clean(self, value: str, model_instance: models.Model | None) -> str:
        try:
            return super().clean(_normalise(value), model_instance)
        except errors.DomainError as error:
            raise ValidationError(error.detail) from None

    def deconstruct(self) -> tuple:
        name, _path, arguments, options = super().deconstruct()
        return name, "django.db.models.CharField", arguments, options


class User(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # None when its owner has left; then the key is what is left of it.
    phone = PhoneField(_("phone"), max_length=16, null=True, help_text=_("E.164, such as +79136740000"))
    phone_key = models.CharField(max_length=32, null=True, editable=False)
    invite_code = models.CharField(_("invite code"), max_length=6, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("may enter the admin site"), default=False)
    created_at = models.DateTimeField(_("registered"), db_default=Now(), editable=False)
    # Kept by a trigger on Activation (migration 0004): counting a hundred thousand rows on every read would show.
    referrals_count = models.PositiveIntegerField(_("people who came"), db_default=0, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "phone"

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        indexes = [models.Index(fields=["phone_key"], name="user_who_left", condition=Q(phone_key__isnull=False))]
        constraints = [
            # Not `unique=True`, with which Django adds an index for LIKE to each.
            models.UniqueConstraint(fields=["phone"], name="user_phone_is_theirs_alone"),
            models.UniqueConstraint(fields=["invite_code"], name="user_invite_code_is_theirs_alone"),
            models.CheckConstraint(name="user_phone_is_e164", condition=Q(phone__regex=E164)),
            models.CheckConstraint(name="user_invite_code_is_readable", condition=Q(invite_code__regex=INVITE_CODE)),
        ]

    def __str__(self) -> str:
        return str(self.id)  # never the phone: this text reaches logs


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


class InviteFailure(models.Model):
    """Somebody entered an invite code that nobody has."""

    user = models.ForeignKey(User, models.CASCADE, related_name="invite_failures", db_index=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["user", "-created_at"], name="invite_failure_by_user")]

    def __str__(self) -> str:
        return str(self.pk)


class Session(models.Model):
    """One signed-in client. Its row decides; a token only names it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    generation = models.PositiveIntegerField(default=0)  # how often the refresh token has rotated
    salt = models.BinaryField(max_length=32)
    address = models.GenericIPAddressField(_("address"))
    user_agent = models.CharField(_("browser"), max_length=200)
    created_at = models.DateTimeField(_("signed in"), db_default=Now())
    refreshed_at = models.DateTimeField(_("last seen"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    def __str__(self) -> str:
        return str(self.id)


class Activation(models.Model):
    """Somebody entered somebody's invite code: once, for ever."""

    invitee = models.OneToOneField(User, models.PROTECT, related_name="activation", verbose_name=_("who came"))
    inviter = models.ForeignKey(
        User, models.PROTECT, related_name="referrals", db_index=False, verbose_name=_("who invited")
    )
    # The invitee's own number, kept by triggers (migrations 0004 and 0008): an inviter's list is read off one index.
    invitee_phone = models.CharField(_("number of who came"), max_length=16, null=True, editable=False)
    created_at = models.DateTimeField(_("when"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("activation")
        verbose_name_plural = _("activations")
        indexes = [
            models.Index(
                fields=["inviter", "-id"], include=["invitee_phone", "created_at"], name="activation_newest_first"
            )
        ]
        constraints = [
            models.CheckConstraint(name="activation_not_of_own_code", condition=~Q(invitee=F("inviter"))),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class MessageManager(models.Manager["Message"]):
    def deliver(self, phone: str, text: str) -> None:
        """Keep the message; now and then forget all but the newest."""
        # By hand: for the ORM to compose it took a tenth of a sign-in.
        insert = "INSERT INTO users_message (phone, text) VALUES (%(phone)s, %(text)s) RETURNING id"
        [message_id] = connection.fetch_prepared(insert, phone=phone, text=text)
        if message_id % MESSAGES_KEPT == 0:
            self.filter(id__lte=message_id - MESSAGES_KEPT).delete()

    def newest_to(self, phone: str) -> str | None:
        """The words of the last message to that number."""
        message = self.filter(phone=phone).order_by("-id").first()
        return message.words if message else None


class Message(models.Model):
    """What the simulated gateway delivered. In a demo only: anywhere else this table stays empty.

    It is unlogged (migration 0007): after a crash it is empty too, and a demo pays for no write-ahead log.
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
