import psycopg2
import pytest
from django.db import OperationalError, connection


@pytest.mark.django_db
def test_a_server_that_goes_away_in_the_middle_is_an_operational_error():
    with pytest.raises(OperationalError), connection.wrap_database_errors:
        raise psycopg2.DatabaseError("server closed the connection unexpectedly")
