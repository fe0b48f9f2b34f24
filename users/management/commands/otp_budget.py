from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.core.management import BaseCommand

from users import budget, limits
from users.rates import Rate


class Command(BaseCommand):
    help = "Prints what the best strategy against the running settings comes to: guesses, chances, accounts, messages."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--markdown", action="store_true", help="the tables of SECURITY.md")

    def handle(self, *, markdown: bool, **options) -> None:
        rules = running_rules()
        guessing = [guessing_row(rules, attacker) for attacker in budget.ATTACKERS]
        show = markdown_table if markdown else text_table
        if settings.DEMO:
            self.stdout.write("These are the limits of a demo, which are wide. Look at those you will run with.")
        self.stdout.write(
            "Guesses at one phone's codes that are compared within a year, and the chance that one is right:\n\n"
        )
        lengths = [f"{digits} digits" for digits in sorted(rules.lengths)]
        self.stdout.write(show([["who guesses", *lengths, "chance", "never more than"], *guessing]))
        self.stdout.write("\nEverybody together:\n\n")
        self.stdout.write(show([["what strangers come to in a day", "at most"], *everybody_rows(rules)]))


def running_rules() -> budget.Rules:
    cooldown = settings.OTP_RESEND_COOLDOWN
    lengths: dict[int, tuple[Rate, ...]] = {settings.OTP_DIGITS: ()}
    for limit in limits.LENGTHS:
        if not limit.of_everybody and limit.rates() and limit.digits > settings.OTP_DIGITS:
            lengths[limit.digits] = (*lengths.get(limit.digits, ()), *limit.rates())
    return budget.Rules(
        tries=settings.OTP_TRIES,
        lengths=lengths,
        sends_per_phone=(
            *settings.OTP_SENDS_PER_PHONE,
            *([Rate(1, timedelta(seconds=cooldown))] if cooldown else []),
        ),
        sends_per_address=settings.OTP_SENDS_PER_IP,
        sends_per_network=settings.OTP_SENDS_PER_NETWORK,
        sends_of_everybody=settings.OTP_SENDS_GLOBAL,
        failures_per_address=settings.OTP_FAILURES_PER_IP,
        failures_of_everybody=settings.OTP_FAILURES_GLOBAL,
        digits_for_everybody=limits.STEPS[0],
    )


def guessing_row(rules: budget.Rules, attacker: budget.Attacker) -> list[str]:
    found, bound = budget.best(rules, attacker), budget.ceiling(rules, attacker)
    counts = [number(found.compared[digits]) for digits in sorted(rules.lengths)]
    return [attacker.name, *counts, f"{found.chance:.2%}", f"{bound.chance:.2%}"]


def everybody_rows(rules: budget.Rules) -> list[list[str]]:
    rows = [
        ["accounts taken over, by any number of addresses", expected(budget.accounts_a_day(rules))],
        [
            "and with one that is the home of all they attack",
            expected(budget.accounts_a_day(rules, addresses_at_home=1)),
        ],
    ]
    for whose, count in budget.messages_a_day(rules).items():
        rows.append([f"messages {whose}", f"{number(count)}{cost(count)}"])
    return rows


def cost(messages: float) -> str:
    """Of so many messages to the dearest region that may get them."""
    prices = [
        price
        for region, price in settings.SMS_COST.items()
        if region == "*" or not settings.PHONE_ALLOWED_REGIONS or region in settings.PHONE_ALLOWED_REGIONS
    ]
    if not prices or messages == budget.FOREVER:
        return ""
    return f", {max(prices) * Decimal(messages):,} by SMS_COST"


def expected(accounts: float) -> str:
    return "unlimited" if accounts == budget.FOREVER else f"{accounts:.3f}"


def number(count: float) -> str:
    return "unlimited" if count == budget.FOREVER else f"{count:,.0f}"


def text_table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def markdown_table(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)
