"""Trying a code: the try is counted by what compares it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import transaction

from users import fixed_codes, prepared
from users.limits.looking import LOCK_EACH, look, refuse_or_alarm
from users.limits.table import FIXED, LENGTHS, STEPS, TRIES

ASKED_SECONDS = 300  # to answer what is asked before a right code is used

_GUESSER = """(SELECT phone_key, at_home, is_test, coalesce(%(address)s::inet, address) AS address
    FROM users_challenge WHERE id = %(challenge)s::uuid)"""
_IS_ALIVE = "(is_test OR digits >= current_setting('zovi.digits')::int)"
_IS_RIGHT = f"({_IS_ALIVE} AND code_hash = ANY(%(code_hashes)s) AND coalesce(phone = %(claimed)s, true))"

_ASKS = "current_setting('zovi.asks')::boolean"
_IS_SPENT = f"({_IS_RIGHT} AND NOT {_ASKS})"
_IS_COUNTED = f"({_IS_ALIVE} AND NOT ({_IS_RIGHT} AND {_ASKS}))"
_ASK = f""", asked_at = CASE WHEN {_IS_RIGHT} AND {_ASKS} THEN statement_timestamp() END,
    expires_at = CASE WHEN {_IS_RIGHT} AND {_ASKS}
        THEN greatest(expires_at, created_at + make_interval(secs => %(ttl)s + {ASKED_SECONDS})) ELSE expires_at END"""

_LOCK_GUESSED = """SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM users_challenge, unnest(
        CASE WHEN %(by_address)s THEN ARRAY['address ' || coalesce(%(address)s::inet, address)] END
        || ARRAY['phone ' || phone_key]
        || CASE WHEN %(by_everybody)s AND NOT at_home AND digits < %(first_step)s THEN ARRAY['failures'] END
    ) AS key WHERE id = %(challenge)s::uuid"""


def try_code(
    challenge: uuid.UUID,
    *,
    code_hashes: list[str],
    claimed: str | None,
    address: str | None,
    then: str,
    unless: str = "",
    **values: object,
) -> tuple:
    """Count a try, compare, and go on, in one statement. Returns the row `then` ends with, empty without one.

    What compares is what counts: of any number of parallel guesses exactly OTP_TRIES are compared, and nothing comes
    after a wrong one that could fail and take it back. A code made before its phone's codes grew longer is dead, which
    looks like a wrong one: otherwise those at home, whose codes are longer later, would look different.
    `code_hashes` are those of the one guess, by each pepper there is.
    `claimed` is the number the code must have gone to, `address` is where the guess comes from; None: any, and where
    the code was asked for. `then` is SQL that goes on from `tried`, the challenge's row (`used_at` says that the code
    was right), and ends with the table `answer`. `unless` is SQL about the row `challenge`: where it holds, a right
    code is neither used nor counted, stays good for ASKED_SECONDS more, once, and `asked_at` says so. Raises
    TooManyAttempts, and then counts nothing.
    """
    limits = (*TRIES, *FIXED, *LENGTHS)
    spent, counts = (_IS_SPENT, _IS_COUNTED) if unless else (_IS_RIGHT, _IS_ALIVE)
    row = prepared.first_row(
        _LOCK_GUESSED,
        look(limits, _GUESSER),
        *([_look_whether(unless)] if unless else []),
        f"""WITH tried AS (
                UPDATE users_challenge SET attempts = attempts + {counts}::int,
                    dead_attempts = dead_attempts + (NOT {_IS_ALIVE})::int,
                    slot = CASE WHEN {spent} THEN NULL ELSE slot END,
                    used_at = CASE WHEN {spent} THEN statement_timestamp() END,
                    used_from = CASE WHEN {spent} AND NOT is_test THEN %(address)s::inet END
                    {_ASK if unless else ""}
                WHERE id = %(challenge)s::uuid AND slot IS NOT NULL AND attempts + dead_attempts < %(tries)s
                  AND expires_at > statement_timestamp()
                  AND NOT current_setting('zovi.refused')::boolean AND (%(fixed)s OR NOT is_test)
                RETURNING *
            ), failed AS (
                INSERT INTO users_codefailure (phone_key, address)
                SELECT phone_key, coalesce(%(address)s::inet, address) FROM tried WHERE used_at IS NULL
                    {"AND asked_at IS NULL" if unless else ""}
            ), {then}
            SELECT current_setting('zovi.reached'), answer.* FROM (SELECT) AS always LEFT JOIN answer ON true""",
        challenge=challenge,
        code_hashes=code_hashes,
        claimed=claimed,
        address=address,
        tries=settings.OTP_TRIES,
        fixed=fixed_codes.are_on(),
        by_address=bool(settings.OTP_FAILURES_PER_IP),
        by_everybody=bool(settings.OTP_FAILURES_GLOBAL),
        first_step=STEPS[0],
        ttl=settings.OTP_TTL,
        **values,
    )
    reached, *answer = row or ("",)
    refuse_or_alarm(reached, limits)
    return tuple(answer) if answer and answer[0] is not None else ()


def _look_whether(condition: str) -> str:
    """A statement that notes for the next one whether what is asked before a right code is used has to be asked."""
    return f"""SELECT set_config('zovi.asks', coalesce(bool_or({condition}), false)::text, true)
        FROM users_challenge AS challenge WHERE id = %(challenge)s::uuid"""


@contextmanager
def locked_phones(*phone_keys: str) -> Iterator[None]:
    """A transaction during which nobody sends to those phones or tries their codes."""
    with transaction.atomic():
        prepared.first_row(LOCK_EACH, keys=[f"phone {phone_key}" for phone_key in sorted(phone_keys)])
        yield
