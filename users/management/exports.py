"""What the commands that write CSV have in common: to a file that only its owner may read, or to standard output."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management import BaseCommand, CommandError


class ExportCommand(BaseCommand):
    export: Callable[..., int]

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, nargs="?", help="a new file; without one, standard output")

    def handle(self, *, file: Path | None, **options):
        try:
            self.write(file)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CommandError(f"the file cannot be written: {error.strerror}") from None

    def write(self, file: Path | None) -> None:
        if file is None:
            type(self).export(into=sys.stdout.buffer)
            sys.stdout.flush()
            return
        with (
            open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened,
            whole_or_not_at_all(file),
        ):
            count = type(self).export(into=opened)
            opened.flush()
        self.stdout.write(f"{count:,} rows in {file}")


@contextmanager
def whole_or_not_at_all(file: Path) -> Iterator[None]:
    """Nobody takes half of it for all of it, and the next try finds nothing in its way."""
    try:
        yield
    except BaseException:
        file.unlink()
        raise
