import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from django.contrib.postgres.operations import AddIndexConcurrently, NotInTransactionMixin
from django.core.management import CommandError
from django.core.management.commands import migrate
from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from psycopg2.errorcodes import INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE

from project import database_errors

# Whoever waits for a whole table makes everybody wait who comes after. Requests wait 400 ms for a lock, so a migration
# waits for less, and tries again. An index that is built beside all others holds up nobody, and waits for all of them,
# a dump among them.
LOCK_TIMEOUT, LONG_LOCK_TIMEOUT = "300ms", "10min"
TRIES, PAUSE_SECONDS = 20, 1.0

TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('the migrations', 0))"
TURN_PAUSE_SECONDS = 0.5
# It is kept for as long as the migrations take, not for a machine that is gone, and without a look at any row.
KEEP_TURN = """SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL tcp_keepalives_idle = 30; SET LOCAL tcp_keepalives_interval = 10; SET LOCAL tcp_keepalives_count = 3"""
WAITING = "Another migrate is at work on this database: waiting for its end ..."


class Command(migrate.Command):
    def handle(self, *args, database: str, **options):
        self.connection = connections[database]
        with self.one_at_a_time():
            try:
                self.handle_patiently(*args, database=database, **options)
            finally:
                with self.connection.cursor() as cursor:
                    cursor.execute("RESET lock_timeout")

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Wait for the turn, which the database gives to one migrate at a time.

        An open transaction of a connection of its own holds it: that works through a pooler, too. It is asked for again
        and again, because a statement that waits for it would be in the way of an index that is built CONCURRENTLY.
        """
        own = self.connection.copy()
        try:
            own.set_autocommit(False)
            if not self.has_turn(own):
                self.stdout.write(WAITING)
                self.stdout.flush()
                while not self.has_turn(own):
                    time.sleep(TURN_PAUSE_SECONDS)
            yield
        finally:
            own.close()

    def has_turn(self, own: BaseDatabaseWrapper) -> bool:
        own.rollback()
        with own.cursor() as cursor:
            cursor.execute(KEEP_TURN)
            cursor.execute(TURN)
            return cursor.fetchone() == (True,)

    def handle_patiently(self, *args, **options) -> None:
        for number in range(1, TRIES + 1):
            self.wait_for_locks(LOCK_TIMEOUT)
            try:
                return super().handle(*args, **options)
            except Error as error:
                code = database_errors.sqlstate(error)
                if code == INSUFFICIENT_PRIVILEGE:
                    self.refuse_without_rights()
                if code != LOCK_NOT_AVAILABLE:
                    raise
                if number < TRIES:
                    time.sleep(PAUSE_SECONDS)
        raise CommandError(f"a table was in use, {TRIES} times; this migration has changed nothing: try again")

    def refuse_without_rights(self) -> NoReturn:
        """Since PostgreSQL 15 nobody but its owner makes tables in a database's schema `public`."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT quote_ident(current_database()), quote_ident(current_user)")
            database, role = cursor.fetchone()
        raise CommandError(
            f"PostgreSQL does not let {role} make or change these tables: as its superuser, ALTER DATABASE {database}"
            f" OWNER TO {role}, and where somebody else has made some, REASSIGN OWNED BY them TO {role}"
        ) from None

    def migration_progress_callback(self, action, migration=None, fake=False):
        begins = action == "apply_start"
        self.wait_for_locks(LONG_LOCK_TIMEOUT if begins and _holds_up_nobody(migration) else LOCK_TIMEOUT)
        if begins:
            self.drop_unfinished(migration)
        super().migration_progress_callback(action, migration, fake)

    def wait_for_locks(self, at_most: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = %s", [at_most])

    def drop_unfinished(self, migration: Migration) -> None:
        """An index whose building was broken off is of no use, and in the way of the next try."""
        built = [step.index.name for step in migration.operations if isinstance(step, AddIndexConcurrently)]
        with self.connection.cursor() as cursor:
            cursor.execute(
                """SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                WHERE NOT indisvalid AND relname = ANY(%s)""",
                [built],
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP INDEX CONCURRENTLY {name}")


def _holds_up_nobody(migration: Migration) -> bool:
    return all(isinstance(step, NotInTransactionMixin) for step in migration.operations)
