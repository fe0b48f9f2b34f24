"""The read replica, where there is one: waited for half a second at most, never trusted to be there.

A synchronous call of psycopg2 waits for as long as a silent server likes, so these connections are asynchronous: a
replica that hangs costs PATIENCE, and after that nobody but one reader in PAUSE seconds who tries whether it is back.
"""

import os
import queue
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from django.conf import settings
from psycopg2.extensions import POLL_OK, POLL_READ
from psycopg2.extensions import connection as Psycopg2Connection

from users import events, prepared

PATIENCE = 0.5  # seconds for an answer, with a new connection where it needs one
PAUSE = 5.0  # seconds a replica that failed is left alone


class Connection(Psycopg2Connection):
    """Asynchronous; `wait` makes it wait, but only until its deadline (by the monotonic clock)."""

    deadline = 0.0

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.prepared: dict[str, str] = {}

    def wait(self) -> None:
        """Raises OperationalError when the deadline comes first."""
        while (state := self.poll()) != POLL_OK:
            left = self.deadline - time.monotonic()
            if left <= 0 or not _is_ready(self, select.POLLIN if state == POLL_READ else select.POLLOUT, left):
                raise psycopg2.OperationalError("it did not answer in time")

    def first_row(self, statement: str, values: dict[str, object]) -> tuple | None:
        with self.cursor() as cursor:
            if settings.DATABASE_PREPARE:
                statement = self._prepared(cursor, statement)
            cursor.execute(statement, values)
            self.wait()
            return cursor.fetchone()

    def _prepared(self, cursor, statement: str) -> str:
        if statement not in self.prepared:
            prepare, execute = prepared.name(statement, f"prepared_{len(self.prepared)}")
            cursor.execute(prepare)
            self.wait()
            self.prepared[statement] = execute
        return self.prepared[statement]


class Replica:
    """Any number of threads may ask at once. Each holds a connection of the primary's pool: no more than those."""

    def __init__(self) -> None:
        self._idle: queue.LifoQueue[Connection] = queue.LifoQueue()
        os.register_at_fork(after_in_child=self._idle.queue.clear)  # a fork must not talk over its parent's
        self._lock = threading.Lock()
        self._away_until: float | None = None
        self._scout: int | None = None  # the thread that finds out whether it is back

    def is_worth_asking(self) -> bool:
        """A circuit breaker. True after a pause makes the caller its scout, so ask only when about to `fetch`."""
        if not settings.DATABASE_REPLICA:
            return False
        if self._away_until is None:
            return True
        with self._lock:
            if self._away_until is not None and time.monotonic() < self._away_until:
                return False
            self._away_until, self._scout = time.monotonic() + PAUSE, threading.get_ident()
            return True

    def fetch(self, statement: str, **values: object) -> tuple | None:
        """The first row; None without any, and when it fails or does not answer within PATIENCE. `%(name)s` names a
        value."""
        try:
            with self._connection(time.monotonic() + PATIENCE) as connection:
                row = connection.first_row(statement, values)
        except psycopg2.Error as error:
            self._failed(error)
            return None
        if self._away_until is not None:
            self._answered()
        return row

    @contextmanager
    def _connection(self, deadline: float) -> Iterator[Connection]:
        connection = self._kept() or psycopg2.connect(**_parameters())
        connection.deadline = deadline
        connection.wait()
        yield connection
        self._idle.put(connection)  # one that failed is not kept, and so it is closed

    def _kept(self) -> Connection | None:
        """One with nothing to say: an idle connection that is readable was closed by the server, or is about to be."""
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return None
            if not _is_ready(connection, select.POLLIN, 0):
                return connection
            connection.close()

    def _failed(self, error: psycopg2.Error) -> None:
        with self._lock:
            was_here = self._away_until is None
            self._away_until, self._scout = time.monotonic() + PAUSE, None
        if was_here:
            events.replica_away(str(error).strip().partition("\n")[0] or type(error).__name__)

    def _answered(self) -> None:
        """It is back if its scout says so: whoever asked before it failed and was answered after it proves nothing."""
        with self._lock:
            is_back = self._scout == threading.get_ident()
            if is_back:
                self._away_until = self._scout = None
        if is_back:
            events.replica_back()


def _parameters() -> dict[str, object]:
    serving = f"{settings.SERVING_DATABASE_OPTIONS} -c statement_timeout={int(PATIENCE * 1000)} -c TimeZone=UTC"
    ours = {"application_name": "zovi", "client_encoding": "UTF8", "options": serving}
    return ours | settings.DATABASE_REPLICA | {"async_": True, "connection_factory": Connection}


def _is_ready(connection: Connection, event: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), event)
    return bool(poll.poll(seconds * 1000))
