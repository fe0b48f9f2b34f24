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


def main() -> None:
    unwind_at_the_end()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    if not env.text("DEMO") and not env.text("SMS_URL"):
        os.environ["DEMO"] = "1"
    from project import database_errors

    try:
        execute()
        sys.stdout.flush()
    except localdb.ClusterError as error:
        sys.exit(f"zovi: {error}")
    except database_errors.ERRORS as error:
        line = database_errors.in_one_line(error)
        if line is None or "--traceback" in sys.argv:
            raise
        sys.exit(f"zovi: {line}")
    except BrokenPipeError:  # who reads it, such as `head`, has enough; nor is the rest to be flushed at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except EOFError:
        sys.exit("zovi: it asks, and there is nobody to answer")


def execute() -> None:
    if sys.argv[1:2] == ["runserver"]:
        os.environ.setdefault("PLAIN_STATIC", "1")
        if localdb.is_wanted():
            localdb.hold()  # for the reloader's child, too

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


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
    finally:  # what is still to be done then is short, and not to be broken off
        for number in localdb.ENDING:
            signal.signal(number, signal.SIG_IGN)
