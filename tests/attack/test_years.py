"""Patience: real services through whole years, by schedules somebody thought of and by schedules nobody did."""

import io
import math
import random
from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from tests.support.people import ALICE, wrong
from users import budget, errors, services
from users.clients import Client
from users.management.commands.otp_budget import running_rules
from users.models import Challenge, CodeFailure
from users.rates import parse

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.row("O3b")]

DAYS = 365
HOME = "198.51.100.7"
ELSEWHERE = [f"203.0.113.{number}" for number in range(40)]
ELSEWHERE_ALONE, ANYWHERE, HOME_TOO = budget.ATTACKERS


class Year:
    """Somebody's year of guessing at Alice's codes, and what was compared, by the length of the code."""

    def __init__(self, addresses: list[str]):
        self.addresses = addresses
        self.purged: Counter[int] = Counter()
        self.since_purge = self.unaged = timedelta()

    def asks(self, address: str, *, most_digits: int, guesses: int, until: float = math.inf) -> bool:
        """Ask for a code and guess at it, unless it is too long to be worth it, or so many have failed already that it
        is dead. False when no more are sent."""
        client = Client(address=address)
        try:
            sent = services.request_code(phone=ALICE, client=client)
        except errors.RetryLater:
            return False
        for _ in range(guesses if len(sent.otp) <= most_digits else 0):
            if CodeFailure.objects.count() >= until:
                break
            with pytest.raises((errors.InvalidCode, errors.TooManyAttempts)):
                services.verify_code(code=wrong(sent.otp), challenge=sent.challenge, client=client)
        return True

    def passes(self, **time: float) -> None:
        """Everything is so much older; and once a fortnight old codes are purged, as the recipes do it.

        Ten thousand wrong codes age twice a day, because they are counted by days.
        """
        by = timedelta(**time)
        Challenge.objects.update(created_at=F("created_at") - by, used_at=F("used_at") - by)
        self.since_purge += by
        self.unaged += by
        if self.unaged >= timedelta(hours=12):
            CodeFailure.objects.update(created_at=F("created_at") - self.unaged)
            self.unaged = timedelta()
        if self.since_purge > timedelta(days=14):
            self._purge()

    def _purge(self) -> None:
        before = self._of_challenges()
        call_command("purge", stdout=io.StringIO())
        self.purged += before - self._of_challenges()
        self.since_purge = timedelta()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM users_challenge, users_codefailure")

    @property
    def compared(self) -> Counter[int]:
        return self.purged + self._of_challenges()

    @staticmethod
    def _of_challenges() -> Counter[int]:
        found: Counter[int] = Counter()
        for digits, attempts in Challenge.objects.filter(used_at=None).values_list("digits", "attempts"):
            found[digits] += attempts
        return found


def lives_at_home() -> None:
    sent = services.request_code(phone=ALICE, client=Client(address=HOME))
    services.verify_code(code=sent.otp, challenge=sent.challenge, client=Client(address=HOME))


def holds(year: Year, attacker: budget.Attacker) -> str:
    """No more was compared at each length than the command says nobody exceeds."""
    rules, compared = running_rules(), year.compared
    bound = budget.ceiling(rules, attacker).compared
    for digits in rules.steps:
        shorter = [length for length in rules.steps if length <= digits]
        assert sum(compared[length] for length in shorter) <= sum(bound[length] for length in shorter), digits
    chance = budget.Outcome(dict(compared)).chance
    assert chance <= budget.ceiling(rules, attacker).chance
    return f"{', '.join(f'{compared[digits]:,} at {digits}' for digits in rules.steps)} digits, {chance:.2%}"


@pytest.fixture
def production(settings, sms_outbox):
    settings.OTP_RESEND_COOLDOWN = 60
    settings.OTP_SENDS_PER_PHONE = parse("5/h,10/d")
    settings.OTP_SENDS_PER_IP = parse("30/h,100/d")
    settings.OTP_FAILURES_PER_IP = parse("20/h")
    return settings


@pytest.fixture
def narrow(production):
    """Limits of which a year is soon over."""
    production.OTP_RESEND_COOLDOWN = 0
    production.OTP_SENDS_PER_PHONE = parse("2/2d")
    production.OTP_FAILURES_PER_PHONE = parse("4/4d,8/365d")
    production.OTP_FAILURES_PER_PHONE_LONG = parse("20/30d,60/365d")
    return production


# Until which day only the shortest codes are tried, and until which none of the longest.
SCHEDULES = [(0, 0), (0, 200), (100, 200), (0, 364), (364, 364), (365, 365)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_no_patience_gains_more_than_the_budget_says(narrow, schedule, figure):
    lives_at_home()
    year, rules = Year([HOME, *ELSEWHERE]), running_rules()
    for day in range(0, DAYS, 2):
        worth = rules.steps[sum(day >= moment for moment in schedule)]
        for address in (HOME, ELSEWHERE[day % len(ELSEWHERE)]):
            while year.asks(address, most_digits=worth, guesses=3):
                pass
        year.passes(days=2, seconds=1)
        if day % 20 == 0:
            lives_at_home()  # its owner, whose codes are right
    figure(f"narrow limits, waiting until days {schedule}: {holds(year, HOME_TOO)}")


@pytest.mark.parametrize("seed", range(4))
def test_no_chance_schedule_gains_more_than_the_budget_says(narrow, seed, full, figure):
    chance = random.Random(seed)
    lives_at_home()
    year, left = Year([HOME, *ELSEWHERE]), timedelta(days=DAYS)
    for _ in range(2000 if full else 250):
        address = chance.choice([HOME, *ELSEWHERE])
        year.asks(address, most_digits=chance.choice([4, 6, 8]), guesses=chance.randint(1, 3))
        pause = min(left, timedelta(hours=chance.choice([0, 0.1, 1, 6, 30, 90])))
        year.passes(seconds=pause.total_seconds())
        left -= pause
    figure(f"chance schedule {seed}: {holds(year, HOME_TOO)}")


def test_who_stops_at_nine_wrong_codes_a_day_gets_nowhere(production, full, figure):
    """What had 28 % once: 3 codes and 9 wrong guesses a day from one address."""
    year, days = Year(ELSEWHERE[:1]), DAYS if full else 15
    for _ in range(days):
        for _ in range(3):
            assert year.asks(ELSEWHERE[0], most_digits=8, guesses=3)
            year.passes(minutes=61)
        year.passes(hours=21)
    assert 18 <= year.compared[4] <= 20
    assert sum(year.compared.values()) <= 9 * days
    figure(f"9 a day for {days} days: {holds(year, ELSEWHERE_ALONE)}")


@pytest.mark.parametrize("addresses", [ELSEWHERE[:1], ELSEWHERE, [HOME, *ELSEWHERE]], ids=["one", "many", "home too"])
def test_the_best_schedule_under_productions_limits(production, addresses, full, figure):
    """First the four-digit codes, then six digits below the step to eight, then everything."""
    lives_at_home()
    year, days = Year(addresses), DAYS if full else 8
    attacker = HOME_TOO if HOME in addresses else ANYWHERE if len(addresses) > 1 else ELSEWHERE_ALONE
    for day in range(days):
        worth, until = (4, 10 * (day + 1)) if day < 2 else (6 if day < 200 else 8, math.inf)
        for hour in range(3):
            for number in range(5):
                address = addresses[(day + hour + number) % len(addresses)]
                year.asks(address, most_digits=worth, guesses=3, until=until)
                year.passes(minutes=1)
            year.passes(minutes=56)
        year.passes(hours=21)
    assert year.compared[4] == 20
    figure(f"the best for {days} days from {attacker.name}: {holds(year, attacker)}")
