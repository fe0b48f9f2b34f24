"""What the limits come to: the search finds it, the bound holds, and SECURITY.md says it."""

import pytest
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from project import env
from project.tests.test_settings import REAL, start
from users import budget
from users.budget import ATTACKERS, Outcome, Rules, best, ceiling
from users.rates import parse

ELSEWHERE, ANYWHERE, HOME_TOO = ATTACKERS


def rules(**other) -> Rules:
    """Production's, but for what is given."""
    production = {
        "tries": 3,
        "lengths": {4: (), 6: parse("10/d,20/365d"), 8: parse("100/30d,500/365d")},
        "sends_per_phone": parse("5/h,10/d,1/60s"),
        "sends_per_address": parse("30/h,100/d"),
        "sends_per_network": parse("120/h,400/d"),
        "sends_of_everybody": parse("60/m,10000/d"),
        "failures_per_address": parse("20/h"),
        "failures_of_everybody": parse("300/10m,2000/d"),
        "digits_for_everybody": 6,
    }
    return Rules(**production | other)


def test_under_productions_limits_nobody_comes_to_half_a_percent_a_year():
    for attacker in ATTACKERS:
        found, bound = best(rules(), attacker), ceiling(rules(), attacker)
        assert (found.compared[4], found.compared[6]) == (20, 480)
        assert 0.0024 < found.chance <= bound.chance < 0.005
    assert bound.compared == {4: 20, 6: 480, 8: 2 * 10 * 3 * 365 - 500}


def test_under_productions_limits_strangers_come_to_a_quarter_of_an_account_a_day():
    assert budget.accounts_a_day(rules()) == pytest.approx(2000e-4 + 28_000e-6)
    assert budget.accounts_a_day(rules(), addresses_at_home=1) == pytest.approx(2300e-4 + 28_000e-6)


@pytest.mark.parametrize(
    ("lengths", "chance"),
    [
        ({4: ()}, 0.6656),  # 10 codes a day, three tries, always four digits
        ({4: (), 6: parse("10/d")}, 0.3059),  # patience: ten a day, never more
        ({4: (), 6: parse("10/30d")}, 0.0128),
        ({4: (), 6: parse("20/365d")}, 0.0127),  # and then six digits for ever
    ],
)
def test_the_search_finds_that_patience_pays(lengths, chance):
    assert best(rules(lengths=lengths), ANYWHERE).chance == pytest.approx(chance, rel=0.02)


def test_one_address_is_held_by_its_own_limits():
    weak = rules(lengths={4: ()}, failures_per_address=parse("2/d"))
    assert best(weak, ELSEWHERE).compared == {4: 730}
    assert best(weak, ANYWHERE).compared == {4: 10_950}
    assert best(weak, HOME_TOO).compared == {4: 21_900}


def test_without_any_limit_it_is_certain():
    nothing = rules(lengths={4: ()}, sends_per_phone=(), sends_of_everybody=())
    assert best(nothing, ANYWHERE).chance == ceiling(nothing, ANYWHERE).chance == 1
    assert budget.accounts_a_day(nothing) == budget.FOREVER


def test_the_chance_is_that_of_any_guess_being_right():
    assert Outcome({4: 1}).chance == pytest.approx(1e-4)
    assert Outcome({4: 10_000}).chance == pytest.approx(1 - (1 - 1e-4) ** 10_000)
    assert Outcome({}).chance == 0


some_rates = st.lists(
    st.sampled_from(["2/h", "5/d", "7/2d", "20/30d", "40/90d", "60/365d", "9/3h"]), max_size=2, unique=True
).map(lambda each: parse(",".join(each)) if each else ())


@settings(deadline=None, max_examples=10, derandomize=True)
@given(tries=st.integers(1, 5), six=some_rates, eight=some_rates, sends=st.sampled_from(["1/d", "2/5d,1/h", "9/30d"]))
def test_whatever_the_settings_no_strategy_exceeds_the_bound(tries, six, eight, sends):
    some = rules(tries=tries, lengths={4: (), 6: six, 8: eight}, sends_per_phone=parse(sends))
    for attacker in ATTACKERS:
        found, bound = best(some, attacker), ceiling(some, attacker)
        assert found.compared.get(4, 0) <= bound.compared[4]
        assert found.compared.get(4, 0) + found.compared.get(6, 0) <= bound.compared[4] + bound.compared[6]
        assert found.chance <= bound.chance * 1.0001


def budget_of(configuration: dict, *arguments: str) -> str:
    call = f"from django.core.management import call_command as c; c('otp_budget', *{arguments!r})"
    done = start(configuration, f"import django; django.setup(); {call}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_security_md_shows_what_the_command_says_of_the_defaults():
    shown = (env.ROOT / "SECURITY.md").read_text().partition("<!-- otp_budget -->\n")[2]
    assert shown.partition("<!-- /otp_budget -->")[0].strip() == budget_of(REAL, "--markdown").strip()


def test_money_is_the_dearest_message_that_may_be_sent():
    said = budget_of(REAL | {"SMS_COST": "RU:3.5,KZ:9,*:4", "PHONE_ALLOWED_REGIONS": "RU,US"})
    assert "20,000, 80,000 by SMS_COST" in said


def test_a_demo_says_that_it_is_one(capsys):
    call_command("otp_budget")
    assert capsys.readouterr().out.startswith("These are the limits of a demo")
