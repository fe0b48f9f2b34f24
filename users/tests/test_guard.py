"""Codes that are asked for only to be paid for: noted, refused, and never from whoever is at home."""

import logging
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F, Sum
from django.db.models.functions import Now

from tests.support.people import ALICE
from users import errors, guard, services
from users.clients import Client
from users.models import Challenge, Event, GuardDecision

pytestmark = pytest.mark.django_db
ASKED = 60


@pytest.fixture(autouse=True)
def paid(settings, real_outbox):
    settings.SMS_COST = {"*": Decimal(1)}
    settings.SMS_TEXT = "{code}"


def somebody(number: int, network: int | None = None) -> Client:
    """Each from an address of their own, and of a network of their own unless one is given."""
    network = number if network is None else network
    return Client(address=f"198.18.{network}.{number}", host="zovi.example", user_agent="pump")


def ask(number: int, *, network: int | None = None, used: bool = False, prefix: str = "+7990000") -> services.SentCode:
    sent = services.request_code(phone=f"{prefix}{number:04}", client=somebody(number, network))
    over = F("created_at") - timedelta(seconds=181)
    Challenge.objects.filter(id=sent.challenge).update(created_at=over, used_at=Now() if used else None)
    return sent


def pump(**how) -> int:
    """Codes asked for that nobody uses; how many were refused."""
    refused = 0
    for number in range(ASKED):
        try:
            ask(number, **how)
        except errors.TooManyRequests:
            refused += 1
    return refused


def spent() -> Decimal:
    return Challenge.objects.aggregate(Sum("cost"))["cost__sum"]


@pytest.mark.parametrize(
    ("guard", "refused", "money", "counted"), [("off", 0, 60, 0), ("record", 0, 60, 50), ("deny", 50, 10, 50)]
)
def test_a_pumping_attack_costs_what_the_guard_lets_through(settings, guard, refused, money, counted):
    settings.SMS_GUARD = guard
    assert pump() == refused
    assert Challenge.objects.count() == spent() == money
    rows = GuardDecision.objects.values_list("region", "scope", "decision", "codes")
    word = {"record": "recorded", "deny": "denied"}.get(guard)
    assert list(rows) == ([("RU", "region", word, counted)] if counted else [])


def test_its_decisions_are_an_alarm_in_the_log_and_among_the_events(settings, caplog):
    settings.SMS_GUARD, settings.EVENTS_ARE_RECORDED = "deny", True
    with caplog.at_level(logging.ERROR, logger="zovi"):
        pump()
    [record] = {str(record.facts) for record in caplog.records if record.message == "sms_guard"}
    assert record == "{'scope': 'region', 'region': 'RU', 'decision': 'denied', 'alarm': True}"
    [event] = Event.objects.filter(type="alarm.raised")
    assert event.data == {
        "alarm": "sms_guard",
        "limit": "SMS_GUARD",
        "scope": "region",
        "region": "RU",
        "decision": "denied",
    }


def test_nobody_is_doubted_where_two_of_ten_are_used(settings):
    settings.SMS_GUARD = "deny"
    for number in range(40):
        ask(number, used=number % 5 == 0)
    assert not GuardDecision.objects.exists()


def test_a_network_is_doubted_where_its_region_is_not(settings):
    settings.SMS_GUARD = "deny"
    for number in range(100, 160):
        ask(number, used=True)
    for number in range(10):
        ask(number, network=1)
    with pytest.raises(errors.TooManyRequests) as refusal:
        ask(11, network=1)
    assert refusal.value.extra == {"retry_after": 3600}
    ask(12, network=2)
    assert list(GuardDecision.objects.values_list("scope", "codes")) == [("network", 1)]


def test_another_region_goes_on(settings):
    settings.SMS_GUARD = "deny"
    pump()
    ask(1, network=250, prefix="+44791112")
    assert Challenge.objects.exclude(region="RU").count() == 1


def test_whoever_is_at_home_still_gets_a_code(settings, browser):
    settings.SMS_GUARD = "deny"
    sent = services.request_code(phone=ALICE, client=browser)
    Challenge.objects.filter(id=sent.challenge).update(used_at=Now(), used_from=browser.address)
    assert pump() > 0
    services.request_code(phone=ALICE, client=browser)
    with pytest.raises(errors.TooManyRequests):
        services.request_code(phone=ALICE, client=somebody(200))


def test_it_opens_again_after_an_hour(settings):
    settings.SMS_GUARD = "deny"
    pump()
    Challenge.objects.update(created_at=F("created_at") - timedelta(hours=1))
    ask(200)


def test_ever_more_codes_cost_the_same_look(settings):
    """What it reads does not grow with what is sent, whatever PostgreSQL believed of the table when it last counted."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO users_challenge (id, phone, phone_key, address, network, region, created_at)
               SELECT gen_random_uuid(), '+7' || n, n, '198.18.1.1', '198.18.1.0', 'RU',
                   statement_timestamp() - interval '3 minutes' - n * interval '10 milliseconds'
               FROM generate_series(1, 20000) AS n"""
        )
        cursor.execute("SET LOCAL enable_bitmapscan = off")  # as serving connections have it
        for where in (guard._IN_REGION, guard._IN_NETWORK):
            explained = f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT {guard._is_dubious(where)}"
            cursor.execute(explained, {"region": "RU", "network": "198.18.1.0"})
            [[plan]] = cursor.fetchone()
            assert most_rows(plan["Plan"]) == guard.LOOKED_AT


def most_rows(plan: dict) -> int:
    return max(plan["Actual Rows"], *map(most_rows, plan.get("Plans", [])), 0)


def test_codes_still_on_their_way_are_no_reason(settings):
    settings.SMS_GUARD = "deny"
    for number in range(15):
        services.request_code(phone=f"+7990000{number:04}", client=somebody(number))
    assert not GuardDecision.objects.exists()
