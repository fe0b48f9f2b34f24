"""Pictures drawn on the server as SVG: no script, no style attribute, no request of their own."""

from dataclasses import dataclass
from datetime import date

import segno
from django.utils.safestring import SafeString, mark_safe

BAR, GAP, HEIGHT = 8, 4, 64  # SVG units
LOWEST = 2  # a day without anybody is still a day


@dataclass(frozen=True)
class Bar:
    x: int
    y: int
    height: int
    day: date
    count: int


@dataclass(frozen=True)
class Bars:
    """One bar a day. `total` and `busiest` say the same in words."""

    bars: list[Bar]
    width: int
    total: int
    busiest: Bar


def bars(counts: list[tuple[date, int]]) -> Bars:
    """From (day, count) pairs, oldest first; the tallest bar is the busiest day."""
    most = max(count for _, count in counts) or 1
    drawn = []
    for position, (day, count) in enumerate(counts):
        height = max(LOWEST, round(HEIGHT * count / most))
        drawn.append(Bar(position * (BAR + GAP), HEIGHT - height, height, day, count))
    width = len(drawn) * (BAR + GAP) - GAP
    return Bars(drawn, width, sum(bar.count for bar in drawn), max(drawn, key=lambda bar: bar.count))


def qr(text: str) -> SafeString:
    """A QR code (ISO/IEC 18004, error correction M) as an <svg> with its quiet zone, to be sized by the style sheet."""
    code = segno.make(text, error="m", micro=False)
    svg = code.svg_inline(border=2, omitsize=True, svgclass="qr", lineclass=None, dark="#10231c", light="#fff")
    return mark_safe(svg)  # noqa: S308 -- segno's own drawing; the text is in it as modules, not as markup
