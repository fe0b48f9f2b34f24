from django.conf import settings
from django.core.management import BaseCommand, CommandError

from project import localdb


class Command(BaseCommand):
    help = "Moves the embedded database to the newest PostgreSQL that came along. Stop Zovi first."
    requires_system_checks = []

    def handle(self, **options):
        if not settings.DATABASE_IS_EMBEDDED:
            raise CommandError("DATABASE_URL is set: that PostgreSQL is not ours to upgrade")
        old = localdb.version()
        try:
            kept = localdb.upgrade()
        except RuntimeError as error:
            raise CommandError(str(error)) from None
        if kept is None:
            self.stdout.write(f"The embedded database is PostgreSQL {old}'s, the newest there is: nothing to do.")
        else:
            self.stdout.write(
                f"The embedded database was PostgreSQL {old}'s and is {localdb.version()}'s now.\n"
                f"The old data are kept in {kept}; delete them when all is well."
            )
