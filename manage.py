#!/usr/bin/env python
"""Django's command line. Alone among the entrances it assumes a demo when nothing says otherwise."""

import os
import shlex
import sys

try:
    from project import env, localdb
except ModuleNotFoundError as error:
    sys.exit(
        f'zovi: no module named {error.name} for {sys.executable}: `make manage ARGS="{shlex.join(sys.argv[1:])}"` uses'
        " the virtual environment that `make run` has made; elsewhere, pip install -r requirements.txt"
    )


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    if not env.text("DEMO") and not env.text("SMS_URL"):
        os.environ["DEMO"] = "1"
    if sys.argv[1:2] == ["runserver"]:
        os.environ.setdefault("PLAIN_STATIC", "1")
        if localdb.is_wanted():
            # The reloader kills its child outright, so its parent must be the one that stops the database.
            localdb.hold()

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
