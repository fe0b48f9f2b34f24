"""Who has signed in: a number, an invite code, and whether they may come in."""

import uuid

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from users import codes, errors, phones

E164 = r"^\+[1-9][0-9]{6,14}$"
INVITE_CODE = f"^[{codes.INVITE_ALPHABET}]{{{codes.INVITE_LENGTH}}}$"
NO_PASSWORD = UNUSABLE_PASSWORD_PREFIX


def _normalise(phone: str) -> str:
    return phones.normalise(phone, default_region=settings.PHONE_DEFAULT_REGION)


class UserManager(BaseUserManager["User"]):
    def present(self, *ids: uuid.UUID) -> "dict[uuid.UUID, User]":
        """Of these those who may sign in, locked until the transaction ends: none of them leaves or is switched off
        meanwhile. In the order of their ids, so that two who lock the same ones do not wait for each other."""
        locked = self.select_for_update(no_key=True).filter(id__in=ids).order_by("id")
        return {user.id: user for user in locked if user.is_active}

    def new(self, phone: str, *, is_test: bool = False) -> "User":
        """Somebody new, with an invite code of their own. Not saved yet."""
        return self.model(phone=phone, invite_code=codes.new_invite_code(), password=NO_PASSWORD, is_test=is_test)

    def get_or_register(self, phone: str, *, is_test: bool = False) -> tuple["User", bool]:
        """The user of that number, and whether this call created it. Any number of calls may race."""
        while True:
            user = self.filter(phone=phone).first()
            if user:
                return user, False
            newcomer = self.new(phone, is_test=is_test)
            # A conflict is either the phone (then it is found above) or the invite code (then another is generated).
            self.bulk_create([newcomer], ignore_conflicts=True)
            user = self.filter(id=newcomer.id).first()
            if user:
                return user, True

    def get_by_natural_key(self, phone: str) -> "User":
        """Who signs in to the admin site, the number written in any usual form. Raises User.DoesNotExist."""
        try:
            return self.get(phone=_normalise(phone))
        except errors.DomainError:
            raise self.model.DoesNotExist from None

    def create_superuser(self, phone: str, password: str) -> "User":
        """Whoever has that number already, from signing in by SMS, becomes the administrator.

        Raises ValidationError, which `manage.py createsuperuser` shows in one line.
        """
        user, _created = self.get_or_register(self.model._meta.get_field("phone").clean(phone, None))
        if user.is_test:
            raise ValidationError(_("This is a test number, whose code many may know."))
        user.is_staff = user.is_superuser = True
        user.set_password(password)
        user.save(update_fields=["is_staff", "is_superuser", "password"])
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
    # None when its owner has left.
    phone = PhoneField(_("phone"), max_length=16, null=True, help_text=_("E.164, such as +79136740000"))
    invite_code = models.CharField(_("invite code"), max_length=6, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("may enter the admin site"), default=False)
    # Signed in by a fixed code: see users/fixed_codes.py. Test people and real people cannot invite each other.
    is_test = models.BooleanField(_("test number"), default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(_("registered"), db_default=Now(), editable=False)
    # Of sessions that have been purged, the newest time they were seen: see users/services/idleness.py.
    seen_at = models.DateTimeField(_("last seen"), null=True, editable=False)
    # When the number went to somebody else, who started afresh with it; the operator can give this account one again.
    set_aside_at = models.DateTimeField(_("lost its number"), null=True, editable=False)
    # Kept by a trigger on Activation: counting a hundred thousand rows on every read would show.
    referrals_count = models.PositiveIntegerField(_("people who came"), db_default=0, editable=False)
    # All of the days together, kept by users/services/openings.py.
    invite_opened = models.PositiveIntegerField(_("times their link was opened"), db_default=0, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "phone"

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        indexes = [models.Index(fields=["created_at"], name="user_by_time")]
        constraints = [
            # Not `unique=True`, with which Django adds an index for LIKE to each.
            models.UniqueConstraint(fields=["phone"], name="user_phone_is_theirs_alone"),
            models.UniqueConstraint(fields=["invite_code"], name="user_invite_code_is_theirs_alone"),
            models.CheckConstraint(name="user_phone_is_e164", condition=Q(phone__regex=E164)),
            # Whoever has left stays away: no number, and never active again.
            models.CheckConstraint(
                name="user_who_left_is_inactive", condition=Q(phone__isnull=False) | Q(is_active=False, is_staff=False)
            ),
            models.CheckConstraint(name="user_invite_code_is_readable", condition=Q(invite_code__regex=INVITE_CODE)),
            models.CheckConstraint(
                name="user_of_tests_is_no_staff", condition=Q(is_test=False) | Q(is_staff=False, is_superuser=False)
            ),
            models.CheckConstraint(
                name="user_set_aside_has_no_number", condition=Q(set_aside_at=None) | Q(phone__isnull=True)
            ),
        ]

    @property
    def is_administrator(self) -> bool:
        """Then no code that came by SMS moves, ends or gives away the account."""
        return self.is_staff or self.is_superuser

    def __str__(self) -> str:
        """For the admin site. Masked, for this text reaches logs; a dash for those who have left."""
        return phones.mask(self.phone) if self.phone else "–"
