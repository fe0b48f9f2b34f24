"""Which limits there are: each is a row here, and counts rows that are written anyway."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from users.errors import CodeRequestedTooSoon, RetryLater, TooManyAttempts, TooManyRequests
from users.rates import Rate

HOME_LASTS = timedelta(days=30)
STEPS = (6, 8)  # digits of a code where guessing goes on


@dataclass(frozen=True)
class Limit:
    """As many `events` in each window as `setting` says; from then on `error`, or codes of so many `digits`.

    `events` is SQL: a table and which of its rows count for the one who asks. Those rows are called `event`, and
    `asked` is one row about who asks: phone_key, address, network, at_home, user_id, as far as they are known.
    """

    setting: str
    events: str
    error: type[RetryLater] | None = None
    digits: int = 0
    spares_those_at_home: bool = False
    of_everybody: bool = False

    def rates(self) -> tuple[Rate, ...]:
        value = getattr(settings, self.setting)
        if isinstance(value, int):  # a pause in seconds: one event in that time
            return (Rate(1, timedelta(seconds=value)),) if value else ()
        return value


# What is asked for of a test number costs nothing and goes to nobody: no limit on sending counts it.
_CODES_OF_PHONE = "users_challenge AS event WHERE event.phone_key = asked.phone_key AND NOT event.is_test"
HOMES = f"""(SELECT home.used_from FROM users_challenge AS home
    WHERE home.phone_key = asked.phone_key AND home.used_from IS NOT NULL
      AND home.used_at > statement_timestamp() - interval '{HOME_LASTS.days} days')"""
_CODES = "users_challenge AS event WHERE NOT event.is_test AND event"
_FAILURES = "users_codefailure AS event WHERE event"

SENDS = (
    Limit("OTP_RESEND_COOLDOWN", f"{_CODES_OF_PHONE} AND is_sent", CodeRequestedTooSoon),
    # What the gateway refuses leaves the phone's budget whole, and it is still not asked again at once.
    Limit("SMS_RETRY_PAUSE", f"{_CODES_OF_PHONE} AND NOT is_sent", CodeRequestedTooSoon),
    # What was asked for from homes and by strangers is counted apart: they cannot use up what is left at home.
    Limit(
        "OTP_SENDS_PER_PHONE",
        f"{_CODES_OF_PHONE} AND is_sent AND (event.address IN {HOMES}) = asked.at_home",
        TooManyRequests,
    ),
    Limit("OTP_SENDS_PER_IP", f"{_CODES}.address = asked.address", TooManyRequests),
    Limit("OTP_SENDS_PER_NETWORK", f"{_CODES}.network = asked.network AND asked.is_ipv6", TooManyRequests),
    Limit("OTP_SENDS_GLOBAL", f"{_CODES}.at_home = asked.at_home", TooManyRequests, of_everybody=True),
)
LENGTHS = (
    Limit("OTP_FAILURES_PER_PHONE", f"{_FAILURES}.phone_key = asked.phone_key", digits=STEPS[0]),
    Limit("OTP_FAILURES_PER_PHONE_LONG", f"{_FAILURES}.phone_key = asked.phone_key", digits=STEPS[1]),
    Limit(
        "OTP_FAILURES_GLOBAL",
        f"{_FAILURES}.created_at IS NOT NULL",
        digits=STEPS[0],
        spares_those_at_home=True,
        of_everybody=True,
    ),
)
TRIES = (Limit("OTP_FAILURES_PER_IP", f"{_FAILURES}.address = asked.address", TooManyAttempts),)
# A fixed code does not change, so guessing at it has to end instead; and many may know it, each use of which writes.
FIXED = (
    Limit(
        "OTP_FAILURES_PER_TEST_NUMBER",
        f"{_FAILURES}.phone_key = asked.phone_key AND asked.is_test",
        TooManyAttempts,
    ),
    Limit(
        "OTP_USES_PER_TEST_NUMBER",
        """users_challenge AS event WHERE event.phone_key = asked.phone_key AND asked.is_test
            AND event.is_test AND event.used_at IS NOT NULL""",
        TooManyAttempts,
    ),
)
INVITES = (
    Limit(
        "INVITE_FAILURES_PER_USER", "users_invitefailure AS event WHERE event.user_id = asked.user_id", TooManyAttempts
    ),
)
_OF_DOOR = "users_addressfailure AS event WHERE event.address = asked.address AND event.door"
VISITS = (Limit("INVITE_FAILURES_PER_IP", f"{_OF_DOOR} = 'invite'", TooManyAttempts),)
SERVICES = (Limit("SERVICE_FAILURES_PER_IP", f"{_OF_DOOR} = 'service'", TooManyAttempts),)
ADMINS = (Limit("ADMIN_FAILURES_PER_IP", f"{_OF_DOOR} = 'admin'", TooManyAttempts),)


def rows_are_kept(limits: tuple[Limit, ...], *, at_least: timedelta) -> timedelta:
    """How long what these limits count must not be purged."""
    return max([at_least, *(rate.window for limit in limits for rate in limit.rates())])
