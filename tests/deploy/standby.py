"""A primary and a standby that streams from it, both real, made by the line in docs/deploy.md."""

import re
import shlex
import subprocess
from pathlib import Path

import psycopg2

from project import env, localdb
from project.tests.test_server import wait_until

RECIPE = re.compile(r"(?m)^sudo -u postgres pg_basebackup (.+)$")
# Both log every statement, so that a test can tell who was asked; nobody real is in these databases.
OPTIONS = ("-c", "log_statement=all", "-c", "fsync=off")


class Cluster:
    def __init__(self, folder: Path, *options: str):
        self.folder = folder
        self.options = (*OPTIONS, *options)
        self.url = localdb.url(folder)

    def start(self) -> None:
        localdb.hold(self.folder, self.options)

    def stop(self) -> None:
        localdb.release(self.folder)

    def ask(self, query: str, *values: object) -> list[tuple]:
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(query, values)
            found = cursor.fetchall() if cursor.description else []
        connection.close()
        return found

    def asked(self, words: str, about: object = "") -> int:
        """How many statements so far held both."""
        statements = (self.folder / "log").read_text(errors="replace").split("LOG:  statement: ")
        return sum(words in statement and str(about) in statement for statement in statements)


class Standby(Cluster):
    def follow(self, primary: Cluster) -> None:
        """Copy the primary, as the recipe does, and start."""
        self.folder.mkdir()
        data = self.folder / "data"
        localdb._own(data)
        [line] = RECIPE.findall((env.ROOT / "docs" / "deploy.md").read_text())
        here = {"--host": localdb._socket_folder(primary.folder), "--username": localdb.USER, "--pgdata": data}
        for option, value in here.items():
            line, found = re.subn(f"{option}=\\S+", f"{option}={shlex.quote(str(value))}", line)
            assert found == 1
        command = [localdb._binary("pg_basebackup"), *shlex.split(line)]
        subprocess.run(**localdb._as_postgres(command), cwd="/", check=True, capture_output=True)
        self.start()

    def pause(self) -> None:
        """From now on it lags."""
        self.ask("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.ask("SELECT pg_get_wal_replay_pause_state()") == [("paused",)])

    def resume(self) -> None:
        self.ask("SELECT pg_wal_replay_resume()")
