"""Who may send, guess and try. Every limit is a row of a table, counted over the rows that exist anyway."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from users.errors import CodeRequestedTooSoon, TooManyRequests, Waits
from users.rates import Rate


@dataclass(frozen=True)
class Limit:
    """Events of one `column` value (None: of everybody together) against the rates in `setting`."""

    setting: str
    column: str | None
    error: type[Waits]

    def rates(self) -> tuple[Rate, ...]:
        value = getattr(settings, self.setting)
        if isinstance(value, int):  # a cooldown in seconds: one event in that time
            return (Rate(1, timedelta(seconds=value)),) if value else ()
        return value


SENDS = (
    Limit("OTP_RESEND_COOLDOWN", "phone", CodeRequestedTooSoon),
    Limit("OTP_SENDS_PER_PHONE", "phone", TooManyRequests),
    Limit("OTP_SENDS_PER_IP", "address", TooManyRequests),
    Limit("OTP_SENDS_GLOBAL", None, TooManyRequests),
)


@contextmanager
def admitted_send(*, phone: str, address: str) -> Iterator[None]:
    """A short transaction in which the caller adds the challenge it asks for, if no limit is in the way.

    Senders of one phone (or address, or all, where that is limited) go through it one by one, so no two of them can
    both be the last that was allowed. Raises the limit's error.
    """
    subjects = {"phone": phone, "address": address, None: "all"}
    limited = {limit.column for limit in SENDS if limit.rates()} | {"phone"}
    with transaction.atomic():
        _take_turns(sorted(f"{column}:{subjects[column]}" for column in limited))
        _refuse_over(SENDS, subjects)
        yield


@contextmanager
def turn_of_phone(phone: str) -> Iterator[None]:
    """A short transaction that no other one about the same phone's codes overlaps."""
    with transaction.atomic():
        _take_turns([f"phone:{phone}"])
        yield


def _take_turns(names: list[str]) -> None:
    """Lock the names until the transaction ends; sorted, so that nobody waits in a circle."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(%s) AS name", [names])


def _refuse_over(limits: tuple[Limit, ...], subjects: dict) -> None:
    """Raise the error with the longest wait.

    `count` events fit into a window while the count-th newest is older than it, and when that one leaves the window
    there is room again: one index probe answers both whether and how long.
    """
    questions: list[str] = []
    values: list[object] = []
    errors: list[type[Waits]] = []
    for limit in limits:
        whose, subject = (f"{limit.column} = %s", [subjects[limit.column]]) if limit.column else ("true", [])
        for rate in limit.rates():
            questions.append(
                f"""(SELECT {len(errors)}, extract(epoch FROM created_at + %s - statement_timestamp())
                     FROM users_challenge WHERE {whose} AND created_at > statement_timestamp() - %s
                     ORDER BY created_at DESC OFFSET %s LIMIT 1)"""
            )
            values += [rate.window, *subject, rate.window, rate.count - 1]
            errors.append(limit.error)
    if not questions:
        return
    with connection.cursor() as cursor:
        every = " UNION ALL ".join(questions)
        cursor.execute(f"SELECT which, wait FROM ({every}) AS over (which, wait) ORDER BY wait DESC LIMIT 1", values)
        over = cursor.fetchone()
    if over:
        which, wait = over
        raise errors[which](retry_after=float(wait))
