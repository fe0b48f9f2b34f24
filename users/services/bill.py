"""What was paid for messages, and what of it for codes that nobody used. Days are UTC's."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby

from users import prepared

# Without a price known the money is 0, and `priced` says of how many it was known.
_BILL = """SELECT (created_at AT TIME ZONE 'UTC')::date AS day, region, count(*), count(used_at), count(cost),
        coalesce(sum(cost), 0), coalesce(sum(cost) FILTER (WHERE used_at IS NULL), 0)
    FROM users_challenge
    WHERE at_home IN (true, false) AND is_sent AND NOT is_test
        AND created_at >= date_trunc('day', statement_timestamp(), 'UTC') - make_interval(days => %(days)s - 1)
    GROUP BY day, region ORDER BY day DESC, region"""


@dataclass(frozen=True)
class BillLine:
    day: date
    region: str
    sent: int
    used: int
    priced: int
    spent: Decimal
    spent_in_vain: Decimal

    @property
    def wasted(self) -> int:
        return self.sent - self.used


def bill(*, days: int = 14) -> list[BillLine]:
    """Newest first, a line for each day and region with a message."""
    return [BillLine(*row) for row in prepared.all_rows(_BILL, days=days)]


def by_day(lines: Iterable[BillLine]) -> list[BillLine]:
    """The same for all regions together."""
    return [_sum(day, list(group)) for day, group in groupby(lines, key=lambda line: line.day)]


def _sum(day: date, lines: list[BillLine]) -> BillLine:
    return BillLine(
        day,
        "",
        sent=sum(line.sent for line in lines),
        used=sum(line.used for line in lines),
        priced=sum(line.priced for line in lines),
        spent=sum((line.spent for line in lines), Decimal()),
        spent_in_vain=sum((line.spent_in_vain for line in lines), Decimal()),
    )
