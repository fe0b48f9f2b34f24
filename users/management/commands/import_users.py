"""Bring people along: `manage.py import_users people.csv --dry-run`, see docs/operations.md."""

import time
from pathlib import Path

from django.core.management import BaseCommand, CommandError

from users.services import importing


class Command(BaseCommand):
    help = (
        "Reads people from a CSV file: phone, and if you like invite_code, inviter_code (who invited them) and "
        "created_at. A line that is refused is named by number and reason, and then nothing is written."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="CSV in UTF-8; the first line names the columns")
        parser.add_argument("--dry-run", action="store_true", help="write nothing; say what would be")
        parser.add_argument("--skip-refused", action="store_true", help="write the other lines")
        parser.add_argument("--circles", action="store_true", help="take people who invited each other")

    def handle(self, *, file: Path, dry_run: bool, skip_refused: bool, circles: bool, **options):
        began = time.monotonic()
        try:
            found = importing.import_users(
                path=file,
                dry_run=dry_run,
                skip_refused=skip_refused,
                circles=circles,
                show=self.show,
                refuse=lambda line, reason: self.stdout.write(f"line {line}: {reason}"),
            )
        except OSError as error:
            raise CommandError(f"the file cannot be read: {error.strerror}") from None
        except importing.UnreadableFile as error:
            raise CommandError(f"this is no such file: {error}") from None
        except importing.Interrupted:
            raise CommandError("somebody registered or left meanwhile; nothing has changed, start it again") from None
        self.stderr.write("")
        self.stdout.write(
            f"{found.lines:,} lines: {found.people:,} new people, {found.activations:,} activations, "
            f"{found.known:,} here already, {found.refused:,} refused; {time.monotonic() - began:.1f} s"
        )
        if not found.is_done and not dry_run:
            raise CommandError("nothing was written: correct these lines, or leave them out with --skip-refused")
        if dry_run:
            self.stdout.write("a dry run: nothing was written")

    def show(self, what: str) -> None:
        self.stderr.write(
            f"\r\033[K{what}" if self.stderr.isatty() else what, ending="" if self.stderr.isatty() else "\n"
        )
        self.stderr.flush()
