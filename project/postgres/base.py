"""Django's PostgreSQL backend with a bounded pool of psycopg2 connections.

Django pools connections only for psycopg 3; this serves the same seam for psycopg2. A thread holds a connection from
its first query to the end of the request, or until it calls `connection.close()` before a long wait.
"""

import logging
import os
import queue
import select
import socket
import threading
import time
from contextlib import suppress

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property
from psycopg2 import DatabaseError, Error, OperationalError
from psycopg2.errorcodes import READ_ONLY_SQL_TRANSACTION
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Psycopg2Connection

from project import localdb
from users import waiting

logger = logging.getLogger(__name__)


class PooledConnection(Psycopg2Connection):
    """Knows its pool, to which Django gives it back, and the names of what PostgreSQL has planned for it."""

    _pool: "Pool"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.prepared: set[str] = set()


class Pool:
    """At most `size` connections; a taker waits up to `patience` seconds, then gets OperationalError.

    The production server has no more threads than connections; other servers, and tests, may.
    """

    def __init__(self, connect, size: int, patience: float):
        self._connect = connect
        self._patience = patience
        self._slots = threading.BoundedSemaphore(size)
        self._idle: queue.LifoQueue[PooledConnection] = queue.LifoQueue()
        self._lock = threading.Lock()
        self._taken: dict[PooledConnection, float] = {}  # since when
        self._away_since: float | None = None

    def open(self) -> None:
        """Nothing to do: connections are opened when they are first needed."""

    def getconn(self) -> PooledConnection:
        if not self._slots.acquire(timeout=self._patience):
            raise OperationalError("no database connection became free in time")
        try:
            connection = self._living() or self._open()
        except BaseException:
            self._slots.release()
            raise
        with self._lock:
            self._taken[connection] = time.monotonic()
        return connection

    def _living(self) -> PooledConnection | None:
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return None
            if _is_alive(connection):
                return connection
            connection.close()

    def _open(self) -> PooledConnection:
        """Says once that nobody answers, and once how long that was."""
        try:
            connection = self._connect()
        except OperationalError:
            self._note_away()
            raise
        self._note_back()
        connection._pool = self
        return connection

    def _note_away(self) -> None:
        with self._lock:
            is_news, self._away_since = self._away_since is None, self._away_since or time.monotonic()
        if is_news:
            logger.warning("database_away")

    def _note_back(self) -> None:
        with self._lock:
            since, self._away_since = self._away_since, None
        if since is not None:
            logger.warning("database_back", extra={"facts": {"seconds": round(time.monotonic() - since, 1)}})

    def putconn(self, connection: PooledConnection) -> None:
        with self._lock:
            self._taken.pop(connection, None)
        try:
            if not connection.closed and connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                connection.rollback()
            if not connection.closed:
                connection.autocommit = True  # as it came: what has no transaction of Django's would be lost without it
                self._idle.put(connection)
        except Exception:
            connection.close()
        finally:
            self._slots.release()

    def cut_off(self, after: float) -> None:
        """Hang up where a connection was taken `after` seconds ago: whoever waits at it gets OperationalError.

        PostgreSQL's own time-outs end statements. They end neither the wait for a standby to confirm a commit nor that
        for a machine that is gone.
        """
        late = time.monotonic() - after
        with self._lock:
            overdue = [connection for connection, since in self._taken.items() if since < late]
            for connection in overdue:
                _hang_up(connection)
                self._taken.pop(connection)
        if overdue:
            logger.error("database_too_slow", extra={"facts": {"count": len(overdue)}})

    def close(self) -> None:
        """Close the idle connections, so that nothing of ours holds the database."""
        while not self._idle.empty():
            self._idle.get_nowait().close()


def _is_alive(connection: PooledConnection) -> bool:
    """An idle connection has nothing to say: one that is readable was closed by the server, or is about to be."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _hang_up(connection: PooledConnection) -> None:
    """Whichever thread waits at it. The connection itself stays that thread's, to close."""
    with suppress(OSError, Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


class LostConnection(DatabaseErrorWrapper):
    """psycopg2 calls a server that goes away in the middle of a statement a DatabaseError and no more, and one that has
    become a standby an InternalError; trying again may cure both, as every other OperationalError."""

    def __exit__(self, exc_type, exc_value, traceback):
        if exc_type is DatabaseError and exc_value.pgcode is None:
            exc_type = OperationalError
        elif isinstance(exc_value, Error) and exc_value.pgcode == READ_ONLY_SQL_TRANSACTION:
            exc_type = OperationalError
            if exc_value.cursor is not None:
                exc_value.cursor.connection.close()  # the next one may find who can be written to
        super().__exit__(exc_type, exc_value, traceback)


class DatabaseWrapper(base.DatabaseWrapper):
    _connection_pools: dict[str, Pool] = {}

    @cached_property
    def wrap_database_errors(self) -> DatabaseErrorWrapper:
        return LostConnection(self)

    @property
    def pool(self) -> Pool | None:
        if self.alias == NO_DB_ALIAS:
            return None
        if self.alias not in self._connection_pools:
            parameters = self.get_connection_params() | {"connection_factory": PooledConnection}

            def connect():
                connection = self.Database.connect(**parameters)
                connection.autocommit = True
                self._configure_connection(connection)
                return connection

            pool = Pool(connect, settings.DATABASE_POOL_SIZE, settings.DATABASE_POOL_PATIENCE)
            self._connection_pools.setdefault(self.alias, pool)
        return self._connection_pools[self.alias]

    def get_new_connection(self, conn_params):
        if settings.DATABASE_IS_EMBEDDED and self.alias in {DEFAULT_DB_ALIAS, NO_DB_ALIAS}:
            localdb.hold()
        return super().get_new_connection(conn_params)


def cut_off_the_late() -> None:
    for pool in list(DatabaseWrapper._connection_pools.values()):
        pool.cut_off(settings.DATABASE_DEADLINE)


# A fork must not talk over its parent's connections. (psycopg2 leaves another process's sockets alone on deletion.)
os.register_at_fork(after_in_child=DatabaseWrapper._connection_pools.clear)


def _require_nothing_held() -> None:
    """Raises RuntimeError in a transaction, or with a connection of the pool: a wait would keep it from others.

    The transaction that a test runs in is no one's but the test's, as in Django's own check for `durable`.
    """
    for connection in connections.all(initialized_only=True):
        in_a_test = connection.atomic_blocks and connection.atomic_blocks[-1]._from_testcase
        if connection.connection is not None and not in_a_test:
            raise RuntimeError("waiting with a database connection in hand: close it first, outside of transactions")


waiting.only_if(_require_nothing_held)
