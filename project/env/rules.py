"""What Zovi's own rules are made of: rates, numbers of telephones, prices, looks."""

import re
from decimal import Decimal

from project.env.reading import ROOT, raw, refuse, text, words
from users.brand import Brand
from users.brand import read as read_brand
from users.rates import Rate
from users.rates import parse as parse_rates

MOST_TEST_NUMBERS = 10


def rates(name: str, default: str) -> tuple[Rate, ...]:
    try:
        return parse_rates(text(name, default))
    except ValueError:
        refuse(f"{name} must be off, or limits such as 5/h,10/d or 3/10m")


def costs(name: str) -> dict[str, Decimal]:
    """`RU:3.5,*:8`: what one segment of a message costs in a region, and everywhere else."""
    found: dict[str, Decimal] = {}
    for word in words(name, []):
        region, _, price = (part.strip() for part in word.partition(":"))
        if (region != "*" and not is_region(region)) or not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", price):
            refuse(f"{name} must hold prices by region, such as RU:3.5,*:8")
        if region in found:
            refuse(f"{name} names {region} twice")
        found[region] = Decimal(price)
    return found


def brand(name: str) -> Brand:
    """The looks in the folder of that name; none of their own where there is none."""
    given = text(name)
    try:
        return read_brand(ROOT / given) if given else Brand()
    except ValueError as error:
        refuse(f"{name}: {error}")


def fixed_codes(name: str) -> dict[str, str]:
    """`+79990000001:490731`: numbers in E.164 and the code each has, several by commas or white space.

    A number need not be anybody's: one that nobody can have is best.
    """
    from users.codes import is_easy_to_guess
    from users.phones import is_e164

    found: dict[str, str] = {}
    for place, pair in enumerate(filter(None, re.split(r"[,\s]+", raw(name))), 1):
        phone, _, code = pair.partition(":")
        if not is_e164(phone) or not re.fullmatch(r"[0-9]{4,8}", code):
            refuse(f"{name}, number {place}: it must be in E.164 with a code of 4 to 8 digits, +79990000001:490731")
        if is_easy_to_guess(code, phone):
            refuse(f"{name}, number {place}: its code is easy to guess, draw one by lot")
        if phone in found:
            refuse(f"{name}, number {place}: it stands there twice")
        found[phone] = code
    if len(found) > MOST_TEST_NUMBERS:
        refuse(f"{name} must hold at most {MOST_TEST_NUMBERS} numbers")
    return found


def phone_types(name: str, default: list[str]) -> set[str]:
    """libphonenumber's kinds of numbers, such as mobile or fixed_line."""
    from users.phones import TYPES

    given = {word.lower() for word in words(name, default)}
    if unknown := given - set(TYPES):
        refuse(f"{name} has no {', '.join(sorted(unknown))}: it may hold {', '.join(sorted(TYPES))}")
    return given


def is_region(name: str) -> bool:
    from phonenumbers import SUPPORTED_REGIONS

    return name in SUPPORTED_REGIONS
