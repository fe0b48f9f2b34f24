"""What several stories read the same way from their arguments."""

import uuid

from django.conf import settings

from users import codes, fixed_codes, phones
from users.errors import InvalidPhone, PhoneNotMobile
from users.models import User


def read_phone(raw: str) -> phones.Phone:
    """A number that may get a code. One that is a user's already is taken whatever newer metadata says of it, and a
    test number whatever any says.

    Raises InvalidPhone, RegionNotAllowed, PhoneNotMobile.
    """
    phone = phones.read(raw, default_region=settings.PHONE_DEFAULT_REGION)
    if fixed_codes.code_of(phone.e164):
        return phone
    try:
        phones.require_reachable(
            phone, allowed_regions=settings.PHONE_ALLOWED_REGIONS, allowed_types=settings.PHONE_ALLOWED_TYPES
        )
    except (InvalidPhone, PhoneNotMobile):
        if not User.objects.filter(phone=phone.e164, is_test=False).exists():
            raise
    return phone


def normalise_phone(raw: str) -> str:
    return read_phone(raw).e164


def phone_key(phone: str) -> str:
    """What the number is counted by, and recognised by when its owner has left."""
    return codes.key_of_phone(phone, pepper=settings.PHONE_KEY_PEPPER)


def parse_id(raw: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(raw) if raw else None
    except ValueError:
        return None
