"""What every test may use: three people, their phones, and many threads at once."""

import os
from collections.abc import Callable
from unittest import mock

import pytest
from django.conf import settings
from django.utils import translation
from rest_framework.test import APIClient

from tests.support.people import ALICE, BOB, CHARLIE
from users.clients import Client
from users.models import User
from users.services import openings
from users.sms import Message, gateways, routes

# project/wsgi.py gives a server's connections short time-outs; tests that import it share a busy machine.
settings.DATABASES["default"]["OPTIONS"] |= {"options": "-c statement_timeout=0", "connect_timeout": 300}
settings.DATABASE_POOL_PATIENCE = settings.DATABASE_DEADLINE = 3600


@pytest.fixture(autouse=True)
def in_english() -> None:
    """Whatever language a page left on this thread."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def _openings_of_its_own(monkeypatch) -> None:
    """Each test counts opened links from none, and writes them when it says so."""
    monkeypatch.setattr(openings._Noted, "_start_clock", lambda noted: None)
    monkeypatch.setattr(openings, "_noted", openings._Noted())


@pytest.fixture
def sms_outbox(monkeypatch) -> list[tuple[str, str]]:
    """Messages as (phone, text) instead of a gateway."""
    sent: list[tuple[str, str]] = []

    def take(route: routes.Route, message: Message, deadline: float) -> gateways.Answer:
        sent.append((message.phone, message.text))
        return gateways.Answer(gateways.Outcome.SENT)

    monkeypatch.setattr(routes.Route, "ask", take)
    return sent


@pytest.fixture
def real_outbox(sms_outbox, settings) -> list[tuple[str, str]]:
    """The same outside a demo."""
    settings.DEMO, settings.SMS_URL = False, "json://localhost/{phone}"
    return sms_outbox


@pytest.fixture
def refusing_gateway():
    """While it is entered, no message is taken."""
    refusal = gateways.Answer(gateways.Outcome.REFUSED, "http_error", 500)
    return mock.patch.object(routes.Route, "ask", return_value=refusal)


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
