"""How often something may happen: `5/h,10/d`. Pure."""

import re
from dataclasses import dataclass
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_RATE = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,5})?([smhd])")


@dataclass(frozen=True)
class Rate:
    """At most `count` events in any `window`."""

    count: int
    window: timedelta


def parse(text: str) -> tuple[Rate, ...]:
    """`5/h,10/d` or `3/10m`: every one of them holds. `off`: none. Raises ValueError."""
    if text.lower() == "off":
        return ()
    return tuple(_parse_one(part.strip()) for part in text.split(","))


def _parse_one(text: str) -> Rate:
    match = _RATE.fullmatch(text)
    if not match:
        raise ValueError("not a rate")
    count, multiple, unit = match.groups()
    return Rate(int(count), timedelta(**{_UNITS[unit]: int(multiple or 1)}))
