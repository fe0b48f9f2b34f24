"""Asking for a code: who may, and what becomes of the challenge."""

import math
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from users import audit, events, fixed_codes, guard, prepared
from users.errors import TooManyRequests
from users.limits.looking import LOCK_EACH, REACHED, look, refuse_or_alarm, waits
from users.limits.table import FIXED, HOMES, LENGTHS, SENDS
from users.models import KEEP_MESSAGE, LIVE_CHALLENGES, Challenge

RESENDS_WITHIN = timedelta(minutes=15)

_SENDER = f"""(SELECT *, address IN {HOMES} AS at_home FROM (
    SELECT %(phone_key)s::text AS phone_key, %(address)s::inet AS address, %(network)s::inet AS network,
        family(%(network)s::inet) = 6 AS is_ipv6) AS asked)"""
_TESTER = "(SELECT %(phone_key)s::text AS phone_key, true AS is_test)"


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
        LOCK_EACH,
        look(limits, _SENDER),
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
    is_hidden = any(limit.spares_those_at_home for limit in refuse_or_alarm(reached, limits))
    return Admission(digits, None if is_hidden else digits, in_vain)


def admit_fixed(challenge: Challenge) -> None:
    """The same for a test number, of which nothing is sent: no limit but those on guessing and using is in the way.

    What is over goes, and what was used when a day has passed, so that asking without end fills no table. Raises
    TooManyAttempts.
    """
    row = prepared.first_row(
        LOCK_EACH,
        look(FIXED, _TESTER),
        """DELETE FROM users_challenge
            WHERE phone_key = %(phone_key)s AND is_test AND slot IS NULL AND code_hash <> ''
            AND (used_at IS NULL OR created_at < statement_timestamp() - interval '1 day')""",
        """INSERT INTO users_challenge (id, phone, phone_key, address, network, region, is_test, digits)
            SELECT %(id)s::uuid, %(phone)s, %(phone_key)s, %(address)s::inet, %(network)s::inet, %(region)s, true,
                %(digits)s
            WHERE NOT current_setting('zovi.refused')::boolean""",
        REACHED,
        id=challenge.id,
        phone=challenge.phone,
        keys=[f"phone {challenge.phone_key}"],
        phone_key=challenge.phone_key,
        address=challenge.address,
        network=challenge.network,
        region=challenge.region,
        digits=challenge.digits,
    )
    refuse_or_alarm(row[0] if row else "", FIXED)


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
        f"SELECT max(wait) FROM {waits(SENDS, _SENDER)} AS reached",
        phone_key=phone_key,
        address=address,
        network=network,
    )
    return max(0, math.ceil(row[0] or 0)) if row else 0


def _keys_of(challenge: Challenge) -> list[str]:
    network = [f"network {challenge.network}"] if ":" in challenge.network and settings.OTP_SENDS_PER_NETWORK else []
    address = [f"address {challenge.address}"] if settings.OTP_SENDS_PER_IP else []
    everybody = ["everybody"] if settings.OTP_SENDS_GLOBAL else []
    return [*address, *network, f"phone {challenge.phone_key}", *everybody]
