"""Who may send, guess and look: each limit is a row of a table, and counts rows that are written anyway.

Whatever is limited takes its locks, looks, and writes: plain statements of one transaction, in one round trip. Of those
who share a limit no two can both be the last it allows, because the next one looks only when the first has written.
A statement hears from the one before it what it found through settings that end with the transaction: `zovi.reached`
lists the limits in the way, `zovi.refused` says whether one of them refuses, `zovi.digits` how long a code must be.
"""

import math
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from django.conf import settings
from django.db import transaction

from users import audit, events, fixed_codes, guard, prepared
from users.errors import CodeRequestedTooSoon, RetryLater, TooManyAttempts, TooManyRequests
from users.models import KEEP_MESSAGE, LIVE_CHALLENGES, AddressFailure, Challenge, InviteFailure
from users.rates import Rate

HOME_LASTS = timedelta(days=30)
RESENDS_WITHIN = timedelta(minutes=15)
ASKED_SECONDS = 300  # to answer what is asked before a right code is used
STEPS = (6, 8)  # digits of a code where guessing goes on


@dataclass(frozen=True)
class Limit:
    """As many `events` in each window as `setting` says; from then on `error`, or codes of so many `digits`.

    `events` is SQL: a table and which of its rows count for the one who asks. Those rows are called `event`, and
    `asked` is one row about who asks: phone_key, address, network, at_home, user_id, as far as they are known.
    """

    setting: str
    events: str
    error: type[RetryLater] | None = None
    digits: int = 0
    spares_those_at_home: bool = False
    of_everybody: bool = False

    def rates(self) -> tuple[Rate, ...]:
        value = getattr(settings, self.setting)
        if isinstance(value, int):  # a pause in seconds: one event in that time
            return (Rate(1, timedelta(seconds=value)),) if value else ()
        return value


# What is asked for of a test number costs nothing and goes to nobody: no limit on sending counts it.
_CODES_OF_PHONE = "users_challenge AS event WHERE event.phone_key = asked.phone_key AND NOT event.is_test"
_HOMES = f"""(SELECT home.used_from FROM users_challenge AS home
    WHERE home.phone_key = asked.phone_key AND home.used_from IS NOT NULL
      AND home.used_at > statement_timestamp() - interval '{HOME_LASTS.days} days')"""
_CODES = "users_challenge AS event WHERE NOT event.is_test AND event"
_FAILURES = "users_codefailure AS event WHERE event"

SENDS = (
    Limit("OTP_RESEND_COOLDOWN", f"{_CODES_OF_PHONE} AND is_sent", CodeRequestedTooSoon),
    # What the gateway refuses leaves the phone's budget whole, and it is still not asked again at once.
    Limit("SMS_RETRY_PAUSE", f"{_CODES_OF_PHONE} AND NOT is_sent", CodeRequestedTooSoon),
    # What was asked for from homes and by strangers is counted apart: they cannot use up what is left at home.
    Limit(
        "OTP_SENDS_PER_PHONE",
        f"{_CODES_OF_PHONE} AND is_sent AND (event.address IN {_HOMES}) = asked.at_home",
        TooManyRequests,
    ),
    Limit("OTP_SENDS_PER_IP", f"{_CODES}.address = asked.address", TooManyRequests),
    Limit("OTP_SENDS_PER_NETWORK", f"{_CODES}.network = asked.network AND asked.is_ipv6", TooManyRequests),
    Limit("OTP_SENDS_GLOBAL", f"{_CODES}.at_home = asked.at_home", TooManyRequests, of_everybody=True),
)
LENGTHS = (
    Limit("OTP_FAILURES_PER_PHONE", f"{_FAILURES}.phone_key = asked.phone_key", digits=STEPS[0]),
    Limit("OTP_FAILURES_PER_PHONE_LONG", f"{_FAILURES}.phone_key = asked.phone_key", digits=STEPS[1]),
    Limit(
        "OTP_FAILURES_GLOBAL",
        f"{_FAILURES}.created_at IS NOT NULL",
        digits=STEPS[0],
        spares_those_at_home=True,
        of_everybody=True,
    ),
)
TRIES = (Limit("OTP_FAILURES_PER_IP", f"{_FAILURES}.address = asked.address", TooManyAttempts),)
# A fixed code does not change, so guessing at it has to end instead; and many may know it, each use of which writes.
FIXED = (
    Limit(
        "OTP_FAILURES_PER_TEST_NUMBER",
        f"{_FAILURES}.phone_key = asked.phone_key AND asked.is_test",
        TooManyAttempts,
    ),
    Limit(
        "OTP_USES_PER_TEST_NUMBER",
        """users_challenge AS event WHERE event.phone_key = asked.phone_key AND asked.is_test
            AND event.is_test AND event.used_at IS NOT NULL""",
        TooManyAttempts,
    ),
)
INVITES = (
    Limit(
        "INVITE_FAILURES_PER_USER", "users_invitefailure AS event WHERE event.user_id = asked.user_id", TooManyAttempts
    ),
)
_OF_DOOR = "users_addressfailure AS event WHERE event.address = asked.address AND event.door"
VISITS = (Limit("INVITE_FAILURES_PER_IP", f"{_OF_DOOR} = 'invite'", TooManyAttempts),)
SERVICES = (Limit("SERVICE_FAILURES_PER_IP", f"{_OF_DOOR} = 'service'", TooManyAttempts),)
ADMINS = (Limit("ADMIN_FAILURES_PER_IP", f"{_OF_DOOR} = 'admin'", TooManyAttempts),)

_SENDER = f"""(SELECT *, address IN {_HOMES} AS at_home FROM (
    SELECT %(phone_key)s::text AS phone_key, %(address)s::inet AS address, %(network)s::inet AS network,
        family(%(network)s::inet) = 6 AS is_ipv6) AS asked)"""
_TESTER = "(SELECT %(phone_key)s::text AS phone_key, true AS is_test)"
_GUESSER = """(SELECT phone_key, at_home, is_test, coalesce(%(address)s::inet, address) AS address
    FROM users_challenge WHERE id = %(challenge)s::uuid)"""
_VISITOR = "(SELECT %(address)s::inet AS address)"
_IS_ALIVE = "(is_test OR digits >= current_setting('zovi.digits')::int)"
_IS_RIGHT = f"({_IS_ALIVE} AND code_hash = ANY(%(code_hashes)s) AND coalesce(phone = %(claimed)s, true))"

_ASKS = "current_setting('zovi.asks')::boolean"
_IS_SPENT = f"({_IS_RIGHT} AND NOT {_ASKS})"
_IS_COUNTED = f"({_IS_ALIVE} AND NOT ({_IS_RIGHT} AND {_ASKS}))"
_ASK = f""", asked_at = CASE WHEN {_IS_RIGHT} AND {_ASKS} THEN statement_timestamp() END,
    expires_at = CASE WHEN {_IS_RIGHT} AND {_ASKS}
        THEN greatest(expires_at, created_at + make_interval(secs => %(ttl)s + {ASKED_SECONDS})) ELSE expires_at END"""

# Locks are taken in this order everywhere, so that nobody waits in a circle: address, network, phones as they sort,
# everybody.
_LOCK_EACH = "SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest(%(keys)s::text[]) AS key"
_LOCK_GUESSED = """SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM users_challenge, unnest(
        CASE WHEN %(by_address)s THEN ARRAY['address ' || coalesce(%(address)s::inet, address)] END
        || ARRAY['phone ' || phone_key]
        || CASE WHEN %(by_everybody)s AND NOT at_home AND digits < %(first_step)s THEN ARRAY['failures'] END
    ) AS key WHERE id = %(challenge)s::uuid"""


def rows_are_kept(limits: tuple[Limit, ...], *, at_least: timedelta) -> timedelta:
    """How long what these limits count must not be purged."""
    return max([at_least, *(rate.window for _, rate in _every_rate(limits))])


@dataclass(frozen=True)
class Admission:
    """How many digits the code must have, and how many may be said: none while codes are longer for strangers alone,
    for then the number would tell whether somebody is at home. `in_vain`: codes sent of late that nobody entered."""

    digits: int
    told_digits: int | None
    in_vain: int


def admit_send(challenge: Challenge) -> Admission:
    """Write the challenge down, unless a limit is in the way: from now on it counts.

    Raises CodeRequestedTooSoon or TooManyRequests.
    """
    limits = (*SENDS, *LENGTHS)
    row = prepared.first_row(
        _LOCK_EACH,
        _look(_every_rate(limits), _SENDER, settings.OTP_DIGITS),
        *guard.look(_SENDER),
        f"""INSERT INTO users_challenge (id, phone, phone_key, address, network, region, at_home, digits)
            SELECT %(id)s::uuid, %(phone)s, phone_key, address, network, %(region)s, at_home,
                current_setting('zovi.digits')::int
            FROM {_SENDER} AS asked WHERE NOT current_setting('zovi.refused')::boolean""",
        f"""SELECT current_setting('zovi.reached'), current_setting('zovi.guard'),
            current_setting('zovi.digits')::int, (
                SELECT count(*) FROM users_challenge WHERE phone_key = %(phone_key)s AND used_at IS NULL
                AND route <> '' AND created_at > statement_timestamp() - interval '{RESENDS_WITHIN}')""",
        id=challenge.id,
        phone=challenge.phone,
        keys=_keys_of(challenge),
        phone_key=challenge.phone_key,
        address=challenge.address,
        network=challenge.network,
        region=challenge.region,
        decision=guard.decision(),
    )
    reached, doubted, digits, in_vain = row or ("", "", settings.OTP_DIGITS, 0)
    if doubted:
        _tell_of_guard(doubted, challenge.region)
    is_hidden = any(limit.spares_those_at_home for limit in _refuse_or_alarm(reached, limits))
    return Admission(digits, None if is_hidden else digits, in_vain)


def admit_fixed(challenge: Challenge) -> None:
    """The same for a test number, of which nothing is sent: no limit but those on guessing and using is in the way.

    What is over goes, and what was used when a day has passed, so that asking without end fills no table. Raises
    TooManyAttempts.
    """
    row = prepared.first_row(
        _LOCK_EACH,
        _look(_every_rate(FIXED), _TESTER, settings.OTP_DIGITS),
        """DELETE FROM users_challenge
            WHERE phone_key = %(phone_key)s AND is_test AND slot IS NULL AND code_hash <> ''
            AND (used_at IS NULL OR created_at < statement_timestamp() - interval '1 day')""",
        """INSERT INTO users_challenge (id, phone, phone_key, address, network, region, is_test, digits)
            SELECT %(id)s::uuid, %(phone)s, %(phone_key)s, %(address)s::inet, %(network)s::inet, %(region)s, true,
                %(digits)s
            WHERE NOT current_setting('zovi.refused')::boolean""",
        "SELECT current_setting('zovi.reached')",
        id=challenge.id,
        phone=challenge.phone,
        keys=[f"phone {challenge.phone_key}"],
        phone_key=challenge.phone_key,
        address=challenge.address,
        network=challenge.network,
        region=challenge.region,
        digits=challenge.digits,
    )
    _refuse_or_alarm(row[0] if row else "", FIXED)


def _tell_of_guard(scope: str, region: str) -> None:
    """Raises TooManyRequests when the guard refuses."""
    decision = guard.decision()
    audit.guarded(scope, region, decision)
    events.raise_alarm("sms_guard", limit=guard.SETTING, scope=scope, region=region, decision=decision)
    if decision == "denied":
        raise TooManyRequests(retry_after=guard.RETRY_SECONDS)


def take_back(challenge: Challenge) -> None:
    """The gateway has refused the message for certain: the phone's budget is free again."""
    Challenge.objects.filter(id=challenge.id).update(is_sent=False)


def open_challenge(challenge: Challenge, *, earlier: uuid.UUID | None, inbox: str | None = None) -> bool:
    """From now on the challenge takes guesses; it ends the caller's `earlier` one, whoever's phone that was for, and
    the oldest of its own phone when there are more than may be open.

    Both phones are locked first, in the order in which everybody else takes them. `inbox` is what a demo's phone shows.
    False, and nothing is opened or shown, when whoever had the number has left since.
    """
    opened = prepared.first_row(
        """SELECT pg_advisory_xact_lock(hashtextextended('phone ' || phone_key, 0)) FROM (
               SELECT %(phone_key)s::text UNION SELECT phone_key FROM users_challenge WHERE id = %(earlier)s::uuid
               ORDER BY 1) AS phones (phone_key)""",
        "UPDATE users_challenge SET slot = NULL WHERE id = %(earlier)s::uuid AND slot IS NOT NULL",
        """UPDATE users_challenge SET slot = NULL WHERE id IN (
               SELECT id FROM users_challenge WHERE phone_key = %(phone_key)s AND slot IS NOT NULL
               ORDER BY created_at DESC OFFSET %(others)s)""",
        """UPDATE users_challenge SET code_hash = %(code_hash)s, told_digits = %(told_digits)s,
               route = %(route)s, channel = %(channel)s, cost = %(cost)s,
               expires_at = least(statement_timestamp() + make_interval(secs => %(ttl)s), %(end)s::timestamptz),
               slot = (SELECT min(slot) FROM generate_series(0, %(others)s) AS slot WHERE slot NOT IN (
                   SELECT slot FROM users_challenge WHERE phone_key = %(phone_key)s AND slot IS NOT NULL))
           WHERE id = %(id)s::uuid AND phone <> ''""",
        *(KEEP_MESSAGE if inbox is not None else ()),
        "SELECT id FROM users_challenge WHERE id = %(id)s::uuid AND slot IS NOT NULL",
        text=inbox,
        id=challenge.id,
        phone_key=challenge.phone_key,
        code_hash=challenge.code_hash,
        route=challenge.route,
        channel=challenge.channel,
        cost=challenge.cost,
        told_digits=challenge.told_digits,
        earlier=earlier,
        ttl=settings.OTP_TTL,
        end=fixed_codes.end() if challenge.is_test else None,
        others=LIVE_CHALLENGES - 1,
    )
    return opened is not None


def wait_before_send(*, phone_key: str, address: str, network: str) -> int:
    """Whole seconds until `admit_send` would let another message out; 0: at once."""
    row = prepared.first_row(
        f"SELECT max(wait) FROM ({_reached(_every_rate(SENDS), _SENDER)}) AS reached",
        phone_key=phone_key,
        address=address,
        network=network,
    )
    return max(0, math.ceil(row[0] or 0)) if row else 0


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
        _look(_every_rate(limits), _GUESSER, settings.OTP_DIGITS),
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
    _refuse_or_alarm(reached, limits)
    return tuple(answer) if answer and answer[0] is not None else ()


def _look_whether(condition: str) -> str:
    """A statement that notes for the next one whether what is asked before a right code is used has to be asked."""
    return f"""SELECT set_config('zovi.asks', coalesce(bool_or({condition}), false)::text, true)
        FROM users_challenge AS challenge WHERE id = %(challenge)s::uuid"""


@contextmanager
def admitted_invite(*, user_id: uuid.UUID) -> Iterator[None]:
    """A short transaction in which somebody signed in looks an invite code up and records a failure.

    Raises TooManyAttempts.
    """
    with _admitted(INVITES, f"invites of {user_id}", "(SELECT %(user_id)s::uuid AS user_id)", user_id=user_id):
        yield


def record_invite_failure(*, user_id: uuid.UUID) -> None:
    InviteFailure.objects.create(user_id=user_id)


@contextmanager
def admitted_visitor(*, address: str) -> Iterator[None]:
    """The same for somebody who is not signed in. Raises TooManyAttempts."""
    with _admitted(VISITS, f"visits of {address}", _VISITOR, address=address):
        yield


def record_visitor_failure(*, address: str) -> None:
    AddressFailure.objects.create(door=AddressFailure.Door.INVITE, address=address)


def count_admin_attempt(*, address: str) -> AddressFailure:
    """Before a password is hashed, its attempt counts as a failure; `forgive` takes back one that was none.

    So of any number of parallel attempts no more are hashed than the limit allows. Raises TooManyAttempts.
    """
    with _admitted(ADMINS, f"administration by {address}", _VISITOR, address=address):
        return AddressFailure.objects.create(door=AddressFailure.Door.ADMIN, address=address)


def count_service_failure(*, address: str) -> None:
    """Raises TooManyAttempts when that was one too many."""
    with _admitted(SERVICES, f"services at {address}", _VISITOR, address=address):
        AddressFailure.objects.create(door=AddressFailure.Door.SERVICE, address=address)


def forgive(failure: AddressFailure) -> None:
    failure.delete()


@contextmanager
def locked_phones(*phone_keys: str) -> Iterator[None]:
    """A transaction during which nobody sends to those phones or tries their codes."""
    with transaction.atomic():
        prepared.first_row(_LOCK_EACH, keys=[f"phone {phone_key}" for phone_key in sorted(phone_keys)])
        yield


@contextmanager
def _admitted(limits: tuple[Limit, ...], key: str, asked: str, **values: object) -> Iterator[None]:
    with transaction.atomic():
        look = _look(_every_rate(limits), asked, settings.OTP_DIGITS)
        row = prepared.first_row(_LOCK_EACH, look, "SELECT current_setting('zovi.reached')", keys=[key], **values)
        _refuse_or_alarm(row[0] if row else "", limits)
        yield


def _keys_of(challenge: Challenge) -> list[str]:
    network = [f"network {challenge.network}"] if ":" in challenge.network and settings.OTP_SENDS_PER_NETWORK else []
    address = [f"address {challenge.address}"] if settings.OTP_SENDS_PER_IP else []
    everybody = ["everybody"] if settings.OTP_SENDS_GLOBAL else []
    return [*address, *network, f"phone {challenge.phone_key}", *everybody]


def _every_rate(limits: tuple[Limit, ...]) -> tuple[tuple[Limit, Rate], ...]:
    return tuple((limit, rate) for limit in limits for rate in limit.rates())


@lru_cache
def _look(every: tuple[tuple[Limit, Rate], ...], asked: str, shortest: int) -> str:
    """A statement that notes which rates have been reached, for the statements after it."""
    return f"""SELECT
        set_config('zovi.reached', coalesce(string_agg(number || ' ' || wait, ','), ''), true),
        set_config('zovi.refused', coalesce(bool_or(refuses), false)::text, true),
        set_config('zovi.digits', greatest(max(digits), {shortest})::text, true)
        FROM ({_reached(every, asked)}) AS reached"""


@lru_cache
def _reached(every: tuple[tuple[Limit, Rate], ...], asked: str) -> str:
    """SQL for a row of each rate that has been reached: its number, the seconds until it has not, what it does."""
    nothing = "SELECT 0 AS number, 0.0 AS wait, false AS refuses, 0 AS digits WHERE false"
    each = [_reached_one(number, limit, rate) for number, (limit, rate) in enumerate(every)]
    return f"WITH asked AS {asked} {' UNION ALL '.join([nothing, *each])}"


def _reached_one(number: int, limit: Limit, rate: Rate) -> str:
    """The rate is reached while the event that is its `count`-th from the newest is still in the window."""
    window = f"interval '{rate.window.total_seconds()} seconds'"
    digits = f"CASE WHEN asked.at_home THEN 0 ELSE {limit.digits} END" if limit.spares_those_at_home else limit.digits
    return f"""(SELECT {number}, extract(epoch FROM newest.created_at + {window} - statement_timestamp()),
            {limit.error is not None}, {digits}
        FROM asked, LATERAL (
            SELECT event.created_at FROM {limit.events}
                AND event.created_at > statement_timestamp() - {window}
            ORDER BY event.created_at DESC OFFSET {rate.count - 1} LIMIT 1
        ) AS newest)"""


def _refuse_or_alarm(reached: str, limits: tuple[Limit, ...]) -> list[Limit]:
    """The limits that were reached, each that is about everybody with an alarm; or the error with the longest wait."""
    every = _every_rate(limits)
    found = [(float(wait), every[int(number)][0]) for number, wait in map(str.split, filter(None, reached.split(",")))]
    refusing = [(wait, limit) for wait, limit in found if limit.error]
    told = max(refusing, key=lambda one: one[0])[1:] if refusing else ()
    for limit in dict.fromkeys([*told, *(limit for _, limit in found if limit.of_everybody)]):
        audit.limit_reached(limit.setting, by_everybody=limit.of_everybody)
        if limit.of_everybody:
            events.raise_alarm("limit_reached", limit=limit.setting)
    if refusing:
        wait, limit = max(refusing, key=lambda one: one[0])
        raise limit.error(retry_after=wait)
    return [limit for _, limit in found]
