"""Phone numbers: read in any usual form, kept in E.164, shown to others masked. Pure."""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from users.errors import InvalidPhone, RegionNotAllowed

# Calls and messages to these are paid by us and profit whoever rents the number (toll fraud).
_PAID_BY_THE_SENDER = {PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST}


def normalise(raw: str, *, default_region: str, allowed_regions: list[str]) -> str:
    """`8 913 674-00-00`, `+7(913)6740000`, `007913…` → `+79136740000` (ITU-T E.164).

    Raises InvalidPhone, or RegionNotAllowed when `allowed_regions` is not empty and lacks the number's.
    """
    written = raw.strip()
    if any(character.isalpha() for character in written):
        raise InvalidPhone()
    if written.startswith("00"):  # the international prefix of most of the world, but not of Russia
        written = "+" + written[2:]
    try:
        number = phonenumbers.parse(written, default_region)
    except NumberParseException:
        raise InvalidPhone() from None
    if not phonenumbers.is_valid_number(number) or number.extension:
        raise InvalidPhone()
    if phonenumbers.number_type(number) in _PAID_BY_THE_SENDER:
        raise InvalidPhone()
    if allowed_regions and phonenumbers.region_code_for_number(number) not in allowed_regions:
        raise RegionNotAllowed()
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def mask(phone: str) -> str:
    """`+79136740012` → `+7 913 ***-**-12`: the country, three digits at most, and the last two."""
    shown = phonenumbers.format_number(phonenumbers.parse(phone), PhoneNumberFormat.INTERNATIONAL)
    country, _, national = shown.partition(" ")
    total = sum(character.isdigit() for character in national)
    opening = 3 if total >= 9 else 0
    masked, position = "", 0
    for character in national:
        if character.isdigit():
            position += 1
            hidden = opening < position <= total - 2
            character = "*" if hidden else character
        masked += character
    return f"{country} {masked}"
