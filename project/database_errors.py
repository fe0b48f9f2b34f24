"""What whoever typed a command is told, in one line, when it failed for the database and not for a fault of ours.

Of what PostgreSQL says only what it says to a connection is shown: of a statement it may quote people's numbers.
"""

import psycopg2
from django.db import Error, InterfaceError, OperationalError
from psycopg2.errorcodes import (
    DISK_FULL,
    INSUFFICIENT_PRIVILEGE,
    READ_ONLY_SQL_TRANSACTION,
    UNDEFINED_COLUMN,
    UNDEFINED_TABLE,
    lookup,
)

from project.logs import redact

_OTHER_TABLES = (
    'the tables are not up to date: `make manage ARGS="migrate"`, as `make run` does, makes them so;'
    " where they are a newer Zovi's, run that one"
)
_WORDS = {
    DISK_FULL: "the database has no room left",
    INSUFFICIENT_PRIVILEGE: "the database does not let this role do it",
    READ_ONLY_SQL_TRANSACTION: "the database can only be read: it is a standby, or was told so",
    UNDEFINED_COLUMN: _OTHER_TABLES,
    UNDEFINED_TABLE: _OTHER_TABLES,
}
ERRORS = (Error, psycopg2.Error)  # Django's, and those of COPY, which it does not wrap
_NOT_OUR_FAULT = (OperationalError, InterfaceError, psycopg2.OperationalError, psycopg2.InterfaceError)


def in_one_line(error: Exception) -> str | None:
    """None for an error that only its traceback explains."""
    cause, code = _first(error), sqlstate(error)
    if code in _WORDS:
        return _WORDS[code]
    if not isinstance(cause, _NOT_OUR_FAULT) and not (type(cause) is psycopg2.DatabaseError and code is None):
        return None
    if code is None:
        return f"the database does not answer: {redact(str(cause)).strip().partition(chr(10))[0]}"
    return f"the database has broken it off: {lookup(code).lower().replace('_', ' ')}"


def sqlstate(error: Exception) -> str | None:
    """PostgreSQL's own word for what the error came of; None where it has not said any."""
    return getattr(_first(error), "pgcode", None)


def _first(error: BaseException) -> BaseException:
    """What the others came of: psycopg2's, where Django has wrapped it, once or several times."""
    before = error.__cause__ or error.__context__
    return _first(before) if isinstance(before, ERRORS) else error
