"""The feed: events in an order in which nobody can miss one.

Numbers drawn when a row is written say nothing of when it becomes visible: the transaction of the smaller one may end
last, and whoever has read past it never sees it. So an event gets its place afterwards, from whoever looks first, one
of them at a time; what has a place was there before everything that will get one.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from users import prepared

PLACED_AT_ONCE = 1000  # rows a statement, so that none lasts: whoever reads on comes again

_ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtextextended('the feed of events', 0))"
_PLACE = f"""
    WITH placed AS (
        UPDATE users_event AS event SET place = fresh.place
        FROM (
            SELECT id, nextval('users_event_place_seq') AS place
            FROM (SELECT id FROM users_event WHERE place IS NULL ORDER BY id LIMIT {PLACED_AT_ONCE}) AS in_order
        ) AS fresh
        WHERE event.id = fresh.id RETURNING event.id, event.endpoints
    )
    INSERT INTO users_delivery (event_id, endpoint) SELECT id, unnest(endpoints) FROM placed
"""
_AFTER = """
    SELECT uid, type, created_at, data::text, place FROM users_event
    WHERE place > %(after)s AND (%(kind)s::text IS NULL OR type = %(kind)s) ORDER BY place LIMIT %(limit)s
"""
_REACHED = "SELECT coalesce(max(place), 0) FROM users_event"
_DRAWN = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM users_event_place_seq"


@dataclass(frozen=True)
class Happened:
    """An event as it is told, in the feed and to webhooks alike."""

    id: UUID
    type: str
    timestamp: datetime
    data: dict[str, object]

    def as_dict(self) -> dict[str, object]:
        return {"id": str(self.id), "type": self.type, "timestamp": _utc(self.timestamp), "data": self.data}

    @classmethod
    def of(cls, row: tuple) -> Self:
        uid, kind, timestamp, data = row[:4]
        return cls(uid, kind, timestamp, json.loads(data))


def place() -> None:
    """Give each event that has none its place, and make a delivery to each endpoint it is for."""
    if prepared.first_row("SELECT EXISTS (SELECT FROM users_event WHERE place IS NULL)") == (True,):
        prepared.all_rows(_ONE_BY_ONE, _PLACE)


def after(place_: int, *, limit: int, kind: str | None = None) -> tuple[list[Happened], int]:
    """Up to `limit` events behind that place, oldest first, and the place to go on from."""
    place()
    [(reached,)] = prepared.all_rows(_REACHED)  # before the rows: what comes in between is for the next time
    rows = prepared.all_rows(_AFTER, after=place_, limit=limit, kind=kind)
    last = rows[-1][-1] if rows else place_
    return [Happened.of(row) for row in rows], last if len(rows) == limit else max(last, reached)


def was_drawn(place_: int) -> bool:
    """Whether there has been such a place yet: after a restore from a backup a reader may be ahead."""
    return [(place_,)] <= prepared.all_rows(_DRAWN)


def _utc(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
