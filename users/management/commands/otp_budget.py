from datetime import timedelta

from django.conf import settings
from django.core.management import BaseCommand

from users.limits import STEPS
from users.rates import Rate

DAYS = 365
DAY = 24 * 3600


class Command(BaseCommand):
    help = "Prints the chance that somebody guesses into one given phone's account within a year, under the settings."

    def handle(self, **options):
        tries_a_day = min(self.tries_a_day(), self.failures_a_day())
        before, after = self.tries_before_step_up(), tries_a_day * DAYS
        chance = 1 - (1 - 10**-settings.OTP_DIGITS) ** before * (1 - 10 ** -STEPS[0]) ** after
        lines = [
            f"Codes of {settings.OTP_DIGITS} digits, {settings.OTP_TRIES} tries each, {settings.OTP_TTL} s of life.",
            f"Tries a day against one phone:            {tries_a_day:g}",
            f"Tries against {settings.OTP_DIGITS} digits, until the step-up: {before:g}",
            f"Tries against {STEPS[0]} digits in the rest of the year: {after:g}",
            f"Chance to guess right within a year:      {chance:.2%}",
        ]
        self.stdout.write("\n".join(lines))

    def tries_a_day(self) -> float:
        """A phone is sent so many codes to strangers' addresses, and each may be tried so often."""
        cooldown = settings.OTP_RESEND_COOLDOWN
        rates = [*settings.OTP_SENDS_PER_PHONE, *([Rate(1, timedelta(seconds=cooldown))] if cooldown else [])]
        return settings.OTP_TRIES * min((_a_day(rate) for rate in rates), default=float("inf"))

    def failures_a_day(self) -> float:
        """Everybody's failures together bound what one phone can get."""
        return min((_a_day(rate) for rate in settings.OTP_FAILURES_GLOBAL), default=float("inf"))

    def tries_before_step_up(self) -> float:
        """The failures that bring the step-up, or a year's tries where there is none."""
        if not settings.OTP_FAILURES_PER_PHONE:
            return min(self.tries_a_day(), self.failures_a_day()) * DAYS
        return min(rate.count for rate in settings.OTP_FAILURES_PER_PHONE)


def _a_day(rate: Rate) -> float:
    return rate.count * max(1.0, DAY / rate.window.total_seconds())
