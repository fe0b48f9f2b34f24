from django.conf import settings
from django.contrib.staticfiles.management.commands import runserver


class Command(runserver.Command):
    """Django's, on HOST and PORT as every other server here."""

    def handle(self, *args, **options):
        host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
        options["addrport"] = options["addrport"] or f"{host}:{settings.PORT}"
        super().handle(*args, **options)
