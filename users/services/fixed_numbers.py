"""Test numbers: which there are, and whether one is a real person's, of whom no fixed code is taken."""

from dataclasses import dataclass
from datetime import date

from django.conf import settings

from users import audit, fixed_codes, phones
from users.models import User


@dataclass(frozen=True)
class FixedNumber:
    """`phone` is masked. `is_somebodys`: a real person has it, so it is an ordinary number."""

    phone: str
    is_somebodys: bool


@dataclass(frozen=True)
class FixedNumbers:
    """`until` is their last day (UTC), `are_on` whether it has not passed."""

    numbers: list[FixedNumber]
    until: date | None
    are_on: bool


def fixed_numbers() -> FixedNumbers:
    """As they are configured."""
    somebodys = set()
    if settings.TEST_NUMBERS:
        people = User.objects.filter(phone__in=settings.TEST_NUMBERS, is_test=False)
        somebodys = set(people.values_list("phone", flat=True))
    numbers = [FixedNumber(phones.mask(phone), phone in somebodys) for phone in settings.TEST_NUMBERS]
    return FixedNumbers(numbers, settings.TEST_NUMBERS_UNTIL, fixed_codes.are_on())


def fixed_code_of(phone: phones.Phone) -> str | None:
    """The code that number has now; None of an ordinary one. A real person's is ordinary, whatever the settings say."""
    code = fixed_codes.code_of(phone.e164)
    if code and User.objects.filter(phone=phone.e164, is_test=False).exists():
        audit.test_number_is_somebodys(phone)
        return None
    return code
