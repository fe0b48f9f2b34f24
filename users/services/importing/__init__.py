"""Bringing people along from elsewhere: who they are, and who invited whom. All of a file, or nothing of it.

Each line is read and looked at by itself, then copied into a table that ends with the transaction. What concerns
several lines, or those who are here already, is asked of that table.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from django.db import IntegrityError, connection, transaction

from users.copying import Lines
from users.services.importing import checks, lines, writing
from users.services.importing.checks import NEW, REASONS
from users.services.importing.lines import UnreadableFile

__all__ = ["REASONS", "Imported", "Interrupted", "UnreadableFile", "import_users"]


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

    def tell(number: int) -> None:
        part = f", {min(100, 100 * file.buffer.tell() // size)} %" if file.seekable() else ""  # not what a pipe brings
        show(f"reading: {number:,} lines{part}")

    delimiter, names = lines.header(file)
    cursor.execute(checks.INCOMING)
    cursor.copy_expert(checks.COPY, Lines(lines.rows(file, delimiter, names), tell))
    for statement in checks.INDEXES:
        cursor.execute(statement)


def _check(cursor: Any, circles: bool, show: Show) -> None:
    show("checking every line against the others and those who are here")
    for statement in (*checks.CHECKS, *(checks.CHAINS[:1] if circles else checks.CHAINS)):
        cursor.execute(statement)
    checks.redraw(cursor)


def _summary(cursor: Any, refuse: Refuse) -> dict[str, int]:
    with connection.chunked_cursor() as refused:
        refused.execute("SELECT line, reason FROM incoming WHERE reason IS NOT NULL ORDER BY line")
        for line, reason in refused:
            refuse(line, REASONS[reason])
    cursor.execute(
        f"""SELECT count(*), count(*) FILTER (WHERE reason IS NULL AND is_known), count(reason),
                count(*) FILTER (WHERE {NEW}), count(inviter_code) FILTER (WHERE {NEW}) FROM incoming"""
    )
    return dict(zip(("lines", "known", "refused", "people", "activations"), cursor.fetchone(), strict=True))


def _write(cursor: Any, show: Show) -> None:
    for what, statement in writing.STEPS:
        show(what)
        cursor.execute(statement)
