"""Taking people away: CSV that PostgreSQL writes itself, row by row, so that no list of them ever lies in memory."""

from typing import BinaryIO

from django.db import connection

# What import_users reads; the last columns count, and are not read.
_USERS = """SELECT person.phone, person.invite_code, host.invite_code AS inviter_code,
        to_char(person.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
        person.referrals_count, person.invite_opened
    FROM users_user AS person
    LEFT JOIN users_activation AS came ON came.invitee_id = person.id
    LEFT JOIN users_user AS host ON host.id = came.inviter_id
    WHERE person.phone IS NOT NULL AND NOT person.is_test ORDER BY person.created_at, person.id"""

# An inviter who has left, or who came and has left, is an empty cell.
_REFERRALS = """SELECT host.phone AS inviter_phone, host.invite_code AS inviter_code,
        came.invitee_phone AS phone, person.invite_code,
        to_char(came.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS activated_at
    FROM users_activation AS came
    JOIN users_user AS host ON host.id = came.inviter_id
    JOIN users_user AS person ON person.id = came.invitee_id
    WHERE NOT person.is_test
    ORDER BY came.id"""


def export_users(*, into: BinaryIO) -> int:
    """Everybody who has not left, and is no test. Returns how many."""
    return _copy(_USERS, into)


def export_referrals(*, into: BinaryIO) -> int:
    """Who came by whom, in the order they came, without tests. Returns how many."""
    return _copy(_REFERRALS, into)


def _copy(query: str, into: BinaryIO) -> int:
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)", into)
        return cursor.rowcount
