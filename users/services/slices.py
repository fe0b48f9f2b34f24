"""Slices of long lists, newest first. A cursor names the row its slice begins beside, so that a slice costs the same
wherever it is (keyset pagination)."""

import base64
from collections.abc import Callable
from typing import TypeVar

from django.utils.translation import gettext_lazy as _

from users.errors import InvalidInput

MOST = 100
OLDER, NEWER = "<", ">"

Row = TypeVar("Row")
Position = TypeVar("Position")


def require_size(first: int) -> None:
    """Raises InvalidInput."""
    if not 1 <= first <= MOST:
        raise InvalidInput(fields={"first": [_("From 1 to %(most)d at once.") % {"most": MOST}]})


def write_cursor(direction: str, position: str) -> str:
    return base64.urlsafe_b64encode(f"{direction}{position}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, parse: Callable[[str], Position]) -> tuple[bool, Position | None]:
    """Whether the slice has what is newer than the row, and the row's position, None for the very first slice.

    `parse` raises ValueError for what is no position. Raises InvalidInput.
    """
    if not cursor:
        return False, None
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"==").decode("ascii")
        direction, position = text[:1], parse(text[1:])
        if direction not in {OLDER, NEWER} or write_cursor(*text.partition(direction)[1:]) != cursor:
            raise ValueError
    except ValueError:
        raise InvalidInput(fields={"cursor": [_("This is not a cursor of ours.")]}) from None
    return direction == NEWER, position


def cut(
    found: list[Row], first: int, *, backwards: bool, is_first: bool, position: Callable[[Row], str]
) -> tuple[list[Row], str | None, str | None]:
    """The slice, newest first, with the cursors of the next one and the previous one, None at the ends.

    `found` are up to `first` rows and one more, the nearest to the cursor first.
    """
    more, rows = len(found) > first, found[:first]
    if backwards:
        rows.reverse()
    has_next, has_previous = more or backwards, more if backwards else not is_first
    after = write_cursor(OLDER, position(rows[-1])) if rows and has_next else None
    before = write_cursor(NEWER, position(rows[0])) if rows and has_previous else None
    return rows, after, before
