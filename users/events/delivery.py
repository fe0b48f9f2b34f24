"""Posting events to the endpoints of WEBHOOK_URLS, as Standard Webhooks has it: signed, at least once, tried again.

Any number of instances share the work. Whoever takes a delivery puts its next attempt off until it would be over even
if they died, and only then posts: what a killed instance had in hand is taken up by the next.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import orjson
from django.conf import settings
from django.db import Error, connection
from standardwebhooks import Webhook

from users import audit, prepared
from users.events import feed, recording
from users.events.feed import Happened
from users.events.post import EXCHANGE_SECONDS, LOOK_UP_SECONDS, Answer, post
from users.webhooks import Endpoint, EventType

MINUTE, HOUR = 60, 3600
RETRIES = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)  # seconds
IN_HAND_SECONDS = 2 * (LOOK_UP_SECONDS + EXCHANGE_SECONDS)
AT_ONCE = 4  # posts to one endpoint, so that none that hangs is in the way of another
PAUSE_SECONDS = 0.5  # between two looks when nothing is due
AWAY_SECONDS = 10  # at most, between two looks for a database that is away

logger = logging.getLogger(__name__)

_TAKE = f"""
    UPDATE users_delivery AS delivery
    SET attempts = delivery.attempts + 1, next_attempt_at = statement_timestamp() + interval '{IN_HAND_SECONDS} seconds'
    FROM users_event AS event
    WHERE event.id = delivery.event_id AND delivery.id IN (
        SELECT id FROM users_delivery
        WHERE endpoint = %(endpoint)s AND next_attempt_at <= statement_timestamp()
            AND NOT EXISTS (SELECT FROM users_goneendpoint WHERE endpoint = %(endpoint)s)
        ORDER BY next_attempt_at, id LIMIT %(most)s FOR UPDATE SKIP LOCKED
    )
    RETURNING event.uid, event.type, event.created_at, event.data::text, delivery.id, delivery.attempts
"""
_DELIVERED = """
    UPDATE users_delivery SET delivered_at = statement_timestamp(), next_attempt_at = NULL, outcome = %(outcome)s
    WHERE id = %(id)s
"""
# Only as long as nobody has taken it up since.
_NOT_DELIVERED = """
    UPDATE users_delivery
    SET outcome = %(outcome)s, next_attempt_at = statement_timestamp() + make_interval(secs => %(seconds)s::float)
    WHERE id = %(id)s AND attempts = %(attempts)s AND delivered_at IS NULL
"""
_GONE = """
    INSERT INTO users_goneendpoint (endpoint) VALUES (%(endpoint)s) ON CONFLICT DO NOTHING RETURNING endpoint
"""
_BACK = "DELETE FROM users_goneendpoint WHERE endpoint = %(endpoint)s"


@dataclass(frozen=True)
class Taken:
    """A delivery in our hands, and how often it has been in anybody's."""

    happened: Happened
    id: int
    attempts: int


class Lane:
    """What is on its way to one endpoint."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint = endpoint
        self.posts: set[Future[None]] = set()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")

    def take(self) -> int:
        """Start posting as much of what is due as there is room for. Returns how much that was."""
        self.posts = {running for running in self.posts if not running.done()}
        taken = _take(self.endpoint, most=AT_ONCE - len(self.posts))
        self.posts |= {self._threads.submit(_deliver, self.endpoint, one) for one in taken}
        return len(taken)

    def close(self) -> None:
        """Wait for what is on its way, and write down what became of it."""
        self._threads.shutdown(wait=True)


def host_of(endpoint_key: str) -> str | None:
    """What people call an endpoint; None when it is not, or no longer, one of WEBHOOK_URLS."""
    return next((endpoint.host for endpoint in settings.WEBHOOK_URLS if endpoint.key == endpoint_key), None)


def deliver_forever(stop: threading.Event) -> None:
    """Until `stop` is set; what is on its way then is finished and written down first.

    Whoever answered 410 gets another chance: a new start is somebody's decision.
    """
    lanes = [Lane(endpoint) for endpoint in settings.WEBHOOK_URLS]
    try:
        _patiently(_give_another_chance, stop)
        while not stop.is_set():
            if not _patiently(partial(_take_all, lanes), stop):
                _pause(lanes, stop)
    finally:
        _close(lanes)


def deliver_due() -> int:
    """Everything that is due now, once. Returns how many posts that were."""
    lanes, count = [Lane(endpoint) for endpoint in settings.WEBHOOK_URLS], 0
    try:
        while (taken := _take_all(lanes)) or _on_the_way(lanes):
            count += taken
            wait(_on_the_way(lanes), return_when=FIRST_COMPLETED)
    finally:
        _close(lanes)
    return count


def _patiently(do: Callable[[], int | None], stop: threading.Event) -> int | None:
    """What `do` returns, once the database lets it; None when `stop` is set before. Says once that it does not."""
    pause = PAUSE_SECONDS
    while not stop.is_set():
        try:
            return do()
        except Error as error:
            if pause == PAUSE_SECONDS:
                logger.warning("no events can be delivered until the database is back: %s", type(error).__name__)
            stop.wait(pause)
            pause = min(2 * pause, AWAY_SECONDS)
    return None


def _give_another_chance() -> None:
    connection.ensure_connection()  # which starts the embedded database where it does not run
    connection.close()
    for endpoint in settings.WEBHOOK_URLS:
        prepared.all_rows(_BACK, endpoint=endpoint.key)


def _take_all(lanes: list[Lane]) -> int:
    feed.place()
    return sum(lane.take() for lane in lanes)


def _pause(lanes: list[Lane], stop: threading.Event) -> None:
    """Until a post is over, or for a moment when none is on its way."""
    if running := _on_the_way(lanes):
        wait(running, PAUSE_SECONDS, FIRST_COMPLETED)
    else:
        stop.wait(PAUSE_SECONDS)


def _on_the_way(lanes: list[Lane]) -> set[Future[None]]:
    return {running for lane in lanes for running in lane.posts if not running.done()}


def _close(lanes: Iterable[Lane]) -> None:
    for lane in lanes:
        lane.close()


def _take(endpoint: Endpoint, *, most: int) -> list[Taken]:
    if not most:
        return []
    rows = prepared.all_rows(_TAKE, endpoint=endpoint.key, most=most)
    return [Taken(Happened.of(row), *row[4:]) for row in rows]


def _deliver(endpoint: Endpoint, taken: Taken) -> None:
    try:
        body = orjson.dumps(taken.happened.as_dict())
        _write_down(endpoint, taken, post(endpoint, body, _headers(str(taken.happened.id), body)))
    except Exception as error:  # the delivery comes up again
        is_a_slip_of_ours = not isinstance(error, Error)
        logger.error("a delivery was not written down: %s", type(error).__name__, exc_info=is_a_slip_of_ours)


def _headers(message_id: str, body: bytes) -> dict[str, str]:
    """One signature for each secret, so that a receiver may know the old one or the new one (Standard Webhooks)."""
    now = datetime.now(UTC)
    signatures = [Webhook(secret).sign(message_id, now, body.decode()) for secret in settings.WEBHOOK_SECRETS]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Zovi",
        "Connection": "close",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _write_down(endpoint: Endpoint, taken: Taken, answer: Answer) -> None:
    if answer.is_success:
        prepared.all_rows(_DELIVERED, id=taken.id, outcome=answer.outcome)
        return
    seconds = RETRIES[taken.attempts - 1] if taken.attempts <= len(RETRIES) else None
    prepared.all_rows(_NOT_DELIVERED, id=taken.id, attempts=taken.attempts, outcome=answer.outcome, seconds=seconds)
    audit.webhook_not_delivered(taken.happened.id, endpoint.host, answer.outcome, taken.attempts)
    if answer.status == 410 and prepared.all_rows(_GONE, endpoint=endpoint.key):
        _alarm("webhook_gone", endpoint)
    elif seconds is None and taken.happened.type != EventType.ALARM_RAISED:  # or each alarm would end in the next
        _alarm("webhook_given_up", endpoint)


def _alarm(alarm: str, endpoint: Endpoint) -> None:
    audit.alarm(alarm, endpoint=endpoint.host)
    recording.raise_alarm(alarm, endpoint=endpoint.host)
