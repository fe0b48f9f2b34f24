"""What a command ends with when the database is away, can only be read, is full, or is another version's; and when
nobody answers what it asks."""

import os

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.migrations.exceptions import MigrationSchemaMissing
from django.db.migrations.recorder import MigrationRecorder

from project import database_errors, env, localdb
from tests.support import starts
from tests.support.people import ALICE
from tests.support.servers import free_port
from users.models import User
from users.services import exporting

pytestmark = pytest.mark.django_db(transaction=True)

OF_ANOTHER_VERSION = (
    'the tables are not up to date: `make manage ARGS="migrate"`, as `make run` does, makes them so;'
    " where they are a newer Zovi's, run that one"
)


def failing(do) -> Exception:
    with pytest.raises(database_errors.ERRORS) as failed:
        do()
    connection.close()
    return failed.value


def manage(*arguments: str, **configuration: str):
    """As `manage.py` ends that is called with these."""
    called = (
        f"import sys; sys.path.insert(0, '.'); import manage; sys.argv = ['manage.py', *{arguments!r}]; manage.main()"
    )
    here = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return starts.run(called, environment=here | configuration, cwd=env.ROOT)


@pytest.mark.parametrize("command", ["migrate", "purge", "export_users"])
def test_a_database_that_is_away_ends_a_command_in_one_line_without_the_password(command):
    port = free_port()
    done = manage(command, DATABASE_URL=f"postgres://zovi:long-password@127.0.0.1:{port}/zovi")
    assert (done.returncode, done.stdout) == (1, "")
    *logged, line = done.stderr.splitlines()
    refused = f'connection to server at "127.0.0.1", port {port} failed: Connection refused'
    assert line == f"zovi: the database does not answer: {refused}"
    assert [said for said in logged if '"event": "database_away"' not in said] == []
    assert "long-password" not in done.stderr


def test_a_traceback_is_there_for_whoever_asks_for_it():
    url = f"postgres://zovi@127.0.0.1:{free_port()}/zovi"
    done = manage("purge", "--traceback", DATABASE_URL=url)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_an_embedded_database_that_cannot_start_ends_a_command_in_one_line(tmp_path):
    cluster = tmp_path / "postgres"
    cluster.mkdir()
    localdb.server.own(localdb.server.data(cluster))
    (localdb.server.data(cluster) / "PG_VERSION").write_text("18\n")
    done = manage("purge", LOCAL_DIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("zovi: the embedded PostgreSQL did not start: ")


def test_a_database_that_can_only_be_read_is_said_so(alice):
    def purge():
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        User.objects.update(created_at=alice.created_at)

    assert database_errors.in_one_line(failing(purge)) == (
        "the database can only be read: it is a standby, or was told so"
    )


def test_a_standby_without_tables_is_said_so_too():
    def migrate():
        with connection.cursor() as cursor:
            cursor.execute("SET search_path = nowhere; SET default_transaction_read_only = on")
        MigrationRecorder(connection).ensure_schema()

    missing = failing(migrate)
    assert isinstance(missing, MigrationSchemaMissing)
    assert database_errors.in_one_line(missing) == "the database can only be read: it is a standby, or was told so"


@pytest.mark.parametrize(
    ("sqlstate", "line"),
    [
        ("53100", "the database has no room left"),
        ("42501", "the database does not let this role do it"),
        ("42P01", OF_ANOTHER_VERSION),
        ("42703", OF_ANOTHER_VERSION),
        ("57014", "the database has broken it off: query canceled"),
        ("55P03", "the database has broken it off: lock not available"),
    ],
)
def test_each_failure_has_its_line_and_none_quotes_the_statement(sqlstate, line):
    raised = f"DO $$ BEGIN RAISE EXCEPTION 'about {ALICE}' USING ERRCODE = '{sqlstate}'; END $$"
    assert database_errors.in_one_line(failing(lambda: connection.cursor().execute(raised))) == line


def test_tables_of_a_newer_version_are_no_fault_of_ours():
    def export():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE users_user RENAME COLUMN phone TO telephone")
            with open(os.devnull, "wb") as nowhere:
                exporting.export_users(into=nowhere)  # by COPY, whose errors Django does not wrap

    assert database_errors.in_one_line(failing(export)) == OF_ANOTHER_VERSION


def test_a_connection_that_is_lost_in_the_middle_is_a_database_that_does_not_answer():
    ended = failing(lambda: connection.cursor().execute("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert isinstance(ended, OperationalError)
    assert "\n" not in database_errors.in_one_line(ended)


def test_a_fault_of_ours_keeps_its_traceback(alice):
    twice = failing(lambda: User.objects.filter(pk=alice.pk).update(invite_code=None))
    assert isinstance(twice, IntegrityError)
    assert database_errors.in_one_line(twice) is None


def test_a_command_that_asks_where_nobody_answers_says_so(alice):
    url = os.environ["DATABASE_URL"].replace("/postgres?", f"/{connection.settings_dict['NAME']}?")
    done = manage("changepassword", DATABASE_URL=url)
    assert (done.returncode, done.stderr) == (1, "zovi: it asks, and there is nobody to answer\n")
