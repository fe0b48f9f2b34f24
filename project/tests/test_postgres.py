import threading
from contextlib import closing
from urllib.parse import quote

import psycopg2
import pytest
from django.db import OperationalError, connection

from project import env
from project.postgres.base import Pool, cut_off_the_late
from tests.support.people import ALICE
from tests.support.servers import wait_until
from users import prepared
from users.models import Challenge


@pytest.mark.django_db
def test_a_server_that_goes_away_in_the_middle_is_an_operational_error():
    with pytest.raises(OperationalError), connection.wrap_database_errors:
        raise psycopg2.DatabaseError("server closed the connection unexpectedly")


@pytest.fixture
def a_demoted_primary():
    """The connection that will be taken next is to a server that has become read-only."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    connection.close()
    yield
    connection.close()
    connection.pool.close()  # it may still be there, where a test has failed


@pytest.mark.django_db(transaction=True)
def test_a_connection_to_a_demoted_primary_costs_one_answer(api, a_demoted_primary):
    body = {"phone_number": ALICE}
    refused = api.post("/api/users/send_otp/", body)
    assert (refused.status_code, refused["Retry-After"]) == (503, "1")
    assert Challenge.objects.count() == 0
    assert api.post("/api/users/send_otp/", body).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_demoted_primary_is_not_ready(client, a_demoted_primary):
    assert [client.get("/readyz").status_code for _ in range(2)] == [503, 200]


@pytest.mark.django_db(transaction=True)
def test_what_is_written_on_a_connection_somebody_had_a_transaction_on_is_kept(alice):
    connection.close()
    connection.pool.close()
    before = connection.copy()
    before.set_autocommit(False)
    with before.cursor() as cursor:
        cursor.execute("SELECT 1")
    before.close()
    taken = connection.pool.getconn()
    with taken.cursor() as cursor:
        cursor.execute("UPDATE users_user SET invite_opened = 7")
    connection.pool.putconn(taken)
    alice.refresh_from_db()
    assert alice.invite_opened == 7


@pytest.mark.django_db(transaction=True)
def test_who_waits_for_too_long_is_cut_off(settings, caplog):
    settings.DATABASE_DEADLINE = 0
    ended: list[Exception] = []

    def wait_for_the_lock():
        try:
            prepared.first_row("SELECT pg_advisory_lock(%(key)s)", key=17)
        except OperationalError as error:
            ended.append(error)

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(17)")
        waiting = threading.Thread(target=wait_for_the_lock)
        waiting.start()
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        wait_until(lambda: cursor.execute(asked) or cursor.fetchone() == (1,))
        connection.pool._taken.pop(connection.connection)  # this one is not to be cut off
        cut_off_the_late()
        waiting.join()
        assert len(ended) == 1
        cursor.execute("SELECT pg_advisory_unlock(17)")
    assert [(one.message, one.facts) for one in caplog.records if "slow" in one.message] == [
        ("database_too_slow", {"count": 1})
    ]


def test_an_outage_is_logged_once_and_how_long_it_was(caplog):
    answers = iter([psycopg2.OperationalError(), psycopg2.OperationalError(), None, None])

    class Connection:
        def __init__(self):
            if error := next(answers):
                raise error

    pool = Pool(Connection, size=8, patience=0)
    for _ in range(2):
        with pytest.raises(psycopg2.OperationalError):
            pool.getconn()
    assert [record.message for record in caplog.records] == ["database_away"]
    for _ in range(2):
        pool.getconn()
    assert [record.message for record in caplog.records] == ["database_away", "database_back"]
    assert caplog.records[1].facts["seconds"] >= 0


@pytest.mark.django_db(transaction=True)
def test_a_migration_under_a_prepared_statement_costs_its_connection_one_answer():
    statement = "SELECT text FROM changing WHERE id = %(id)s"
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE changing (id integer, text varchar(3))")
        cursor.execute("INSERT INTO changing VALUES (1, 'abc')")
    try:
        assert prepared.first_row(statement, id=1) == ("abc",)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE changing ALTER text TYPE varchar(6)")
        with pytest.raises(OperationalError):
            prepared.first_row(statement, id=1)
        connection.close()  # as at the end of a request
        assert prepared.first_row(statement, id=1) == ("abc",)
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE changing")


def test_a_url_may_name_several_hosts_and_the_folder_of_a_socket(tmp_path):
    """libpq takes the first that answers and may be written to."""
    ours = connection.settings_dict
    folder = (ours["HOST"] or ours["OPTIONS"]["host"]).split(",")[-1]
    hosts = ",".join(quote(host, safe="") for host in (str(tmp_path), folder))
    url = f"postgres://{ours['USER']}@{hosts}/postgres?target_session_attrs=read-write"
    read = env.postgres(url)
    assert read["HOST"] == f"{tmp_path},{folder}"
    assert read["OPTIONS"] == {"target_session_attrs": "read-write"}
    given = {"host": read["HOST"], "user": read["USER"], "dbname": read["NAME"], **read["OPTIONS"]}
    with closing(psycopg2.connect(**given)) as made:
        assert made.info.host == folder


def test_several_hosts_may_have_ports_of_their_own():
    read = env.postgres("postgres://u:p%40@h1:5433,h2:5434/db")
    assert (read["HOST"], read["PORT"], read["PASSWORD"]) == ("h1,h2", "5433,5434", "p@")


def test_a_single_folder_of_sockets_is_read_too():
    assert env.postgres("postgres://u@%2Fvar%2Frun%2Fpostgresql/db")["HOST"] == "/var/run/postgresql"
