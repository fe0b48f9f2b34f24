"""How a limit is looked at: SQL that finds out whether as many rows are there, and who has to wait for whom.

Whatever is limited takes its locks, looks, and writes: plain statements of one transaction, in one round trip. Of those
who share a limit no two can both be the last it allows, because the next one looks only when the first has written.
A statement hears from the one before it what it found through settings that end with the transaction: `zovi.reached`
lists the limits in the way, `zovi.refused` says whether one of them refuses, `zovi.digits` how long a code must be.

Locks are taken in this order everywhere, so that nobody waits in a circle: address, network, phones as they sort,
everybody.
"""

from functools import lru_cache

from django.conf import settings

from users import audit, events
from users.limits.table import Limit
from users.rates import Rate

LOCK_EACH = "SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest(%(keys)s::text[]) AS key"
REACHED = "SELECT current_setting('zovi.reached')"


def look(limits: tuple[Limit, ...], asked: str) -> str:
    """A statement that notes which of the limits have been reached, for the statements after it."""
    return _look(_every_rate(limits), asked, settings.OTP_DIGITS)


def waits(limits: tuple[Limit, ...], asked: str) -> str:
    """SQL for a table whose column `wait` has the seconds until each limit that has been reached is not."""
    return f"({_reached(_every_rate(limits), asked)})"


def refuse_or_alarm(reached: str, limits: tuple[Limit, ...]) -> list[Limit]:
    """The limits that were reached, each that is about everybody with an alarm; or the error with the longest wait."""
    every = _every_rate(limits)
    found = [(float(wait), every[int(number)][0]) for number, wait in map(str.split, filter(None, reached.split(",")))]
    worst = max((one for one in found if one[1].error), key=lambda one: one[0], default=None)
    told = [limit for _, limit in found if limit.of_everybody]
    for limit in dict.fromkeys([worst[1], *told] if worst else told):
        audit.limit_reached(limit.setting, by_everybody=limit.of_everybody)
        if limit.of_everybody:
            events.raise_alarm("limit_reached", limit=limit.setting)
    if worst and worst[1].error:
        raise worst[1].error(retry_after=worst[0])
    return [limit for _, limit in found]


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
