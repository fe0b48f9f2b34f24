from django.core.management import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.utils import OperationalError

LOCK_TIMEOUT = "5s"  # whoever waits for a whole table makes everybody wait who comes after


class Command(migrate.Command):
    def handle(self, *args, database: str, **options):
        with connections[database].cursor() as cursor:
            cursor.execute("SET lock_timeout = %s", [LOCK_TIMEOUT])
        try:
            super().handle(*args, database=database, **options)
        except OperationalError as error:
            if getattr(error.__cause__, "pgcode", None) != "55P03":  # lock_not_available
                raise
            raise CommandError(
                f"a table was in use for {LOCK_TIMEOUT}; this migration has changed nothing: try again"
            ) from None
        finally:
            with connections[database].cursor() as cursor:
                cursor.execute("RESET lock_timeout")
