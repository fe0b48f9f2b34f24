"""`manage.py sms_test`: what an operator reads when messages do not arrive."""

import re
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.support.gateways import gateway_stand_in
from tests.support.people import ALICE


@pytest.fixture
def two(settings):
    with gateway_stand_in() as first, gateway_stand_in() as second:
        settings.DEMO, settings.SMS_URL = False, f"{first.url} RU|{second.url.replace('json', 'form')}"
        yield first, second


def said(*arguments) -> list[str]:
    out = StringIO()
    try:
        call_command("sms_test", *arguments, stdout=out)
    finally:
        lines = [re.sub(r"\d+ ms$", "… ms", line) for line in out.getvalue().splitlines()]
        said.lines = lines
    return lines


def test_it_sends_a_message_and_says_what_each_route_answered(two):
    two[0].status = 503
    assert said("8 913 674-00-00") == [
        "1 json: refused, http_error, status 503, … ms",
        "2 form: sent, status 200, by sms, … ms",
    ]
    assert (len(two[0].posts), len(two[1].posts)) == (1, 1)


def test_it_stops_at_the_first_that_took_it_unless_told_otherwise(two):
    assert said(ALICE) == ["1 json: sent, status 200, by sms, … ms"]
    assert len(said(ALICE, "--every-route")) == 2
    assert (len(two[0].posts), len(two[1].posts)) == (2, 1)


def test_it_fails_where_no_route_took_it(two, settings, db):
    two[0].status = two[1].status = 500
    with pytest.raises(CommandError, match="No route took"):
        said(ALICE)
    assert len(said.lines) == 2
    settings.SMS_URL = f"KZ|{two[0].url}"
    with pytest.raises(CommandError, match="No route serves"):
        said(ALICE)
    with pytest.raises(CommandError, match="not a phone number"):
        said("123")


def test_a_dry_run_sends_nothing_and_counts(two, settings):
    settings.SITE_URL = "https://zovi.example"
    settings.SMS_COST = {"RU": Decimal("3.5")}
    settings.SMS_TEXT_RU = "Ваш код для входа на сайт {site}: {code}. Никому его не говорите."
    lines = [re.sub(r"\b\d{4}\b", "0421", line) for line in said(ALICE, "--dry-run")]
    assert lines == [
        "--- en: 72 characters, 1 segments, costs 3.5",
        "Zovi: 0421 is your sign-in code. Tell it to nobody.",
        "",
        "@zovi.example #0421",
        "--- ru: 82 characters, 2 segments, costs 7.0",
        "Ваш код для входа на сайт Zovi: 0421. Никому его не говорите.",
        "",
        "@zovi.example #0421",
    ]
    settings.SMS_COST = {}
    assert said(ALICE, "--dry-run")[0] == "--- en: 72 characters, 1 segments, no price in SMS_COST"
    assert two[0].posts == two[1].posts == []
