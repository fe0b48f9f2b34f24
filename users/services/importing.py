"""Bringing people along from elsewhere: who they are, and who invited whom. All of a file, or nothing of it.

Each line is read and looked at by itself, then copied into a table that ends with the transaction. What concerns
several lines, or those who are here already, is asked of that table in a few statements for all lines at once.
"""

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from users import codes, phones
from users.copying import Lines
from users.errors import DomainError
from users.models import NO_PASSWORD
from users.services.arguments import phone_key

REQUIRED = "phone"
COLUMNS = (REQUIRED, "invite_code", "inviter_code", "created_at")
DERIVED = ("referrals_count", "invite_opened")  # export_users writes them; what they count comes with the rows

REASONS = {
    "columns": "it has more or fewer columns than the first line",
    "encoding": "it is not UTF-8",
    "quotes": "its quotation marks do not match, or it is far too long",
    "phone": "its phone number is none that could get a code",
    "code": "its invite code is not 6 of 23456789ABCDEFGHJKMNPQRSTUVWXYZ",
    "inviter": "the inviter's code is not 6 of 23456789ABCDEFGHJKMNPQRSTUVWXYZ",
    "time": "created_at is no time of the past, such as 2026-01-31T12:00:00Z",
    "phone_twice": "its phone number stands in an earlier line",
    "code_twice": "its invite code stands in an earlier line",
    "other_code": "this number is here already, with another invite code",
    "other_inviter": "this number is here already, and did not come by that inviter's code",
    "code_taken": "its invite code is somebody else's here",
    "own_code": "nobody invites themselves",
    "no_inviter": "nobody has the inviter's code, here or in the file",
    "came_before": "this number has entered a code before its owner left, and that is once for ever",
    "test_number": "this number is here as a test, and stays one",
    "behind": "the line of the inviter, or of theirs, is refused",
    "circle": "its inviters go in a circle",
}


class UnreadableFile(Exception):
    """It is not such a file at all."""


class Interrupted(Exception):
    """Somebody registered or left while it ran; nothing has changed."""


@dataclass(frozen=True)
class Imported:
    """`known` were here already. When `is_done` is not so, nothing has changed."""

    lines: int
    known: int
    refused: int
    people: int
    activations: int
    is_done: bool


Show = Callable[[str], None]
Refuse = Callable[[int, str], None]

_INCOMING = """CREATE TEMPORARY TABLE incoming (
    line bigint, phone text, phone_key text, invite_code text, is_drawn boolean, inviter_code text,
    created_at timestamptz, reason text, id uuid DEFAULT gen_random_uuid(), is_known boolean DEFAULT false
)"""
_COPY = """COPY incoming (line, phone, phone_key, invite_code, is_drawn, inviter_code, created_at, reason) FROM STDIN"""
_INDEXES = (
    "CREATE INDEX ON incoming (line)",
    "CREATE INDEX ON incoming (inviter_code) WHERE reason IS NULL",
    "ANALYZE incoming",
)


def _refuse(reason: str, condition: str) -> str:
    return f"UPDATE incoming SET reason = '{reason}' WHERE reason IS NULL AND {condition}"


def _stands_earlier(column: str, among: str = "true") -> str:
    return f"""line IN (SELECT line FROM (
        SELECT line, row_number() OVER (PARTITION BY {column} ORDER BY line) AS nth
        FROM incoming WHERE reason IS NULL AND {among}) AS numbered WHERE nth > 1)"""


_HERE = "SELECT FROM users_user AS here WHERE here"
_CHECKS = (
    f"UPDATE incoming SET reason = NULL WHERE reason = 'phone' AND EXISTS ({_HERE}.phone = incoming.phone)",
    _refuse("phone_twice", _stands_earlier("phone")),
    _refuse("code_twice", _stands_earlier("invite_code", among="NOT is_drawn")),
    _refuse(
        "other_code",
        f"NOT is_drawn AND EXISTS ({_HERE}.phone = incoming.phone AND here.invite_code <> incoming.invite_code)",
    ),
    _refuse("test_number", f"EXISTS ({_HERE}.phone = incoming.phone AND here.is_test)"),
    f"UPDATE incoming SET is_known = true WHERE reason IS NULL AND EXISTS ({_HERE}.phone = incoming.phone)",
    _refuse(
        "other_inviter",
        """is_known AND inviter_code IS NOT NULL AND NOT EXISTS (
            SELECT FROM users_user AS here JOIN users_activation AS came ON came.invitee_id = here.id
            JOIN users_user AS host ON host.id = came.inviter_id
            WHERE here.phone = incoming.phone AND host.invite_code = incoming.inviter_code)""",
    ),
    _refuse("code_taken", f"NOT is_known AND NOT is_drawn AND EXISTS ({_HERE}.invite_code = incoming.invite_code)"),
    _refuse("own_code", "NOT is_known AND inviter_code = invite_code"),
    _refuse(
        "no_inviter",
        f"""NOT is_known AND inviter_code IS NOT NULL
            AND NOT EXISTS (
                {_HERE}.invite_code = incoming.inviter_code AND here.phone IS NOT NULL AND NOT here.is_test)
            AND NOT EXISTS (
                SELECT FROM incoming AS host WHERE host.invite_code = incoming.inviter_code AND NOT host.is_drawn)""",
    ),
    _refuse(
        "came_before",
        """NOT is_known AND inviter_code IS NOT NULL AND EXISTS (
            SELECT FROM users_invitednumber AS gone WHERE gone.phone_key = incoming.phone_key)""",
    ),
)
# From those whose inviter is here, or who have none, down to those they invited, and so on: what is not reached hangs
# behind a line that is refused, or in a circle.
_REACHED = """WITH RECURSIVE reached AS (
        SELECT line, invite_code FROM incoming AS root WHERE {begins}
        UNION
        SELECT next.line, next.invite_code FROM reached
        JOIN incoming AS next ON next.inviter_code = reached.invite_code AND next.reason IS NULL AND NOT next.is_known
    )"""
_FROM_ROOTS = _REACHED.format(
    begins="""reason IS NULL AND (is_known OR inviter_code IS NULL
        OR EXISTS (SELECT FROM users_user AS here
            WHERE here.invite_code = inviter_code AND here.phone IS NOT NULL AND NOT here.is_test))"""
)
_FROM_REFUSED = _REACHED.format(
    begins="""reason IS NOT NULL AND NOT EXISTS (
        SELECT FROM incoming AS taken WHERE taken.reason IS NULL AND taken.invite_code = root.invite_code)"""
)
_UNREACHED = """NOT EXISTS (SELECT FROM reached WHERE reached.line = incoming.line)
    AND reason IS NULL AND NOT is_known"""
_CHAINS = (
    f"{_FROM_REFUSED}, lost AS (SELECT line FROM reached) UPDATE incoming SET reason = 'behind'"
    " WHERE reason IS NULL AND NOT is_known AND line IN (SELECT line FROM lost)",
    f"{_FROM_ROOTS} UPDATE incoming SET reason = 'circle' WHERE {_UNREACHED}",
)
_NEW = "reason IS NULL AND NOT is_known"
_TRIGGERS = ("activation_is_counted", "activation_has_phone")
_CAME = f"SELECT inviter_code, count(*) AS people FROM incoming WHERE {_NEW} GROUP BY inviter_code"
_WRITE = (
    ("writing", "SET CONSTRAINTS ALL IMMEDIATE"),  # each statement is checked at its own end
    (
        "counting for those who are here",
        f"""WITH came AS ({_CAME})
        UPDATE users_user SET referrals_count = referrals_count + came.people
        FROM came WHERE users_user.invite_code = came.inviter_code""",
    ),
    (
        "writing people",
        f"""WITH came AS ({_CAME})
        INSERT INTO users_user (id, phone, invite_code, password, is_active, is_staff, is_superuser, created_at,
            referrals_count)
        SELECT id, phone, invite_code, '{NO_PASSWORD}', true, false, false, created_at, coalesce(people, 0)
        FROM incoming LEFT JOIN came ON came.inviter_code = incoming.invite_code WHERE {_NEW} ORDER BY id""",
    ),
    # Row by row two triggers would work for hours where somebody invited many: what they would write is written.
    (
        "writing activations",
        "ALTER TABLE users_activation " + ", ".join(f"DISABLE TRIGGER {trigger}" for trigger in _TRIGGERS),
    ),
    (
        "writing activations",
        f"""INSERT INTO users_activation (invitee_id, inviter_id, invitee_phone, created_at)
        SELECT incoming.id, host.id, incoming.phone, incoming.created_at
        FROM incoming JOIN users_user AS host ON host.invite_code = incoming.inviter_code
        WHERE {_NEW} ORDER BY incoming.created_at, incoming.line""",
    ),
    (
        "writing activations",
        "ALTER TABLE users_activation " + ", ".join(f"ENABLE TRIGGER {trigger}" for trigger in _TRIGGERS),
    ),
)


def import_users(
    *, path: Path, dry_run: bool, skip_refused: bool, circles: bool, show: Show, refuse: Refuse
) -> Imported:
    """Read a CSV file and write its people, unless a line is refused (`skip_refused`: then all the others).

    Whoever is here already stays as they are, so a file may be read again. `circles` takes people who invited each
    other. Raises UnreadableFile and Interrupted.
    """
    try:
        with (
            path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file,
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            _stage(cursor, file, show)
            _check(cursor, circles, show)
            found = _summary(cursor, refuse)
            writes = not dry_run and (skip_refused or not found["refused"])
            if writes:
                _write(cursor, show)
                cursor.execute("DROP TABLE incoming")
            else:
                transaction.set_rollback(True)
    except IntegrityError:
        raise Interrupted from None
    if writes:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE users_user, users_activation")
    return Imported(**found, is_done=writes)


def _stage(cursor: Any, file: TextIO, show: Show) -> None:
    size = os.fstat(file.fileno()).st_size or 1

    def tell(lines: int) -> None:
        show(f"reading: {lines:,} lines, {min(100, 100 * file.buffer.tell() // size)} %")

    delimiter, names = _header(file)
    cursor.execute(_INCOMING)
    cursor.copy_expert(_COPY, Lines(_rows(file, delimiter, names), tell))
    for statement in _INDEXES:
        cursor.execute(statement)


def _header(file: TextIO) -> tuple[str, list[str]]:
    """What stands between the columns, and their names."""
    first = file.readline(4096)
    delimiter = ";" if ";" in first else ","
    names = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if REQUIRED not in names or len(set(names)) < len(names) or set(names) - {*COLUMNS, *DERIVED}:
        raise UnreadableFile(
            f"its first line must name columns, {REQUIRED} and any of {', '.join(COLUMNS[1:])}, in UTF-8"
        )
    return delimiter, names


def _rows(file: TextIO, delimiter: str, names: list[str]) -> Iterator[str]:
    """Each line as COPY reads it. Nothing in it needs escaping: what is not ours by then is not in it."""
    reader, now = csv.reader(file, delimiter=delimiter, strict=True), timezone.now()
    line = 2
    while (fields := _next(reader)) is not None:
        if fields != []:  # an empty line
            yield _row(line, names, fields, now)
        line = reader.line_num + 2


def _next(reader: Any) -> list[str] | str | None:
    """The fields of the next line, why it has none, or None at the end."""
    try:
        return next(reader, None)
    except csv.Error:
        return "quotes"


def _row(line: int, names: list[str], fields: list[str] | str, now: datetime) -> str:
    try:
        read = _read(names, fields, now)
    except _Refused as refused:
        read = [None, None, refused.code, "f", None, None, refused.args[0]]
    return "\t".join("\\N" if value is None else value for value in [str(line), *read]) + "\n"


class _Refused(Exception):
    """A line, by the word for why. `code` is what others may have named as their inviter's."""

    def __init__(self, reason: str, code: str | None = None):
        super().__init__(reason)
        self.code = code


def _read(names: list[str], fields: list[str] | str, now: datetime) -> list[str | None]:
    if isinstance(fields, str):
        raise _Refused(fields)
    if len(fields) != len(names):
        raise _Refused("columns")
    given = dict(zip(names, fields, strict=True))
    if any("\udc80" <= character <= "\udcff" for field in fields for character in field):
        raise _Refused("encoding")
    code = _code(given.get("invite_code", ""), "code")
    phone, is_reachable = _phone(given[REQUIRED], code)
    key = phone_key(phone)
    inviter = _code(given.get("inviter_code", ""), "inviter", code)
    at = _time(given.get("created_at", ""), now, code)
    return [
        phone,
        key,
        code or codes.new_invite_code(),
        "f" if code else "t",
        inviter,
        at,
        None if is_reachable else "phone",
    ]


def _phone(given: str, code: str | None) -> tuple[str, bool]:
    """In E.164, and whether it could get a code: one that is somebody's here is taken all the same."""
    try:
        phone = phones.read(given, default_region=settings.PHONE_DEFAULT_REGION)
    except DomainError:
        raise _Refused("phone", code) from None
    try:
        phones.require_reachable(
            phone, allowed_regions=settings.PHONE_ALLOWED_REGIONS, allowed_types=settings.PHONE_ALLOWED_TYPES
        )
    except DomainError:
        return phone.e164, False
    return phone.e164, True


def _code(given: str, reason: str, own: str | None = None) -> str | None:
    try:
        return codes.normalise_invite_code(given) if given.strip() else None
    except DomainError:
        raise _Refused(reason, own) from None


def _time(given: str, now: datetime, code: str | None) -> str:
    try:
        at = datetime.fromisoformat(given.strip()) if given.strip() else now
    except ValueError:
        raise _Refused("time", code) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at > now or at.year < 1970:
        raise _Refused("time", code)
    return at.isoformat()


def _check(cursor: Any, circles: bool, show: Show) -> None:
    show("checking every line against the others and those who are here")
    for statement in (*_CHECKS, *(_CHAINS[:1] if circles else _CHAINS)):
        cursor.execute(statement)
    _redraw(cursor)


def _redraw(cursor: Any) -> None:
    """Draw again the codes of ours that somebody has."""
    while True:
        cursor.execute(
            f"""SELECT line FROM incoming WHERE is_drawn AND {_NEW} AND (
                EXISTS ({_HERE}.invite_code = incoming.invite_code) OR {_stands_earlier("invite_code")}
                OR invite_code IN (SELECT invite_code FROM incoming WHERE NOT is_drawn))"""
        )
        taken = cursor.fetchall()
        if not taken:
            return
        drawn = [(codes.new_invite_code(), line) for (line,) in taken]
        cursor.executemany("UPDATE incoming SET invite_code = %s WHERE line = %s", drawn)


def _summary(cursor: Any, refuse: Refuse) -> dict[str, int]:
    with connection.chunked_cursor() as refused:
        refused.execute("SELECT line, reason FROM incoming WHERE reason IS NOT NULL ORDER BY line")
        for line, reason in refused:
            refuse(line, REASONS[reason])
    cursor.execute(
        f"""SELECT count(*), count(*) FILTER (WHERE reason IS NULL AND is_known), count(reason),
                count(*) FILTER (WHERE {_NEW}), count(inviter_code) FILTER (WHERE {_NEW}) FROM incoming"""
    )
    return dict(zip(("lines", "known", "refused", "people", "activations"), cursor.fetchone(), strict=True))


def _write(cursor: Any, show: Show) -> None:
    for what, statement in _WRITE:
        show(what)
        cursor.execute(statement)
