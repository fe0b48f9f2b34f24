"""What a sign-in costs with events and without, in one interleaved run: `python -m bench.events`.

In process, on the embedded database: processor time of Django and of PostgreSQL, and the time that passes. The database
should be one that may be thrown away, LOCAL_DIR=/tmp/… for instance.
"""

import os
import statistics
import time
from itertools import count

import django
import psutil

ROUNDS, SIGN_INS = 12, 200
NUMBERS = count(int(time.time() * 1000) % 10**7)


def main() -> None:
    os.environ |= {"DEMO": "1", "DJANGO_SETTINGS_MODULE": "project.settings", "SMS_SIMULATED_DELAY": "0"}
    os.environ |= {"OTP_RESEND_COOLDOWN": "0", "OTP_SENDS_PER_PHONE": "off", "OTP_SENDS_PER_IP": "off"}
    os.environ["LOG_LEVEL"] = "ERROR"
    django.setup()
    from django.core.management import call_command
    from django.test.utils import override_settings

    from users import webhooks

    call_command("migrate", verbosity=0)
    endpoint = webhooks.parse("https://backend.example/events")
    ways = {
        "without": {"EVENTS_ARE_RECORDED": False},
        "with a service key": {"EVENTS_ARE_RECORDED": True},
        "with a webhook": {"EVENTS_ARE_RECORDED": True, "WEBHOOK_URLS": [endpoint]},
    }
    taken: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for round_ in range(ROUNDS + 1):
        for name, configuration in ways.items():
            with override_settings(**configuration):
                for kind, phones in (("first", fresh()), ("again", again())):
                    if round_:  # the first only warms up
                        taken.setdefault((kind, name), []).append(measured(phones))
                    else:
                        measured(phones)
    print("| sign-in | events | Django, µs | PostgreSQL, µs | passed, µs |\n|---|---|---:|---:|---:|")
    for (kind, name), rows in taken.items():
        ours, theirs, passed = zip(*rows, strict=True)
        figures = (statistics.fmean(ours), statistics.fmean(theirs), statistics.median(passed))
        print(f"| {kind} | {name} | {' | '.join(f'{figure:.0f}' for figure in figures)} |")


def fresh() -> list[str]:
    return [f"+7999{next(NUMBERS) % 10**7:07}" for _ in range(SIGN_INS)]


def again() -> list[str]:
    return [f"+7998{number:07}" for number in range(SIGN_INS)]


def measured(phones: list[str]) -> tuple[float, ...]:
    """Of one `verify_code` each: processor time of ours, of PostgreSQL, time passed; microseconds."""
    from users import services
    from users.clients import Client

    client = Client(address="203.0.113.5", host="zovi.example", user_agent="bench")
    sent = [services.request_code(phone=phone, client=client) for phone in phones]
    began = time.perf_counter(), time.process_time(), postgres()
    for one in sent:
        services.verify_code(code=one.otp or "", challenge=one.challenge, client=client)
    ended = time.perf_counter(), time.process_time(), postgres()
    passed, ours, theirs = ((end - begin) / len(sent) * 1e6 for begin, end in zip(began, ended, strict=True))
    return ours, theirs, passed


def postgres() -> float:
    """Seconds of every backend of this process's database."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
        pids = [row[0] for row in cursor.fetchall()]
    connection.close()
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


if __name__ == "__main__":
    main()
