import time

from django.core.management import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.utils import OperationalError

# Whoever waits for a whole table makes everybody wait who comes after. Requests wait 400 ms for a lock, so a migration
# waits for less, and tries again. One that is no transaction builds indexes beside all others: it waits for these.
LOCK_TIMEOUT, LONG_LOCK_TIMEOUT = "300ms", "5s"
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
        if action == "apply_start":
            self.wait_for_locks(LOCK_TIMEOUT if migration.atomic else LONG_LOCK_TIMEOUT)
        super().migration_progress_callback(action, migration, fake)

    def wait_for_locks(self, at_most: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = %s", [at_most])
