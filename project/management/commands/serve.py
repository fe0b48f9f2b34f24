from django.conf import settings
from django.core.management import BaseCommand, call_command

from project import server


class Command(BaseCommand):
    help = "Runs the production server on HOST:PORT."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--prepare", action="store_true", help="migrate and collect static files first")

    def handle(self, *, prepare: bool, **options):
        server.run(self.prepare if prepare else self.announce)

    def prepare(self) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        self.announce()

    def announce(self) -> None:
        base = f"http://{settings.HOST}:{settings.PORT}"
        kind = "demo: codes are shown in the answers" if settings.DEMO else "real SMS gateway"
        lines = [
            f"Zovi ({kind})",
            f"  pages    {base}/" + (f"  (messages: {base}/dev/inbox/)" if settings.DEMO else ""),
            f"  REST     {base}/api/users/",
            f"  GraphQL  {base}/graphql/" + ("  (a browser sees GraphiQL)" if settings.DEMO else ""),
            f"  Swagger  {base}/api/docs/swagger/",
            f"  ReDoc    {base}/redoc/",
            f"  admin    {base}/admin/",
            f"  health   {base}/livez  {base}/readyz",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()
