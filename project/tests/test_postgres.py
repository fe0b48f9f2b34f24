import psycopg2
import pytest
from django.db import OperationalError, connection

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
