import time

from django.contrib.postgres.operations import AddIndexConcurrently, NotInTransactionMixin
from django.core.management import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations import Migration
from django.db.utils import OperationalError

# Whoever waits for a whole table makes everybody wait who comes after. Requests wait 400 ms for a lock, so a migration
# waits for less, and tries again. An index that is built beside all others holds up nobody, and waits for all of them,
# a dump among them.
LOCK_TIMEOUT, LONG_LOCK_TIMEOUT = "300ms", "10min"
TRIES, PAUSE_SECONDS = 20, 1.0


class Command(migrate.Command):
    def handle(self, *args, database: str, **options):
        self.connection = connections[database]
        try:
            for number in range(1, TRIES + 1):
                self.wait_for_locks(LOCK_TIMEOUT)
                try:
                    return super().handle(*args, database=database, **options)
                except OperationalError as error:
                    if getattr(error.__cause__, "pgcode", None) != "55P03":  # lock_not_available
                        raise
                    if number < TRIES:
                        time.sleep(PAUSE_SECONDS)
            raise CommandError(f"a table was in use, {TRIES} times; this migration has changed nothing: try again")
        finally:
            with self.connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")

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
