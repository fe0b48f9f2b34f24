"""Writing down what happened, in the statement or the transaction of what it tells. Neither is there without the other.

While nobody is configured to hear of it, nothing is written and nothing is asked.
"""

import json
from collections.abc import Iterable

from django.conf import settings

from users import prepared
from users.webhooks import EventType

ALARM_QUIET_MINUTES = 10  # one alarm of a kind in that time: whoever causes it could write as many as they like


def record(kind: EventType, *happened: dict[str, object]) -> None:
    """Once for each of `happened`, in the transaction that is open."""
    if settings.EVENTS_ARE_RECORDED and happened:
        prepared.all_rows(
            _insert("SELECT %(kind)s::text, unnest(%(data)s::text[])::jsonb"),
            kind=kind.value,
            data=_documents(happened),
        )


def recorded_with(happened: str) -> str:
    """For a statement that has a WITH: one more part of it, which records the rows (type, data) of `happened`."""
    return f", recorded AS ({_insert(happened)})" if settings.EVENTS_ARE_RECORDED else ""


def raise_alarm(alarm: str, **facts: object) -> None:
    """Tell the operator's backend what the log says at ERROR: once in ten minutes for each kind of alarm."""
    if settings.EVENTS_ARE_RECORDED:
        prepared.all_rows(
            _insert(
                f"""SELECT '{EventType.ALARM_RAISED}', %(data)s::jsonb WHERE NOT EXISTS (
                    SELECT FROM users_event WHERE type = '{EventType.ALARM_RAISED}' AND data->>'alarm' = %(alarm)s
                        AND created_at > statement_timestamp() - interval '{ALARM_QUIET_MINUTES} minutes')"""
            ),
            alarm=alarm,
            data=_document({"alarm": alarm, **facts}),
        )


def _insert(happened: str) -> str:
    return f"""INSERT INTO users_event (type, data, endpoints)
               SELECT type, data, {_endpoints()} FROM ({happened}) AS happened (type, data)"""


def _endpoints() -> str:
    """Those an event of `type` is to be posted to, as SQL: put together from hashes and our own words."""
    everywhere = ", ".join(f"'{endpoint.key}'" for endpoint in settings.WEBHOOK_URLS)
    wanted = ", ".join(f"'{kind}'" for kind in settings.WEBHOOK_TYPES)
    return f"CASE WHEN type IN ({wanted}) THEN ARRAY[{everywhere}]::varchar[] ELSE '{{}}' END"


def _documents(happened: Iterable[dict[str, object]]) -> list[str]:
    return [_document(data) for data in happened]


def _document(data: dict[str, object]) -> str:
    return json.dumps(data, default=str)
