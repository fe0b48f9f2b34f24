"""Phone numbers: read in any usual form, kept in E.164, shown to others masked. Pure."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType
from phonenumbers.phonenumberutil import REGION_CODE_FOR_NON_GEO_ENTITY

from users.errors import InvalidPhone, PhoneNotMobile, RegionNotAllowed

# libphonenumber's kinds by their names: mobile, fixed_line, voip …
TYPES = {
    name.lower(): number
    for name, number in vars(PhoneNumberType).items()
    if isinstance(number, int) and number != PhoneNumberType.UNKNOWN
}
# What spreadsheets and data frames make of a number; to libphonenumber its last zero is one more digit.
_DECIMAL = re.compile(r"\+?\d+[.,]0+")
_REFUSED_CHARACTERS = {"Cc", "Cs"}  # control characters, NUL among them, and halves of characters


@dataclass(frozen=True)
class Phone:
    """A number that was read once: in E.164, and as libphonenumber keeps it."""

    e164: str
    number: PhoneNumber

    @cached_property
    def region(self) -> str | None:
        return phonenumbers.region_code_for_number(self.number)


def read(raw: str, *, default_region: str) -> Phone:
    """`8 913 674-00-00`, `+7(913)6740000`, `007913…` → `+79136740000` (ITU-T E.164). Raises InvalidPhone.

    What comes out has the form of a number; whether there is such a one, `require_reachable` knows.
    """
    if any(unicodedata.category(character) in _REFUSED_CHARACTERS for character in raw):
        raise InvalidPhone()
    written = raw.strip()
    if any(character.isalpha() for character in written) or _DECIMAL.fullmatch(written):
        raise InvalidPhone()
    if written.startswith("00"):  # the international prefix of most of the world, but not of Russia
        written = "+" + written[2:]
    try:
        number = phonenumbers.parse(written, default_region)
    except NumberParseException:
        raise InvalidPhone() from None
    if number.extension:
        raise InvalidPhone()
    return Phone(phonenumbers.format_number(number, PhoneNumberFormat.E164), number)


def require_reachable(phone: Phone, *, allowed_regions: Collection[str], allowed_types: Collection[str]) -> None:
    """Can it get an SMS that costs what an SMS costs? Nothing allowed means anything goes.

    Raises InvalidPhone, RegionNotAllowed, PhoneNotMobile. Satellites and other codes without a country are dear
    whatever kind they call themselves.
    """
    number = phone.number
    if not phonenumbers.is_valid_number(number):
        raise InvalidPhone()
    if allowed_types and phone.region == REGION_CODE_FOR_NON_GEO_ENTITY:
        raise PhoneNotMobile()
    if allowed_regions and phone.region not in allowed_regions:
        raise RegionNotAllowed()
    if allowed_types and not _types_of(number) & set(allowed_types):
        raise PhoneNotMobile()


def is_e164(text: str) -> bool:
    """Whether that is how a number of some country is kept here, though perhaps nobody has it."""
    try:
        phone = read(text, default_region="ZZ")
    except InvalidPhone:
        return False
    return phone.e164 == text and phonenumbers.is_possible_number(phone.number)


def region_of(phone: Phone) -> str:
    """Two letters such as RU (ISO 3166), 001 for satellites and their like, empty where nobody knows."""
    return phonenumbers.region_code_for_number(phone.number) or ""


def _types_of(number: PhoneNumber) -> set[str]:
    kind = phonenumbers.number_type(number)
    names = {name for name, value in TYPES.items() if value == kind}
    return names | ({"mobile"} if kind == PhoneNumberType.FIXED_LINE_OR_MOBILE else set())


def normalise(
    raw: str, *, default_region: str, allowed_regions: Collection[str] = (), allowed_types: Collection[str] = ()
) -> str:
    """Read, and required to be reachable."""
    phone = read(raw, default_region=default_region)
    require_reachable(phone, allowed_regions=allowed_regions, allowed_types=allowed_types)
    return phone.e164


def mask(phone: str | Phone) -> str:
    """`+79136740012` → `+7 913 ***-**-12`: the country, three digits at most, and the last two."""
    number = phone.number if isinstance(phone, Phone) else phonenumbers.parse(phone)
    shown = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
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
