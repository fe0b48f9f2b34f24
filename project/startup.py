"""What is looked at before the server starts: the port, and a PostgreSQL that is not ours."""

import errno
import logging
import os
import socket
from collections.abc import Iterable

from django.conf import settings
from django.db import DatabaseError, Error, OperationalError, connection
from psycopg2.extensions import quote_ident

from project import env
from users import phones, services

logger = logging.getLogger(__name__)

# With any other value PostgreSQL writes statements, and phone numbers with them, into its log.
QUIET_LOG = {
    "log_min_error_statement": {"panic"},
    "log_error_verbosity": {"terse"},
    "log_statement": {"none", "ddl"},
    "log_min_duration_statement": {"-1"},
    "log_min_duration_sample": {"-1"},
    "log_transaction_sample_rate": {"0"},
}
WHY_NO_PORT = {
    errno.EACCES: "is for root alone",
    errno.EADDRNOTAVAIL: "cannot be had: HOST is no address of this machine",
}


def refuse_taken_port() -> None:
    """Before anything is set up or announced. Where systemd hands its socket over there is nothing to take."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        return
    host, port = settings.HOST, settings.PORT
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            other = 8000 if error.errno == errno.EACCES else port % 65535 + 1
            why = WHY_NO_PORT.get(error.errno, "is taken")
            env.refuse(f"port {port} {why}: choose another one, PORT={other} make run")
        env.refuse(f"HOST is no address of this machine to listen on ({error.strerror})")


def refuse_unfit_database() -> None:
    """A database that does not answer yet is no reason: the server waits for it, and /readyz says so."""
    if settings.DATABASE_IS_EMBEDDED:
        return
    try:
        with connection.cursor() as cursor:
            _refuse_other_encoding(cursor)
            _refuse_pooler(cursor)
            _refuse_talkative_log(cursor)
            _warn_of_demo(cursor)
    except OperationalError:
        logger.warning("database_away", exc_info=False)
    finally:
        connection.close()


def _refuse_other_encoding(cursor) -> None:
    """In LATIN1 there is no Russian word, and in SQL_ASCII a letter is as long as its bytes."""
    cursor.execute("SHOW server_encoding")
    [encoding] = cursor.fetchone()
    if encoding != "UTF8":
        env.refuse(
            f"the database keeps its texts in {encoding}: make one with ENCODING 'UTF8' TEMPLATE template0, and restore"
            " a dump into it"
        )


def _refuse_pooler(cursor) -> None:
    """Whoever stands between shows a process number of its own making."""
    cursor.execute("SELECT pg_backend_pid()")
    [behind] = cursor.fetchone()
    if settings.DATABASE_PREPARE and behind != connection.connection.info.backend_pid:
        env.refuse(
            "a pooler such as PgBouncer stands before PostgreSQL, where prepared statements get lost:"
            " set DATABASE_PREPARE=0"
        )


def _refuse_talkative_log(cursor) -> None:
    """Quieten the log, for our role in our database, where the role may. Outside a demo refuse where it may not."""
    cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(QUIET_LOG)])
    talkative = sorted(name for name, setting in cursor.fetchall() if setting not in QUIET_LOG[name])
    cursor.execute("SELECT rolsuper, current_user, current_database() FROM pg_roles WHERE rolname = current_user")
    may, role, database = cursor.fetchone()
    of_ours = f"ALTER ROLE {_quoted(role)} IN DATABASE {_quoted(database)} SET"
    cures = [f"{of_ours} {name} = {min(QUIET_LOG[name], key=len)}" for name in talkative]
    if may:
        for cure in cures:
            cursor.execute(cure)
    elif cures and settings.DATABASE_LOG_CHECK and not settings.DEMO:
        env.refuse(
            "PostgreSQL would write people's phone numbers into its log. As its superuser: "
            + "; ".join(cures)
            + " (where that cannot be, DATABASE_LOG_CHECK=0)"
        )


def _quoted(name: str) -> str:
    return quote_ident(name, connection.connection)


def _warn_of_demo(cursor) -> None:
    """Only a simulated gateway keeps messages."""
    if settings.DEMO:
        return
    try:
        cursor.execute("SELECT EXISTS (SELECT FROM users_message)")
    except Error:
        return  # not migrated yet
    if cursor.fetchone()[0]:
        logger.warning("database_of_a_demo", extra={"facts": {"why": "its people signed in unproved, its sends count"}})


def about_test_numbers() -> str:
    """One line: which numbers have a fixed code and for how long, or why they have not. Empty without any."""
    try:
        fixed = services.fixed_numbers()
    except DatabaseError:  # it is not there yet, or not migrated
        return f"{_list(map(phones.mask, settings.TEST_NUMBERS))}: whether they are somebody's is not known yet"
    finally:
        connection.close()
    if not fixed.numbers:
        return ""
    if not fixed.are_on:
        return f"switched off, for {fixed.until} has passed: TEST_NUMBERS are ordinary numbers"
    ordinary = [number.phone for number in fixed.numbers if number.is_somebodys]
    others = [number.phone for number in fixed.numbers if not number.is_somebodys]
    told = [f"{_list(others)} with fixed codes until {fixed.until}"] if others else []
    told += [f"{_list(ordinary)} as ordinary numbers, because real people have them"] if ordinary else []
    return "; ".join(told)


def _list(shown: Iterable[str]) -> str:
    return ", ".join(shown)
