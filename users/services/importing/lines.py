"""A line of the file: read and looked at by itself, and written as COPY takes it."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from django.conf import settings
from django.utils import timezone

from users import codes, phones
from users.errors import DomainError
from users.services.arguments import phone_key

REQUIRED = "phone"
COLUMNS = (REQUIRED, "invite_code", "inviter_code", "created_at")
DERIVED = ("referrals_count", "invite_opened")  # export_users writes them; what they count comes with the rows


class UnreadableFile(Exception):
    """It is not such a file at all."""


def header(file: TextIO) -> tuple[str, list[str]]:
    """What stands between the columns, and their names."""
    first = file.readline(4096)
    delimiter = ";" if ";" in first else ","
    names = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if REQUIRED not in names or len(set(names)) < len(names) or set(names) - {*COLUMNS, *DERIVED}:
        raise UnreadableFile(
            f"its first line must name columns, {REQUIRED} and any of {', '.join(COLUMNS[1:])}, in UTF-8"
        )
    return delimiter, names


def rows(file: TextIO, delimiter: str, names: list[str]) -> Iterator[str]:
    """Each line as COPY reads it. Nothing in it needs escaping: what is not ours by then is not in it."""
    reader, now = csv.reader(file, delimiter=delimiter, strict=True), timezone.now()
    line = 2
    while (fields := _next(reader)) is not None:
        if any(field.strip() for field in fields):  # else an empty line, or what spreadsheets make of one
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
