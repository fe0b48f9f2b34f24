"""Against those who ask for codes only to have them paid for: where hardly any of them is used, strangers get no more.

It looks at the newest codes that were sent to people not at home, in the region of the number and in the network of
whoever asks (IPv4 /24, IPv6 /48), of the last hour and of the last day. A code counts when its time is over, so that
nobody is doubted for what is still on its way.
"""

from django.conf import settings

LEAST = 10  # codes that must have been sent before their use says anything
USED_OF_TEN = 2  # fewer is dubious
LOOKED_AT = 200  # newest codes of each window at most
RETRY_SECONDS = 3600  # after an hour without codes the last hour has too few to say anything
SETTING = "SMS_GUARD"

_IN_REGION = "event.region = %(region)s"
_IN_NETWORK = "event.network = %(network)s::inet"

COUNT = """INSERT INTO users_guarddecision (hour, region, scope, decision)
    SELECT date_trunc('hour', statement_timestamp(), 'UTC'), %(region)s::text, current_setting('zovi.guard'),
        %(decision)s::text
    WHERE current_setting('zovi.guard') <> '' AND NOT current_setting('zovi.limited')::boolean
    ON CONFLICT (hour, region, scope, decision) DO UPDATE SET codes = users_guarddecision.codes + 1"""


def look(asked: str) -> tuple[str, ...]:
    """Statements that note in `zovi.guard` what is dubious, after those that note in `zovi.refused` what is too much.

    `asked` is SQL for one row about who asks, with `at_home`.
    """
    if settings.SMS_GUARD == "off":
        return ("SELECT set_config('zovi.guard', '', true)",)
    return (
        f"""SELECT set_config('zovi.limited', current_setting('zovi.refused'), true),
            set_config('zovi.guard', CASE
                WHEN current_setting('zovi.refused')::boolean OR (SELECT at_home FROM {asked} AS asked) THEN ''
                WHEN {_is_dubious(_IN_REGION)} THEN 'region'
                WHEN {_is_dubious(_IN_NETWORK)} THEN 'network' ELSE '' END, true)""",
        COUNT,
        """SELECT set_config('zovi.refused', (current_setting('zovi.refused')::boolean
            OR (current_setting('zovi.guard') <> '' AND %(decision)s = 'denied'))::text, true)""",
    )


def decision() -> str:
    return "denied" if settings.SMS_GUARD == "deny" else "recorded"


def _is_dubious(where: str) -> str:
    return " AND ".join(
        f"""(SELECT count(*) >= {LEAST} AND count(used_at) * 10 < count(*) * {USED_OF_TEN} FROM (
            SELECT event.used_at FROM users_challenge AS event
            WHERE {where} AND event.at_home = false AND event.is_sent AND NOT event.is_test
                AND event.created_at > statement_timestamp() - interval '1 {window}'
                AND event.created_at < statement_timestamp() - interval '{settings.OTP_TTL} seconds'
            ORDER BY event.created_at DESC LIMIT {LOOKED_AT}) AS newest)"""
        for window in ("hour", "day")
    )
