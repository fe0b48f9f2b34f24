"""What several stories read the same way from their arguments."""

import uuid

from django.conf import settings

from users import phones


def normalise_phone(phone: str) -> str:
    return phones.normalise(
        phone, default_region=settings.PHONE_DEFAULT_REGION, allowed_regions=settings.PHONE_ALLOWED_REGIONS
    )


def parse_id(raw: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(raw) if raw else None
    except ValueError:
        return None
