from django.conf import settings
from django.contrib.staticfiles.management.commands import runserver
from django.db import OperationalError


class Command(runserver.Command):
    """Django's, on HOST and PORT as every other server here."""

    def handle(self, *args, **options):
        host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
        options["addrport"] = options["addrport"] or f"{host}:{settings.PORT}"
        super().handle(*args, **options)

    def check_migrations(self):
        """A database that does not answer yet is no reason not to serve: until it does, /readyz says so."""
        try:
            super().check_migrations()
        except OperationalError:
            self.stderr.write("zovi: the database does not answer yet")
