"""Numbers whose code is fixed until a day: for those who review an app, and for CI. Nothing is sent to them.

Of a real person it is never asked: see users/services/fixed_numbers.py.
"""

from datetime import UTC, datetime, time, timedelta

from django.conf import settings


def code_of(phone: str) -> str | None:
    """Of a number in E.164; None of an ordinary one, which it is again from the moment they are over."""
    code = settings.TEST_NUMBERS.get(phone)
    return code if code and are_on() else None


def are_on() -> bool:
    return bool(settings.TEST_NUMBERS) and datetime.now(UTC) < end()


def end() -> datetime:
    """Midnight (UTC) after the last day."""
    return datetime.combine(settings.TEST_NUMBERS_UNTIL + timedelta(days=1), time(), tzinfo=UTC)
