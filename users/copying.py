"""Rows on their way into PostgreSQL by COPY, made while they are read: a million of them never lie in memory."""

import io
from collections.abc import Callable, Iterator
from itertools import islice

BATCH = 20_000


class Lines(io.TextIOBase):
    """A file for COPY out of lines in its text format. `show` hears after each batch how many there were."""

    def __init__(self, lines: Iterator[str], show: Callable[[int], None]):
        self._lines = lines
        self._show = show
        self._done = 0

    def read(self, size: int | None = -1) -> str:
        batch = list(islice(self._lines, BATCH))
        self._done += len(batch)
        self._show(self._done)
        return "".join(batch)
