"""Statements that PostgreSQL plans once for each connection and then only executes, straight from the pool.

Composing, planning and passing a statement through Django's cursor costs several times what the ones used here do.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import NotSupportedError, OperationalError, connection

_VALUE = re.compile(r"%\((\w+)\)s")


def first_row(*statements: str, **values: object) -> tuple[Any, ...] | None:
    """The first of `all_rows`, None without any."""
    rows = all_rows(*statements, **values)
    return rows[0] if rows else None


def all_rows(*statements: str, **values: object) -> list[tuple[Any, ...]]:
    """The last statement's rows. They name their `values` as `%(name)s`; a literal % is written %%.

    All of them are one round trip and one transaction, unless one is open already: then they are part of it. Their
    texts must be few and values never part of them, for a connection keeps the plan of each as long as it lives.
    Behind a PgBouncer that pools transactions the next statement may run on another server connection:
    DATABASE_PREPARE=0 sends the plain texts. Raises OperationalError when a plan is older than what it reads.
    """
    with _cursor() as cursor:
        if settings.DATABASE_PREPARE:
            statements = tuple(_prepared(cursor, statement) for statement in statements)
        try:
            cursor.execute("; ".join(statements), values)
        except NotSupportedError as error:
            cursor.connection.close()  # a migration has changed a column since: the next connection plans anew
            raise OperationalError(str(error)) from error
        return cursor.fetchall() if cursor.description else []


@contextmanager
def _cursor() -> Iterator[Any]:
    """Of a connection from the pool, that goes back at once; of Django's own where one is in use or looked over."""
    pool = connection.pool
    if connection.connection is not None or connection.queries_logged or connection.execute_wrappers or pool is None:
        with connection.cursor() as cursor:
            yield cursor
        return
    with connection.wrap_database_errors:
        pooled = pool.getconn()
        try:
            with pooled.cursor() as cursor, connection.wrap_database_errors:
                yield cursor
        finally:
            pool.putconn(pooled)


def _prepared(cursor: Any, statement: str) -> str:
    """What executes the statement on this connection."""
    name, prepare, execute = _named(statement)
    if name not in cursor.connection.prepared:
        cursor.execute(prepare)
        cursor.connection.prepared.add(name)
    return execute


@lru_cache
def _named(statement: str) -> tuple[str, str, str]:
    """Its name, what prepares it under that, and what executes it then with the same `%(name)s`.

    The name is that of the text: whichever server connection a pooler hands out, it can never mean another statement.
    """
    name = f"zovi_{hashlib.sha256(statement.encode()).hexdigest()[:32]}"
    values = list(dict.fromkeys(_VALUE.findall(statement)))
    numbered = statement % {value: f"${number}" for number, value in enumerate(values, 1)}
    given = f" ({', '.join(f'%({value})s' for value in values)})" if values else ""
    return name, f"PREPARE {name} AS {numbered}", f"EXECUTE {name}{given}"
