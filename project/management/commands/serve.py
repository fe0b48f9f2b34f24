import os
import shlex
import signal
import subprocess
from contextlib import suppress

from django.conf import settings
from django.core.management import BaseCommand, call_command

from project import env, localdb, server, startup


def base_url(host: str, port: int) -> str:
    """Where a browser of this machine finds it."""
    [name] = env.names_of(env.EVERY_ADDRESS.get(host, host))
    return f"http://{name}:{port}"


class Command(BaseCommand):
    help = "Runs the production server on HOST:PORT."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--prepare", action="store_true", help="migrate and collect static files first")
        parser.add_argument("--beside", metavar="COMMAND", help="run this, too, until the server ends")

    def handle(self, *, prepare: bool, beside: str | None, **options):
        process, self.beside, self.group = os.getpid(), beside, 0
        startup.refuse_taken_port()
        if prepare and settings.DATABASE_IS_EMBEDDED:
            self.say("Zovi: starting its database ...")
        try:
            server.run(self.prepare if prepare else self.announce)
        except SystemExit as ended:
            if prepare and not ended.code and os.getpid() == process:
                with suppress(OSError):  # the terminal may be closed
                    self.say(
                        f"Zovi has stopped. `make run` starts it again, with its data ({os.path.relpath(env.LOCAL)}/)."
                    )
            raise
        finally:
            if self.group and os.getpid() == process:
                with suppress(ProcessLookupError):
                    os.killpg(self.group, signal.SIGTERM)

    def prepare(self) -> None:
        self.say("Zovi: bringing its tables up to date ...")
        call_command("migrate", interactive=False, verbosity=0)
        self.say("Zovi: packing its static files ...")
        try:
            call_command("collectstatic", interactive=False, verbosity=0)
        except OSError as error:
            env.refuse_unusable(error)
        self.announce()
        if self.beside:
            # Through a shell that ends at once, so that it is no child of the server, which minds its own.
            command = ["sh", "-c", f"nice {shlex.join(shlex.split(self.beside))} >/dev/null 2>&1 </dev/null &"]
            with subprocess.Popen(command, start_new_session=True) as shell:
                self.group = shell.pid

    def announce(self) -> None:
        startup.refuse_unfit_database()
        base = base_url(settings.HOST, settings.PORT)
        kind = "demo: codes are shown in the answers" if settings.DEMO else "real SMS gateway"
        lines = ["", f"Zovi ({kind}); Ctrl-C stops it", f"  pages    {base}/"]
        lines += [f"  messages {base}/dev/inbox/"] if settings.DEMO else []
        lines += [
            f"  REST     {base}/api/users/",
            f"  GraphQL  {base}/graphql/" + ("  (a browser sees GraphiQL)" if settings.DEMO else ""),
            f"  Swagger  {base}/api/docs/swagger/",
            f"  ReDoc    {base}/redoc/",
            f"  admin    {base}/admin/",
            f"  health   {base}/readyz",
        ]
        if tests := startup.about_test_numbers():
            lines += [f"  tests    {tests}"]
        if settings.DATABASE_IS_EMBEDDED and localdb.version() < max(localdb.installed()):
            lines += [f"  (its data are PostgreSQL {localdb.version()}'s: `make upgrade-db` makes them the newest's)"]
        self.say("\n".join(lines))

    def say(self, words: str) -> None:
        self.stdout.write(words)
        self.stdout.flush()
