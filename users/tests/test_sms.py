"""The gateway, tried with a real HTTP server in its place."""

import socket
import threading
import time

import pytest
from django.db import connection

from tests.support.gateways import gateway_stand_in
from tests.support.people import ALICE, at_once
from users import errors, services, sms
from users.clients import Client

BROWSER = Client(address="203.0.113.5", host="zovi.example")


@pytest.fixture
def gateway(settings):
    with gateway_stand_in() as server:
        settings.DEMO, settings.SMS_URL = False, server.url
        yield server


def test_the_message_reaches_the_validated_recipient(gateway):
    sms.send(ALICE, sms.code_text("0421", "zovi.example"))
    [(path, body)] = gateway.received
    assert path.startswith("/sms/+79136740000")
    assert body["message"].splitlines() == [
        "Zovi: 0421 is your sign-in code. Tell it to nobody.",
        "",
        "@zovi.example #0421",
    ]


def test_a_gateway_without_a_place_for_the_phone_gets_it_as_the_title(gateway, settings):
    settings.SMS_URL = gateway.url.replace("{phone}", "")
    sms.send(ALICE, "text")
    assert gateway.received[0][1]["title"] == ALICE


@pytest.mark.parametrize("status", [400, 401, 500, 503])
def test_a_gateway_that_refuses_is_an_error(gateway, status):
    gateway.status = status
    with pytest.raises(errors.SMSNotSent):
        sms.send(ALICE, "text")


def test_a_gateway_that_is_not_there_is_an_error_at_once(settings, caplog):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings.DEMO, settings.SMS_URL = False, f"json://user:password@127.0.0.1:{port}/{{phone}}"
    with pytest.raises(errors.SMSNotSent):
        sms.send(ALICE, "text")
    assert "79136740000" not in caplog.text
    assert "password" not in caplog.text


def test_a_silent_gateway_is_given_up(gateway, monkeypatch):
    monkeypatch.setattr(sms, "READ_SECONDS", 0.2)
    gateway.delay = 1.0
    started = time.monotonic()
    with pytest.raises(errors.SMSNotSent):
        sms.send(ALICE, "text")
    assert time.monotonic() - started < 1.0


@pytest.mark.django_db(transaction=True)
def test_no_connection_and_no_transaction_is_held_while_the_message_is_sent(monkeypatch):
    seen = []
    monkeypatch.setattr(sms, "_simulate", lambda *_: seen.append((connection.connection, connection.in_atomic_block)))
    services.request_code(phone=ALICE, client=BROWSER)
    assert seen == [(None, False)]


@pytest.mark.django_db(transaction=True)
def test_more_senders_than_connections_wait_together(settings, monkeypatch):
    at_the_gateway = threading.Barrier(3 * settings.DATABASE_POOL_SIZE)
    monkeypatch.setattr(sms, "_simulate", lambda *_: at_the_gateway.wait(timeout=20))
    results = at_once(
        3 * settings.DATABASE_POOL_SIZE,
        lambda number: services.request_code(phone=f"+7913000{number:04}", client=BROWSER),
    )
    assert {type(result).__name__ for result in results} == {"SentCode"}


@pytest.mark.django_db(transaction=True)
def test_senders_beyond_the_bound_are_told_to_come_back(monkeypatch):
    monkeypatch.setattr(sms, "_sending", threading.BoundedSemaphore(1))
    entered, leave = threading.Event(), threading.Event()

    def slow(phone, text):
        entered.set()
        leave.wait(timeout=20)

    monkeypatch.setattr(sms, "_simulate", slow)

    def act(number):
        if number == 0:
            return services.request_code(phone=ALICE, client=BROWSER)
        entered.wait(timeout=20)
        try:
            return services.request_code(phone="+79130000001", client=BROWSER)
        finally:
            leave.set()

    first, second = at_once(2, act)
    assert type(first).__name__ == "SentCode"
    assert isinstance(second, errors.ServiceUnavailable)
    assert second.extra["retry_after"] == 2
