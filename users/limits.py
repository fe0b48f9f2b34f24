"""Who may send, guess and try. Every limit is a row of a table, counted over the rows that exist anyway."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from users import codes, events
from users.errors import CodeRequestedTooSoon, TooManyAttempts, TooManyRequests, Waits
from users.models import Challenge, InviteFailure
from users.rates import Rate

STEP_UP_DIGITS = 6
STEP_UP_LASTS = timedelta(days=30)

# A try is counted before the code is compared, so the one that was right has to be taken off again.
FAILURES = "attempts - (used_at IS NOT NULL)::int"
# Where a phone has signed in from before: strangers cannot use up what its owner may send from there.
_HOMES = "(SELECT address FROM users_challenge WHERE phone = ANY(%(phone)s) AND used_at IS NOT NULL)"
SAME_SIDE = f"(address IN {_HOMES}) = (%(address)s IN {_HOMES})"


@dataclass(frozen=True)
class Limit:
    """The events of `table` that `whose` selects, each with its `weight`, against the rates in `setting`.

    `turn` names the subject in `whose`: those who share it are let through one by one.
    """

    setting: str
    turn: str
    whose: str
    error: type[Waits]
    table: str = "users_challenge"
    weight: str = "1"

    def rates(self) -> tuple[Rate, ...]:
        value = getattr(settings, self.setting)
        if isinstance(value, int):  # a cooldown in seconds: one event in that time
            return (Rate(1, timedelta(seconds=value)),) if value else ()
        return value


OF_PHONE, OF_ADDRESS, OF_ALL = "phone = ANY(%(phone)s)", "address = %(address)s", "true"
SENDS = (
    Limit("OTP_RESEND_COOLDOWN", "phone", OF_PHONE, CodeRequestedTooSoon),
    Limit("OTP_SENDS_PER_PHONE", "phone", f"{OF_PHONE} AND {SAME_SIDE}", TooManyRequests),
    Limit("OTP_SENDS_PER_IP", "address", OF_ADDRESS, TooManyRequests),
    Limit("OTP_SENDS_GLOBAL", "everybody", OF_ALL, TooManyRequests),
)
TRIES = (
    Limit("OTP_FAILURES_PER_IP", "address", OF_ADDRESS, TooManyAttempts, weight=FAILURES),
    Limit("OTP_FAILURES_GLOBAL", "everybody", OF_ALL, TooManyAttempts, weight=FAILURES),
)
INVITES = (
    Limit("INVITE_FAILURES_PER_USER", "user", "user_id = %(user)s", TooManyAttempts, table="users_invitefailure"),
)


@contextmanager
def admitted_send(*, phone: str, address: str) -> Iterator[None]:
    """A short transaction in which the caller adds the challenge it asks for, if no limit is in the way.

    Raises CodeRequestedTooSoon or TooManyRequests.
    """
    with _let_through(SENDS, turns={"phone"}, phone=phone, address=address):
        yield


def counted_try(challenge: Challenge) -> Challenge | None:
    """The challenge with this try counted and committed, or None when it takes no more.

    What was drawn before its phone stepped up is too short now. Raises TooManyAttempts, and then counts nothing.
    """
    with _let_through(TRIES, turns={"phone"}, phone=challenge.phone, address=challenge.address):
        if challenge.digits < digits_for(challenge.phone):
            return None
        return Challenge.objects.count_try(challenge.id, tries=settings.OTP_TRIES)


@contextmanager
def admitted_invite(*, user_id: object) -> Iterator[None]:
    """A short transaction in which the caller looks an invite code up and records a failure.

    Raises TooManyAttempts.
    """
    with _let_through(INVITES, turns={"user"}, user=user_id):
        yield


def record_invite_failure(*, user_id: object) -> None:
    InviteFailure.objects.create(user_id=user_id)


@contextmanager
def turn_of_phone(phone: str) -> Iterator[None]:
    """A short transaction that no other one about the same phone's codes overlaps."""
    with _let_through((), turns={"phone"}, phone=phone):
        yield


def digits_for(phone: str) -> int:
    """How long a code for this phone has to be: longer for 30 days after it was guessed at too often.

    A longer code costs its owner two more keys, where a lock-out would do the attacker's work.
    """
    if any(_was_ever_over(rate, phone) for rate in settings.OTP_FAILURES_PER_PHONE):
        return max(STEP_UP_DIGITS, settings.OTP_DIGITS)
    return settings.OTP_DIGITS


@contextmanager
def _let_through(limits: tuple[Limit, ...], turns: set[str], **subjects: object) -> Iterator[None]:
    """Those who share a subject go through one by one, so no two of them can both be the last that was allowed."""
    turns = turns | {limit.turn for limit in limits if limit.rates()}
    with transaction.atomic():
        _take_turns(sorted(f"{turn}:{subjects.get(turn, '')}" for turn in turns))
        if "phone" in subjects:
            subjects["phone"] = codes.names_of_phone(str(subjects["phone"]), pepper=settings.OTP_PEPPER)
        _refuse_over(limits, subjects)
        yield


def _take_turns(names: list[str]) -> None:
    """Lock the names until the transaction ends; sorted, so that nobody waits in a circle."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(%s) AS name", [names])


def _refuse_over(limits: tuple[Limit, ...], subjects: dict[str, object]) -> None:
    """Raise the error with the longest wait.

    Newest first, the events are added up until they reach the limit's count: the one that reaches it has to leave the
    window before there is room again. One walk over an index answers both whether and how long.
    """
    asked: list[Limit] = []
    questions: list[str] = []
    values = dict(subjects)
    for limit in limits:
        for rate in limit.rates():
            number = len(asked)
            values |= {f"window{number}": rate.window, f"count{number}": rate.count}
            questions.append(
                f"""(SELECT {number}, extract(epoch FROM created_at + %(window{number})s - statement_timestamp())
                     FROM (SELECT created_at,
                                  sum({limit.weight}) OVER (ORDER BY created_at DESC ROWS UNBOUNDED PRECEDING)
                           FROM {limit.table}
                           WHERE {limit.whose} AND created_at > statement_timestamp() - %(window{number})s
                          ) AS newest_first (created_at, total)
                     WHERE total >= %(count{number})s ORDER BY created_at DESC LIMIT 1)"""
            )
            asked.append(limit)
    if not asked:
        return
    with connection.cursor() as cursor:
        every = " UNION ALL ".join(questions)
        cursor.execute(f"SELECT which, wait FROM ({every}) AS over (which, wait) ORDER BY wait DESC LIMIT 1", values)
        over = cursor.fetchone()
    if over:
        which, wait = over
        events.limit_reached(asked[which].setting, by_everybody=asked[which].turn == "everybody")
        raise asked[which].error(retry_after=float(wait))


def _was_ever_over(rate: Rate, phone: str) -> bool:
    """Whether in some `rate.window` of the last 30 days the phone's failures reached `rate.count`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT EXISTS (SELECT FROM
                   (SELECT sum({FAILURES}) OVER (ORDER BY created_at RANGE BETWEEN %s PRECEDING AND CURRENT ROW)
                    FROM users_challenge WHERE phone = ANY(%s) AND created_at > statement_timestamp() - %s
                   ) AS of_window (total) WHERE total >= %s)""",
            [
                rate.window,
                codes.names_of_phone(phone, pepper=settings.OTP_PEPPER),
                STEP_UP_LASTS,
                rate.count,
            ],
        )
        return cursor.fetchone()[0]
