"""docs/operations.md walked word for word: dump, restore, and afterwards every row, trigger and count is right."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from project import env, localdb
from tests.support import live
from tests.support.live import demo
from tests.support.people import ALICE, BOB
from tests.support.servers import wait_until

DOCUMENT = (env.ROOT / "docs" / "operations.md").read_text()
RECIPE = re.findall(r"(?m)^((?:pg_dump|createdb|pg_restore) .*)$", DOCUMENT)
[ARCHIVE] = re.findall(r"(?m)^((?:archive_\w+ = .*\n)+)", DOCUMENT)
[BASE] = re.findall(r"(?m)^pg_basebackup .*$", DOCUMENT)
[TO_A_POINT] = re.findall(r"(?ms)^pg_ctlcluster 15 main stop\n.*?^pg_ctlcluster 15 main start$", DOCUMENT)
DUMP, CREATE, RESTORE, DUMP_ROWS, RESTORE_ROWS = RECIPE

ROWS = "SELECT x::text FROM {} x ORDER BY 1"
WRONG_COUNTS = """SELECT * FROM users_user u
    WHERE referrals_count <> (SELECT count(*) FROM users_activation WHERE inviter_id = u.id)"""
TRIGGERS = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O' ORDER BY 1"


class Cluster:
    def __init__(self, folder):
        self.folder = folder

    def run(self, line: str, by: "Cluster | None" = None) -> None:
        """A line of the recipe, with this cluster at hand, and the programs and the folder of `by`."""
        by = by or self
        programs = f"{localdb.installed()[localdb.version(by.folder)]}:{os.environ['PATH']}"
        there = {"PATH": programs, "PGHOST": str(localdb.server.socket_folder(self.folder)), "PGUSER": localdb.USER}
        subprocess.run(["sh", "-c", line], cwd=by.folder, env=there, check=True)

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


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """With people in it, some of them with people who came, and somebody who left."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    localdb.hold(cluster.folder, ("-c", "fsync=off"))
    cluster.manage("zovi", "migrate", "--verbosity", "0")
    cluster.manage("zovi", "seed_demo", "--users", "200", "--referrals", "50")
    with demo(cluster.folder, DATABASE_URL=localdb.url(cluster.folder, "zovi")) as zovi:
        zovi.sign_in(ALICE)
    yield cluster
    localdb.release(cluster.folder)


@pytest.fixture
def cluster(served):
    yield served
    served.ask("postgres", "DROP DATABASE restored WITH (FORCE)")


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


def test_everything_out_of_an_older_postgresql_into_a_newer_one(tmp_path, monkeypatch):
    older, newer = Cluster(tmp_path / "older"), Cluster(tmp_path / "newer")
    with monkeypatch.context() as then:
        only = {min(localdb.installed()): localdb.installed()[min(localdb.installed())]}
        then.setattr(localdb.server, "installed", lambda: only)
        localdb.hold(older.folder, ("-c", "fsync=off"))
    localdb.hold(newer.folder, ("-c", "fsync=off"))
    older.manage("zovi", "migrate", "--verbosity", "0")
    older.manage("zovi", "seed_demo", "--users", "200", "--referrals", "50")
    older.run(DUMP, by=newer)
    for line in (CREATE, RESTORE):
        newer.run(line)
    before, after = older.everything("zovi"), newer.everything("restored")
    localdb.release(older.folder)
    localdb.release(newer.folder)
    assert (localdb.version(older.folder), localdb.version(newer.folder)) == (16, 18)
    assert len(before["users_activation"]) >= 50
    assert after == before


# --- A running service -----------------------------------------------------------------------------------------------


class Archived(Cluster):
    """A PostgreSQL that keeps its WAL, where the recipe has Debian's 15 main. Whoever is to be `postgres` is nobody."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.places = {
            "/srv/backup": str(folder / "backup"),
            "/var/lib/postgresql/15/main": str(localdb.server.data(folder)),
            "/var/lib/postgresql/15/mistaken": str(folder / "mistaken"),
        }
        self.programs = folder / "bin"

    def start(self) -> None:
        for part in (self.folder, self.folder / "backup", self.folder / "backup" / "wal"):
            localdb.server.own(part)
        localdb.server.create(self.folder)
        with open(localdb.server.data(self.folder) / "postgresql.conf", "a") as configuration:
            configuration.write(self.here(ARCHIVE))
        self.programs.mkdir()
        options = "-c listen_addresses= -c max_connections=300"  # as localdb.py starts it
        options += f" -c unix_socket_directories={localdb.server.socket_folder(self.folder)}"
        data, log = localdb.server.data(self.folder), self.folder / "backup" / "log"
        played = f"""#!/bin/sh\nexec pg_ctl "$3" --wait --pgdata='{data}' --log='{log}' -o '{options}'\n"""
        (self.programs / "pg_ctlcluster").write_text(played)
        (self.programs / "pg_ctlcluster").chmod(0o755)

    def here(self, lines: str) -> str:
        return re.sub("|".join(self.places), lambda place: self.places[place[0]], lines)

    def as_postgres(self, lines: str) -> None:
        own = localdb.installed()[localdb.version(self.folder)]
        there = {"PATH": f"{self.programs}:{own}:{os.environ['PATH']}", "PGUSER": localdb.USER}
        there["PGHOST"] = str(localdb.server.socket_folder(self.folder))
        command = localdb.server.as_postgres(["sh", "-euc", self.here(lines)])
        subprocess.run(**command, cwd="/", env=there, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def archived(tmp_path):
    cluster = Archived(tmp_path)
    cluster.start()
    localdb.hold(tmp_path, ("-c", "fsync=off"))
    yield cluster
    localdb.release(tmp_path)


def test_a_running_service_is_dumped_and_taken_back_to_the_moment_before_a_mistake(archived, tmp_path_factory):
    url = localdb.url(archived.folder, "zovi")
    with demo(tmp_path_factory.mktemp("service"), DATABASE_URL=url) as zovi:
        alice = zovi.sign_in(ALICE)
        with live.People(zovi, 4) as people:
            wait_until(lambda: len(people.activated) >= 10)
            signed_in, activated = set(people.signed_in), set(people.activated)
            archived.run(DUMP)
            archived.as_postgres(BASE)
            wait_until(lambda: len(people.activated) >= len(activated) + 10)
        assert people.unexpected == []

        for line in (CREATE, RESTORE):
            archived.run(line)
        assert signed_in <= numbers(archived, "restored")
        assert activated <= invitees(archived, "restored")
        assert derived_counts_are_right(archived, "restored")

        before = archived.everything("zovi")
        [(moment,)] = archived.ask("zovi", "SELECT clock_timestamp()::text")
        zovi.sign_in(BOB)
        archived.ask("zovi", "DELETE FROM users_activation")
        lines, found = re.subn(r"(?<=recovery_target_time = ')[^']+", moment, TO_A_POINT)
        assert found == 1
        archived.as_postgres(lines)
        wait_until(lambda: archived.ask("zovi", "SELECT pg_is_in_recovery()") == [(False,)])
        wait_until(zovi.is_ready)
        assert alice.get(f"{zovi.base}/api/users/me/", timeout=300).status_code == 200
        assert BOB not in numbers(archived, "zovi")
        after = archived.everything("zovi")
    for of_its_own in ("sequences", "users_message"):  # PostgreSQL logs numbers ahead, and a demo's messages not at all
        del before[of_its_own], after[of_its_own]
    assert after == before


def numbers(cluster: Cluster, database: str) -> set[str]:
    return {phone for (phone,) in cluster.ask(database, "SELECT phone FROM users_user")}


def invitees(cluster: Cluster, database: str) -> set[str]:
    return {phone for (phone,) in cluster.ask(database, "SELECT invitee_phone FROM users_activation")}
