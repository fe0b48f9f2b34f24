"""What is counted for those who watch over the service, in PostgreSQL: one answer whichever instance is asked.

Counts are of the day (UTC), read off indexes by time; a graph takes midnight for a restart. No other time does one go
back, for a graph would take that for a restart too and count the whole day once more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from users import prepared

_MIDNIGHT = "date_trunc('day', statement_timestamp(), 'UTC')"
_TODAY = f"created_at >= {_MIDNIGHT}"
# Whether a message has left, and by which route, is known within seconds, or never.
_SETTLED = "(NOT is_sent OR code_hash <> '' OR created_at < statement_timestamp() - interval '1 minute')"

_CODES = f"""SELECT region, channel, route, count(*), count(*) FILTER (WHERE is_sent),
        count(*) FILTER (WHERE NOT is_sent), count(used_at), coalesce(sum(cost), 0),
        coalesce(sum(cost) FILTER (WHERE used_at IS NULL AND expires_at < statement_timestamp()), 0)
    FROM users_challenge WHERE at_home IN (true, false) AND NOT is_test AND {_TODAY} AND {_SETTLED}
    GROUP BY region, channel, route ORDER BY 1, 2, 3"""
_GUARDED = f"""SELECT region, scope, decision, sum(codes) FROM users_guarddecision
    WHERE hour >= {_MIDNIGHT} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
# Sessions go with whoever leaves, so those who came in are counted by their codes, which stay.
_TOTALS = f"""SELECT
    (SELECT count(*) FROM users_challenge WHERE at_home IN (true, false) AND used_from IS NOT NULL
        AND created_at >= {_MIDNIGHT} - interval '1 hour' AND used_at >= {_MIDNIGHT}),
    (SELECT count(*) FROM users_user WHERE {_TODAY}),
    (SELECT count(*) FROM users_activation WHERE {_TODAY}),
    (SELECT count(*) FROM users_codefailure WHERE {_TODAY}),
    (SELECT count(*) FROM users_session WHERE ended_at IS NULL AND expires_at > statement_timestamp()),
    (SELECT count(*) FROM users_delivery WHERE next_attempt_at IS NOT NULL),
    (SELECT coalesce(extract(epoch FROM statement_timestamp() - min(event.created_at)), 0)
        FROM users_delivery AS due JOIN users_event AS event ON event.id = due.event_id
        WHERE due.next_attempt_at IS NOT NULL)"""


@dataclass(frozen=True)
class Codes:
    """`channel` and `route` are empty for what no gateway has taken (yet)."""

    region: str
    channel: str
    route: str
    asked: int
    sent: int
    refused: int
    verified: int
    spent: Decimal
    wasted: Decimal  # on codes that nobody used


@dataclass(frozen=True)
class Guarded:
    region: str
    scope: str
    decision: str
    codes: int


@dataclass(frozen=True)
class Totals:
    """The last two are of now: deliveries that are due, and since how many seconds the oldest has waited."""

    sign_ins: int
    registrations: int
    activations: int
    failures: int
    live_sessions: int
    events_waiting: int
    oldest_event_seconds: float


def codes_today() -> Iterator[Codes]:
    return (Codes(*row) for row in prepared.all_rows(_CODES))


def guarded_today() -> Iterator[Guarded]:
    return (Guarded(*row) for row in prepared.all_rows(_GUARDED))


def totals() -> Totals:
    [row] = prepared.all_rows(_TOTALS)
    return Totals(*row)
