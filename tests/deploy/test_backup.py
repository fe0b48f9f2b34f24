"""docs/operations.md walked word for word: dump, restore, and afterwards every row, trigger and count is right."""

import os
import re
import subprocess
import sys

import pytest

from project import env, localdb
from tests.support.live import demo
from tests.support.people import ALICE

RECIPE = re.findall(r"(?m)^((?:pg_dump|createdb|pg_restore) .*)$", (env.ROOT / "docs" / "operations.md").read_text())
DUMP, CREATE, RESTORE, DUMP_ROWS, RESTORE_ROWS = RECIPE

ROWS = "SELECT x::text FROM {} x ORDER BY 1"
WRONG_COUNTS = """SELECT * FROM users_user u
    WHERE referrals_count <> (SELECT count(*) FROM users_activation WHERE inviter_id = u.id)"""
TRIGGERS = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O' ORDER BY 1"


class Cluster:
    def __init__(self, folder):
        self.folder = folder

    def run(self, line: str) -> None:
        """A line of the recipe, with PostgreSQL's programs and this cluster at hand."""
        programs = f"{localdb.installed()[localdb.version(self.folder)]}:{os.environ['PATH']}"
        there = {"PATH": programs, "PGHOST": str(localdb.server.socket_folder(self.folder)), "PGUSER": localdb.USER}
        subprocess.run(["sh", "-c", line], cwd=self.folder, env=there, check=True)

    def manage(self, database: str, *command: str) -> None:
        there = os.environ | {"DATABASE_URL": localdb.url(self.folder, database)}
        subprocess.run([sys.executable, "manage.py", *command], cwd=env.ROOT, env=there, check=True)

    def ask(self, database: str, statement: str) -> list[tuple]:
        connection = localdb.server.connect(self.folder, database)
        with connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchall() if cursor.description else []
        connection.close()
        return found

    def everything(self, database: str) -> dict[str, list[tuple]]:
        """Every row of ours, the triggers, and where the sequences stand."""
        tables = self.ask(database, "SELECT tablename FROM pg_tables WHERE tablename LIKE 'users\\_%'")
        found = {name: self.ask(database, ROWS.format(name)) for (name,) in tables}
        found["triggers"] = self.ask(
            database,
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O' ORDER BY 1",
        )
        found["sequences"] = self.ask(
            database, "SELECT sequencename, last_value FROM pg_sequences WHERE sequencename LIKE 'users\\_%' ORDER BY 1"
        )
        return found


@pytest.fixture
def cluster(tmp_path):
    """With people in it, some of them with people who came, and somebody who left."""
    cluster = Cluster(tmp_path)
    localdb.hold(tmp_path, ("-c", "fsync=off"))
    cluster.manage("zovi", "migrate", "--verbosity", "0")
    cluster.manage("zovi", "seed_demo", "--users", "200", "--referrals", "50")
    with demo(tmp_path, DATABASE_URL=localdb.url(tmp_path, "zovi")) as zovi:
        zovi.sign_in(ALICE)
    yield cluster
    localdb.release(tmp_path)


def derived_counts_are_right(cluster: Cluster, database: str) -> bool:
    return cluster.ask(database, WRONG_COUNTS) == []


def test_everything_into_an_empty_database(cluster):
    for line in (DUMP, CREATE, RESTORE):
        cluster.run(line)
    before, after = cluster.everything("zovi"), cluster.everything("restored")
    assert len(before["users_activation"]) >= 50
    assert len(before["triggers"]) >= 5
    assert after == before
    assert derived_counts_are_right(cluster, "restored")


@pytest.mark.parametrize("option", ["--disable-triggers ", ""])
def test_the_rows_into_a_database_that_was_just_migrated(cluster, option):
    cluster.run(CREATE)
    cluster.manage("restored", "migrate", "--verbosity", "0")
    cluster.run(DUMP_ROWS)
    assert "--disable-triggers " in RESTORE_ROWS
    cluster.run(RESTORE_ROWS.replace("--disable-triggers ", option))
    assert cluster.everything("restored") == cluster.everything("zovi")
    assert derived_counts_are_right(cluster, "restored")


def test_after_a_restore_people_go_on(cluster):
    cluster.run(CREATE)
    cluster.manage("restored", "migrate", "--verbosity", "0")
    for line in (DUMP_ROWS, RESTORE_ROWS):
        cluster.run(line)
    with demo(cluster.folder, DATABASE_URL=localdb.url(cluster.folder, "restored")) as zovi:
        [(code,)] = cluster.ask("restored", "SELECT invite_code FROM users_user ORDER BY referrals_count DESC LIMIT 1")
        came = zovi.sign_in("+79261234567")
        answer = came.post(f"{zovi.base}/api/users/referal/", json={"activated_invite_code": code}, timeout=300)
        assert answer.status_code == 200
    assert derived_counts_are_right(cluster, "restored")
