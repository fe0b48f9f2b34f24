"""What is looked at before the server starts."""

import os
import re
import socket
import subprocess
import sys

import psycopg2
import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from project import env, localdb, startup
from project.management.commands import migrate
from project.management.commands.serve import base_url
from project.postgres.base import DatabaseWrapper
from tests.deploy.test_image import as_its_user
from tests.support.live import SECRETS, running
from tests.support.migrations import FIRST
from tests.support.servers import Zovi, ours

ROLE = "stranger"
RECIPE = (env.ROOT / "docs" / "deploy.md").read_text()


def serve(tmp_path, **configuration) -> subprocess.CompletedProcess:
    """`make run` where it is expected to refuse."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "manage.py", "serve", "--prepare"],
        env=environment | {"LOCAL_DIR": str(tmp_path)} | configuration,
        cwd=env.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


# --- The port ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "[::1]"])  # noqa: S104
def test_a_port_that_is_taken_refuses_before_anything_is_set_up(tmp_path, host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host.strip("[]"), 0), family=family) as taken:
        port = taken.getsockname()[1]
        done = serve(tmp_path, HOST=host, PORT=str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"zovi: refusing to start: port {port} is taken: choose another one, PORT={port % 65535 + 1} make run\n"
    )
    assert ours(tmp_path) == []
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no such name"])
def test_an_address_that_is_not_here_refuses_in_one_line(tmp_path, host):
    done = serve(tmp_path, HOST=host)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"zovi: refusing to start: HOST is no address of this machine .*\n", done.stderr)


@pytest.mark.parametrize("configuration", [{"PORT": "abc"}, {"PORT": "0"}, {"LOCAL_DIR": "/proc/nowhere"}])
def test_nonsense_refuses_in_one_line(tmp_path, configuration):
    done = serve(tmp_path, **configuration)
    assert done.returncode == 1
    assert re.fullmatch(r"zovi: [^\n]*\n", done.stderr)


def test_what_root_has_made_refuses_another_user_in_one_line(tmp_path):
    local = tmp_path / "local"
    local.mkdir(mode=0o555)
    done = subprocess.run(
        as_its_user([sys.executable, "manage.py", "serve", "--prepare"]),
        env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {"LOCAL_DIR": str(local)},
        cwd=env.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(rf"zovi: refusing to start: {local}/\S+ is closed to this user: [^\n]+\n", done.stderr)


def test_where_systemd_holds_the_port_it_is_not_taken(monkeypatch, settings):
    with socket.create_server(("127.0.0.1", 0)) as handed_over:
        settings.HOST, settings.PORT = handed_over.getsockname()
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        startup.refuse_taken_port()
        monkeypatch.setenv("LISTEN_PID", "1")
        with pytest.raises(SystemExit, match="is taken"):
            startup.refuse_taken_port()


# --- The banner ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("192.168.1.5", "http://192.168.1.5:8000"),
        ("zovi.example", "http://zovi.example:8000"),
    ],
)
def test_the_address_shown_is_one_a_browser_can_open(host, shown):
    assert base_url(host, 8000) == shown


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "[::1]"])  # noqa: S104
def test_every_address_of_the_banner_answers_and_fits_a_terminal(tmp_path, host):
    zovi = Zovi(tmp_path, HOST=host)
    zovi.base = base_url(host.strip("[]"), int(zovi.environment["PORT"]))
    zovi.start()
    try:
        banner = (tmp_path / "server.log").read_text().partition("[20")[0]
        addresses = re.findall(r"http://\S+", banner)
        assert len(addresses) == 8
        for address in addresses:
            code = [sys.executable, "-c", f"import urllib.request as r; print(r.urlopen('{address}').status)"]
            if "/api/users/" not in address and "/graphql/" not in address:
                assert subprocess.run(code, capture_output=True, text=True, check=False).stdout == "200\n", address
        assert max(map(len, banner.splitlines())) <= 80
    finally:
        assert zovi.stop() == 0
    assert (tmp_path / "server.log").read_text().splitlines()[-1].startswith("Zovi has stopped. `make run` starts it")


# --- A PostgreSQL that is not ours ---------------------------------------------------------------------------------


@pytest.fixture
def foreign(tmp_path):
    """A PostgreSQL as it comes, with a role that is nobody in particular."""
    cluster = tmp_path / "foreign"
    localdb.hold(cluster, ("-c", "fsync=off"))
    stock = localdb.server.connect(cluster)
    with stock.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {ROLE} LOGIN")
        cursor.execute(f"CREATE DATABASE {ROLE} OWNER {ROLE}")
        for name in startup.QUIET_LOG:  # the command line of ours says otherwise, so the databases must
            cursor.execute(f"ALTER DATABASE {ROLE} SET {name} TO '{STOCK[name]}'")
    stock.close()
    yield localdb.url(cluster, ROLE).replace(localdb.USER, ROLE, 1)
    localdb.release(cluster)


STOCK = {
    "log_min_error_statement": "error",
    "log_error_verbosity": "default",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
}
REAL = SECRETS | {"DEMO": "", "SMS_URL": "json://127.0.0.1:9/{phone}"}


def log_settings(url: str) -> dict[str, str]:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(startup.QUIET_LOG)])
        found = dict(cursor.fetchall())
    connection.close()
    return found


def test_a_log_that_would_hold_numbers_refuses_with_the_cure(tmp_path, foreign):
    done = serve(tmp_path, DATABASE_URL=foreign, **REAL)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    cures = re.findall(r"ALTER ROLE [^;(]+", line)
    assert [cure.rpartition(" SET ")[2].strip() for cure in cures] == [
        "log_error_verbosity = terse",
        "log_min_error_statement = panic",
    ]

    superuser = psycopg2.connect(foreign.replace(ROLE, localdb.USER, 1))
    superuser.autocommit = True
    with superuser.cursor() as cursor:
        for cure in cures:
            cursor.execute(cure)
    superuser.close()
    assert all(setting in startup.QUIET_LOG[name] for name, setting in log_settings(foreign).items())
    with running(Zovi(tmp_path, DATABASE_URL=foreign, **REAL)):
        pass


def test_the_recipe_quietens_the_log(foreign):
    [line] = re.findall(r"(?m)^sudo -u postgres psql (-c \"ALTER ROLE zovi SET log.*)$", RECIPE)
    superuser = psycopg2.connect(foreign.replace(ROLE, localdb.USER, 1))
    superuser.autocommit = True
    with superuser.cursor() as cursor:
        for statement in re.findall(r'-c "(.*?)"', line):
            cursor.execute(statement.replace("ROLE zovi", f"ROLE {ROLE}"))
    superuser.close()
    assert all(setting in startup.QUIET_LOG[name] for name, setting in log_settings(foreign).items())


def test_whoever_knows_that_log_may_say_so(tmp_path, foreign):
    with running(Zovi(tmp_path, DATABASE_URL=foreign, DATABASE_LOG_CHECK="0", **REAL)):
        assert log_settings(foreign) == STOCK


def test_a_role_that_may_quietens_the_log_itself(tmp_path, foreign):
    ours = foreign.replace(ROLE, localdb.USER, 1)
    with running(Zovi(tmp_path, DATABASE_URL=ours, **REAL)):
        assert all(setting in startup.QUIET_LOG[name] for name, setting in log_settings(ours).items())
    assert log_settings(foreign) == STOCK, "for our own role alone"


# --- Migrations ----------------------------------------------------------------------------------------------------


@pytest.fixture
def empty_database():
    name = f"empty_{os.getpid()}"
    stock = psycopg2.connect(os.environ["DATABASE_URL"])
    stock.autocommit = True
    with stock.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield os.environ["DATABASE_URL"].replace("/postgres?", f"/{name}?")
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    stock.close()


def migrating(url: str) -> subprocess.Popen:
    command = [sys.executable, "manage.py", "migrate", "--no-color"]
    return subprocess.Popen(
        command, env=os.environ | {"DATABASE_URL": url}, cwd=env.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def test_a_role_without_rights_is_told_whom_to_ask(empty_database):
    stock = psycopg2.connect(empty_database)
    stock.autocommit = True
    with stock.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {ROLE} LOGIN")
        poor = migrating(empty_database.replace(localdb.USER, ROLE, 1))
        said = poor.communicate()[0].decode().splitlines()
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        tables = cursor.fetchone()
        cursor.execute(f"DROP ROLE {ROLE}")
    stock.close()
    assert (poor.returncode, tables) == (1, (0,))
    assert f"ALTER DATABASE empty_{os.getpid()} OWNER TO {ROLE}" in said[-1]
    assert not [line for line in said if "Traceback" in line]


@pytest.mark.django_db
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_in_another_encoding_is_refused(encoding, settings, monkeypatch):
    monkeypatch.setattr(DatabaseWrapper, "_connection_pools", {})
    other = connection.copy()
    other.settings_dict["NAME"] = f"other_{os.getpid()}"
    monkeypatch.setattr(startup, "connection", other)
    settings.DATABASE_IS_EMBEDDED = False
    stock = psycopg2.connect(os.environ["DATABASE_URL"])
    stock.autocommit = True
    with stock.cursor() as cursor:
        cursor.execute(
            f"CREATE DATABASE other_{os.getpid()} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
        try:
            with pytest.raises(SystemExit, match=f"keeps its texts in {encoding}"):
                startup.refuse_unfit_database()
        finally:
            cursor.execute(f"DROP DATABASE other_{os.getpid()} WITH (FORCE)")
    stock.close()


def test_two_that_migrate_at_once_take_turns_and_are_not_in_the_way_of_an_index(empty_database):
    before, beside = psycopg2.connect(empty_database), psycopg2.connect(empty_database)
    beside.autocommit = True
    with before.cursor() as turn, beside.cursor() as cursor:
        turn.execute(migrate.TURN)
        both = [migrating(empty_database) for _ in range(2)]
        assert [one.stdout.readline().decode() for one in both] == [f"{migrate.WAITING}\n"] * 2
        cursor.execute("SET lock_timeout = '5min'")
        cursor.execute("CREATE TABLE toy (number int)")
        cursor.execute("CREATE INDEX CONCURRENTLY ON toy (number)")
        before.rollback()
        said = [one.communicate()[0].decode() for one in both]
        cursor.execute("SELECT count(*), count(DISTINCT (app, name)) FROM django_migrations")
        [(rows, migrations)] = cursor.fetchall()
    before.close()
    beside.close()
    assert [one.returncode for one in both] == [0, 0], said
    assert sorted("Applying users.0001_initial... OK" in words for words in said) == [False, True]
    assert sorted("No migrations to apply." in words for words in said) == [False, True]
    assert rows == migrations


@pytest.mark.django_db(transaction=True)
def test_a_migration_does_not_wait_for_ever_for_a_table(monkeypatch):
    monkeypatch.setattr("project.management.commands.migrate.LOCK_TIMEOUT", "1ms")
    monkeypatch.setattr("project.management.commands.migrate.TRIES", 3)
    monkeypatch.setattr("project.management.commands.migrate.PAUSE_SECONDS", 0)
    other = psycopg2.connect(os.environ["DATABASE_URL"].replace("/postgres?", f"/{connection.settings_dict['NAME']}?"))
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(CommandError, match="a table was in use, 3 times; this migration has changed nothing"):
            call_command("migrate", verbosity=0)
        # Whoever uses the table leaves it while the migration pauses.
        monkeypatch.setattr("project.management.commands.migrate.time.sleep", lambda seconds: other.rollback())
        call_command("migrate", verbosity=0)
    other.close()
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


@pytest.mark.django_db(transaction=True)
def test_an_index_whose_building_was_broken_off_is_built_again(monkeypatch):
    """What PostgreSQL leaves of it is of no use, and has the name that the next try would give."""
    monkeypatch.setattr("project.management.commands.migrate.LONG_LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr("project.management.commands.migrate.PAUSE_SECONDS", 0)
    index = models.Index(fields=["user_agent"], name="session_by_browser")
    toy = Migration("0002_toy", "users")
    toy.atomic, toy.dependencies, toy.operations = False, [FIRST], [AddIndexConcurrently("session", index)]
    load = MigrationLoader.load_disk
    monkeypatch.setattr(
        MigrationLoader, "load_disk", lambda self: (load(self), self.disk_migrations.update({("users", toy.name): toy}))
    )
    other = psycopg2.connect(os.environ["DATABASE_URL"].replace("/postgres?", f"/{connection.settings_dict['NAME']}?"))
    with other.cursor() as writing, connection.cursor() as cursor:
        try:
            writing.execute("LOCK TABLE users_session IN ROW EXCLUSIVE MODE")
            valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
            found = []

            def give_way(seconds: float) -> None:
                cursor.execute(valid, [index.name])
                found.extend(cursor.fetchall())
                other.rollback()

            monkeypatch.setattr("project.management.commands.migrate.time.sleep", give_way)
            call_command("migrate", verbosity=0)
            cursor.execute(valid, [index.name])
            assert (found, cursor.fetchall()) == ([(False,)], [(True,)])
        finally:
            other.close()
            call_command("migrate", *FIRST, verbosity=0)
    assert ("users", toy.name) not in MigrationRecorder(connection).applied_migrations()
