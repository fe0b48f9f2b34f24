"""What the commands that write CSV have in common: to a file that only its owner may read, or to standard output."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from django.core.management import BaseCommand, CommandError


class ExportCommand(BaseCommand):
    export: Callable[..., int]

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, nargs="?", help="a new file; without one, standard output")

    def handle(self, *, file: Path | None, **options):
        if file is None:
            type(self).export(into=sys.stdout.buffer)
            return
        try:
            made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"the file cannot be made: {error.strerror}") from None
        with open(made, "wb") as opened:
            count = type(self).export(into=opened)
        self.stdout.write(f"{count:,} rows in {file}")
