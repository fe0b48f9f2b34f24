"""Who may send, guess and try. Every limit is a row of a table, counted over the rows that exist anyway."""

import json
import math
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from users import audit, prepared
from users.errors import CodeRequestedTooSoon, TooManyAttempts, TooManyRequests, Waits
from users.models import Challenge, InviteFailure
from users.rates import Rate

STEP_UP_DIGITS = 6
STEP_UP_LASTS = timedelta(days=30)

# A try is counted before the code is compared, so the one that was right has to be taken off again.
FAILURES = "attempts - (used_at IS NOT NULL)::int"
# Those that have any: the few rows of an index of their own, see Challenge.
FAILED = "(attempts > 1 OR (attempts = 1 AND used_at IS NULL))"


@dataclass(frozen=True)
class Limit:
    """The events of `table` that `whose` selects, each with its `weight`, against the rates in `setting`.

    `turn` names what the limit is about: those who share it are let through one by one. `whose` and `turn` are SQL
    over the one row `asked`, which holds who wants something now.
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


PHONE, ADDRESS, EVERYBODY = "'phone ' || asked.phone_key", "'address ' || asked.address", "'everybody'"
OF_PHONE, OF_ADDRESS, OF_ALL = "event.phone_key = asked.phone_key", "event.address = asked.address", "true"
# Where a phone has signed in from before: strangers cannot use up what its owner may send from there.
_HOMES = "(SELECT address FROM users_challenge WHERE phone_key = asked.phone_key AND used_at IS NOT NULL)"
SAME_SIDE = f"(event.address IN {_HOMES}) = (asked.address IN {_HOMES})"

SENDS = (
    Limit("OTP_RESEND_COOLDOWN", PHONE, OF_PHONE, CodeRequestedTooSoon),
    Limit("OTP_SENDS_PER_PHONE", PHONE, f"{OF_PHONE} AND {SAME_SIDE}", TooManyRequests),
    Limit("OTP_SENDS_PER_IP", ADDRESS, OF_ADDRESS, TooManyRequests),
    Limit("OTP_SENDS_GLOBAL", EVERYBODY, OF_ALL, TooManyRequests),
)
TRIES = (
    Limit("OTP_FAILURES_PER_IP", ADDRESS, f"{OF_ADDRESS} AND {FAILED}", TooManyAttempts, weight=FAILURES),
    Limit("OTP_FAILURES_GLOBAL", EVERYBODY, FAILED, TooManyAttempts, weight=FAILURES),
)
INVITES = (
    Limit(
        "INVITE_FAILURES_PER_USER",
        "'inviting ' || asked.user_id",
        "event.user_id = asked.user_id",
        TooManyAttempts,
        table="users_invitefailure",
    ),
)

# Who is asking, as the row `asked`: from the arguments, or from the challenge that is tried.
_SENDER = "(SELECT %(phone_key)s::text AS phone_key, %(address)s::inet AS address)"
_TRIED = "(SELECT phone_key, address, digits FROM users_challenge WHERE id = %(id)s AND slot IS NOT NULL)"
_INVITED = "(SELECT %(user_id)s::uuid AS user_id)"
_COUNTED = ("id", "phone", "address", "code_hash", "attempts")


def admit_send(challenge: Challenge, *, hashes: dict[int, str]) -> int:
    """Insert the challenge, unless a limit is in the way. Returns how many digits its code must have.

    `hashes` has the keyed hash of a code for each length: a phone that was guessed at too often in the last 30 days
    gets the longer one. That costs its owner two more keys, where a lock-out would do the attacker's work.
    Raises CodeRequestedTooSoon or TooManyRequests.
    """
    [digits] = _admit(
        SENDS,
        _SENDER,
        f"""INSERT INTO users_challenge (id, phone, phone_key, address, digits, code_hash, attempts)
            SELECT %(id)s, %(phone)s, phone_key, address, digits, %(hashes)s::jsonb ->> digits::text, 0
            FROM (SELECT asked.*, {_digits_for("asked")} AS digits FROM asked) AS asked
            WHERE NOT EXISTS (SELECT FROM refused)
            RETURNING digits""",
        id=challenge.id,
        phone=challenge.phone,
        phone_key=challenge.phone_key,
        address=challenge.address,
        hashes=json.dumps(hashes),
        turns=[PHONE],
    )
    return digits


def wait_before_send(*, phone_key: str, address: str) -> int:
    """Whole seconds until `admit_send` would let another message out; 0: at once."""
    values: dict[str, object] = {"phone_key": phone_key, "address": address}
    reached = _questions(_every_rate(SENDS), values)
    sql = f"WITH asked AS {_SENDER} SELECT max(wait) FROM ({reached}) AS reached (which, wait)"
    row = prepared.first_row(sql, **values)
    return max(0, math.ceil(row[0] or 0)) if row else 0


def code_lengths() -> set[int]:
    """Every length `admit_send` may choose."""
    longer = {max(STEP_UP_DIGITS, settings.OTP_DIGITS)} if settings.OTP_FAILURES_PER_PHONE else set()
    return {settings.OTP_DIGITS} | longer


def count_try(challenge_id: uuid.UUID) -> Challenge | None:
    """The challenge with this try counted and committed, or None when it takes no more.

    Of any number of parallel guesses exactly OTP_TRIES come through, and nothing that fails afterwards gives a try
    back. A code drawn before its phone's codes grew longer is dead. Raises TooManyAttempts, and then counts nothing.
    """
    counted = _admit(
        TRIES,
        _TRIED,
        f"""UPDATE users_challenge AS challenge SET attempts = attempts + 1 FROM asked
            WHERE challenge.id = %(id)s AND slot IS NOT NULL AND attempts < %(tries)s
              AND expires_at > statement_timestamp() AND challenge.digits >= {_digits_for("asked")}
              AND NOT EXISTS (SELECT FROM refused)
            RETURNING {", ".join(f"challenge.{column}" for column in _COUNTED)}""",
        id=challenge_id,
        tries=settings.OTP_TRIES,
        turns=[PHONE],
    )
    return Challenge(**dict(zip(_COUNTED, counted, strict=True))) if counted else None


@contextmanager
def admitted_invite(*, user_id: uuid.UUID) -> Iterator[None]:
    """A short transaction in which the caller looks an invite code up and records a failure.

    Raises TooManyAttempts.
    """
    with transaction.atomic():
        _admit(INVITES, _INVITED, "SELECT 1", user_id=user_id, turns=[])
        yield


def record_invite_failure(*, user_id: uuid.UUID) -> None:
    InviteFailure.objects.create(user_id=user_id)


def _admit(limits: tuple[Limit, ...], asked: str, action: str, *, turns: list[str], **values: object) -> tuple:
    """Do `action` unless a limit is reached, and return its row (empty if it had none).

    Raises the error with the longest wait.

    Two statements in one round trip, which PostgreSQL runs as one transaction: first wait for one's turn, so that of
    those who share a limit no two can both be the last it allows; then, on what they left, look and act.
    """
    every = _every_rate(limits)
    turns = sorted({*turns, *(limit.turn for limit, _ in every)})
    reached = _questions(every, values)
    row = prepared.first_row(
        f"""SELECT pg_advisory_xact_lock(hashtextextended(turn, 0))
            FROM {asked} AS asked, unnest(ARRAY[{", ".join(turns)}]::text[]) AS turn""",
        f"""WITH asked AS {asked},
                 reached (which, wait) AS ({reached}),
                 refused AS (SELECT which, wait FROM reached ORDER BY wait DESC LIMIT 1),
                 done AS ({action})
            SELECT refused.which, refused.wait, done.* FROM done FULL JOIN refused ON true""",
        **values,
    )
    if row is None:
        return ()
    which, wait, *done = row
    if which is not None:
        limit = every[which][0]
        audit.limit_reached(limit.setting, by_everybody=limit.turn == EVERYBODY)
        raise limit.error(retry_after=float(wait))
    return tuple(done)


def _every_rate(limits: tuple[Limit, ...]) -> list[tuple[Limit, Rate]]:
    return [(limit, rate) for limit in limits for rate in limit.rates()]


def _questions(every: list[tuple[Limit, Rate]], values: dict[str, object]) -> str:
    """A row (which, wait) for each rate that has been reached. Adds to `values` what it asks with."""
    questions = []
    for number, (limit, rate) in enumerate(every):
        values |= {f"window{number}": rate.window, f"count{number}": rate.count}
        questions.append(_question(number, limit))
    return " UNION ALL ".join(questions) or "SELECT 0, 0 WHERE false"


def _question(number: int, limit: Limit) -> str:
    """Has the limit been reached, and for how long?

    Newest first, the events are added up until they reach the limit's count: the one that reaches it has to leave the
    window before there is room again. One short walk over an index answers both.
    """
    return f"""(SELECT {number}, extract(epoch FROM created_at + %(window{number})s::interval - statement_timestamp())
                FROM asked, LATERAL (
                    SELECT created_at, sum({limit.weight}) OVER (ORDER BY created_at DESC ROWS UNBOUNDED PRECEDING)
                    FROM {limit.table} AS event
                    WHERE {limit.whose} AND created_at > statement_timestamp() - %(window{number})s::interval
                ) AS newest_first (created_at, total)
                WHERE total >= %(count{number})s ORDER BY created_at DESC LIMIT 1)"""


def _digits_for(asked: str) -> str:
    """How long a code must be, as SQL: longer if in some window of the last 30 days the phone's failures reached the
    limit."""
    if not settings.OTP_FAILURES_PER_PHONE:
        return str(settings.OTP_DIGITS)
    ever_reached = " OR ".join(
        f"""EXISTS (SELECT FROM (
                SELECT sum({FAILURES}) OVER (ORDER BY created_at RANGE BETWEEN
                    '{rate.window.total_seconds()} seconds' PRECEDING AND CURRENT ROW)
                FROM users_challenge WHERE phone_key = {asked}.phone_key
                    AND created_at > statement_timestamp() - interval '{STEP_UP_LASTS.days} days'
            ) AS of_window (total) WHERE total >= {rate.count})"""
        for rate in settings.OTP_FAILURES_PER_PHONE
    )
    return f"CASE WHEN {ever_reached} THEN {max(STEP_UP_DIGITS, settings.OTP_DIGITS)} ELSE {settings.OTP_DIGITS} END"
