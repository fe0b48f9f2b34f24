from django.core.management import BaseCommand, CommandError

from users.services import checking


class Command(BaseCommand):
    help = "Holds every count and copy that is kept against its source. Reads only; exits with 1 where one is wrong."

    def handle(self, **options):
        wrong = 0
        for checked in checking.check_data():
            wrong += checked.wrong
            found = f"{checked.wrong:,} WRONG, such as {', '.join(checked.shown)}" if checked.wrong else "right"
            self.stdout.write(f"{checked.what}: {found}")
        if wrong:
            raise CommandError(f"{wrong:,} rows are wrong: docs/operations.md says what to do")
