"""What every test may use: three people, their phones, and many threads at once."""

import os
import threading
from collections.abc import Callable

import pytest
from django.db import connections
from rest_framework.test import APIClient

from users import sms
from users.clients import Client
from users.models import User

ALICE, BOB, CHARLIE = "+79136740000", "+79136740012", "+79261234567"


@pytest.fixture
def sms_outbox(monkeypatch) -> list[tuple[str, str]]:
    """Messages as (phone, text) instead of a gateway."""
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(sms, "_simulate", lambda phone, text: sent.append((phone, text)))
    return sent


@pytest.fixture
def full() -> bool:
    """FULL=1: as long and as hard as it takes, with nothing else running."""
    return bool(os.environ.get("FULL"))


@pytest.fixture
def figure(record_property) -> Callable[[str], None]:
    """Notes what was measured, for the scorecard."""
    return lambda words: record_property("figure", words)


@pytest.fixture
def browser() -> Client:
    """Whoever calls a service."""
    return Client(address="203.0.113.5", host="zovi.example", user_agent="pytest")


@pytest.fixture
def alice(db) -> User:
    return User.objects.get_or_register(ALICE)[0]


@pytest.fixture
def bob(db) -> User:
    return User.objects.get_or_register(BOB)[0]


@pytest.fixture
def charlie(db) -> User:
    return User.objects.get_or_register(CHARLIE)[0]


@pytest.fixture
def api() -> APIClient:
    """A REST client with a cookie jar of its own."""
    return APIClient(raise_request_exception=False)


def at_once(count: int, action) -> list:
    """Run action(i) in `count` threads released by one barrier; results, or the exceptions they ended in."""
    barrier = threading.Barrier(count)
    results: list = [None] * count

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = action(number)
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
