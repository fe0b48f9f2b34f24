from datetime import timedelta

import pytest

from users.rates import Rate, parse


def test_rates_are_read():
    assert parse("5/h,10/d") == (Rate(5, timedelta(hours=1)), Rate(10, timedelta(days=1)))
    assert parse("300/10m, 2/30s") == (Rate(300, timedelta(minutes=10)), Rate(2, timedelta(seconds=30)))
    assert parse("off") == ()


@pytest.mark.parametrize(
    "text", ["", "5", "5/", "/h", "0/h", "-1/h", "5/w", "5/h,", "5/0m", "five/h", "5/h;10/d", "٥/h"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="not a rate"):
        parse(text)
