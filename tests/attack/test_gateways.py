"""Gateways that misbehave, behind the running server and all of its doors: what they saw, and what a visitor saw."""

import itertools
import re
from collections.abc import Callable

import pytest
import requests

from tests.support import live
from tests.support.gateways import close, dripping, flooding, gateway_stand_in
from tests.support.people import at_once

MINUTES = 300  # how long a stand-in would go on; whoever answers before has given it up
REDIRECTS = (301, 302, 303, 307, 308)
numbers = itertools.count()


@pytest.fixture(scope="module")
def gateway():
    with gateway_stand_in() as server:
        yield server


@pytest.fixture(scope="module")
def zovi(tmp_path_factory, gateway):
    limits = {"OTP_RESEND_COOLDOWN": "60", "OTP_SENDS_PER_PHONE": "5/h,10/d", "OTP_SENDS_PER_IP": "off"}
    with live.production(tmp_path_factory.mktemp("gateways"), gateway.server_port, **limits) as server:
        yield server


@pytest.fixture(autouse=True)
def well_behaved(gateway):
    """At first."""
    gateway.posts.clear()
    gateway.other_requests.clear()
    fresh = type(gateway)()
    fresh.server_close()
    for name in ("status", "delay", "headers", "body", "manner"):
        setattr(gateway, name, getattr(fresh, name))


def new_phone() -> str:
    return f"+7916{next(numbers):07}"


def by_rest(zovi, phone: str) -> tuple[int, float]:
    answer = requests.post(f"{zovi.base}/api/users/send_otp/", json={"phone_number": phone}, timeout=MINUTES)
    return answer.status_code, answer.elapsed.total_seconds()


def by_graphql(zovi, phone: str) -> tuple[int, float]:
    query = f'mutation {{ requestCode(phoneNumber: "{phone}") {{ challenge }} }}'
    answer = requests.post(f"{zovi.base}/graphql/", json={"query": query}, timeout=MINUTES)
    errors = answer.json().get("errors")
    return errors[0]["extensions"]["status"] if errors else 200, answer.elapsed.total_seconds()


def by_pages(zovi, phone: str) -> tuple[int, float]:
    browser = requests.Session()
    form = browser.get(f"{zovi.base}/send-code/", timeout=MINUTES).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]
    given = {"csrfmiddlewaretoken": token, "phone": phone}
    answer = browser.post(f"{zovi.base}/send-code/", data=given, timeout=MINUTES, allow_redirects=False)
    return 200 if answer.status_code == 302 else answer.status_code, answer.elapsed.total_seconds()


DOORS: tuple[Callable, ...] = (by_rest, by_graphql, by_pages)


def ask_everywhere(zovi) -> tuple[list[str], list[int], float]:
    """Three people, each by a door of their own: their phones, the statuses, and the longest they waited."""
    phones = [new_phone() for _ in DOORS]
    answers = at_once(len(DOORS), lambda number: DOORS[number](zovi, phones[number]))
    return phones, [status for status, _ in answers], max(seconds for _, seconds in answers)


@pytest.mark.row("O16")
@pytest.mark.parametrize("manner", ["silent", "dripping", "dripping its header", "closing", "flooding"])
def test_one_that_leaves_us_in_doubt_has_sent_it_and_is_asked_once(zovi, gateway, manner, figure):
    if manner == "silent":
        gateway.delay = MINUTES
    else:
        gateway.manner = {
            "dripping": dripping(),
            "dripping its header": dripping(in_header=True),
            "closing": close,
            "flooding": flooding(),
        }[manner]
    phones, statuses, slowest = ask_everywhere(zovi)
    assert statuses == [200, 200, 200]
    assert slowest < MINUTES
    again = [door(zovi, phone)[0] for door in DOORS for phone in phones]
    assert set(again) == {429}
    assert len(gateway.posts) == 3
    figure(f"{manner}: 3 doors, 12 asked for, 3 seen by the gateway, answered after ≤ {slowest:.1f} s")


@pytest.mark.row("O16")
@pytest.mark.parametrize("status", [*REDIRECTS, 400, 500])
def test_one_that_refuses_at_once_has_not_sent_it_and_is_not_followed(zovi, gateway, status):
    with gateway_stand_in() as elsewhere:
        gateway.status, gateway.headers = status, {"Location": f"http://{elsewhere.address}/login"}
        _phones, statuses, _ = ask_everywhere(zovi)
        assert elsewhere.posts == elsewhere.other_requests == gateway.other_requests == []
    assert statuses == [503, 503, 503]
    assert len(gateway.posts) == 3


@pytest.mark.row("O16")
def test_a_long_answer_is_not_kept_in_memory(zovi, gateway):
    before = max(worker.memory_info().rss for worker in live.workers_of(zovi))
    gateway.manner = flood = flooding()
    ask_everywhere(zovi)
    assert flood.is_over.wait(timeout=MINUTES)
    after = max(worker.memory_info().rss for worker in live.workers_of(zovi))
    assert flood.poured < flood.count
    assert after - before < 100 * 2**20
