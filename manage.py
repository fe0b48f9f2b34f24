#!/usr/bin/env python
"""Django's command line. Alone among the entrances it assumes a demo when nothing says otherwise."""

import os
import shlex
import signal
import sys

try:
    from project import env, localdb
except ModuleNotFoundError as error:
    sys.exit(
        f'zovi: no module named {error.name} for {sys.executable}: `make manage ARGS="{shlex.join(sys.argv[1:])}"` uses'
        " the virtual environment that `make run` has made; elsewhere, pip install -r requirements.txt"
    )


TABLES_OF_ANOTHER_VERSION = {"42P01", "42703"}  # PostgreSQL's undefined_table and undefined_column


def main() -> None:
    unwind_at_the_end()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    if not env.text("DEMO") and not env.text("SMS_URL"):
        os.environ["DEMO"] = "1"
    if sys.argv[1:2] == ["runserver"]:
        os.environ.setdefault("PLAIN_STATIC", "1")
        if localdb.is_wanted():
            # The reloader kills its child outright, so its parent must be the one that stops the database.
            localdb.hold()

    from django.core.management import execute_from_command_line
    from django.db import ProgrammingError
    from psycopg2 import ProgrammingError as Psycopg2Error  # COPY raises its own

    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read what is printed has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would print the rest at its end
        sys.exit(128 + signal.SIGPIPE)
    except (ProgrammingError, Psycopg2Error) as error:
        if getattr(error.__cause__ or error, "pgcode", None) not in TABLES_OF_ANOTHER_VERSION:
            raise
        sys.exit('zovi: the tables are not up to date: `make manage ARGS="migrate"`, as `make run` does, makes them so')


def unwind_at_the_end() -> None:
    """On SIGTERM, and when the terminal is closed, as on Ctrl-C: who has started the database stops it first."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
