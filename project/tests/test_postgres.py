from contextlib import closing
from urllib.parse import quote

import psycopg2
import pytest
from django.db import OperationalError, connection

from project import env
from users import prepared


@pytest.mark.django_db
def test_a_server_that_goes_away_in_the_middle_is_an_operational_error():
    with pytest.raises(OperationalError), connection.wrap_database_errors:
        raise psycopg2.DatabaseError("server closed the connection unexpectedly")


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
