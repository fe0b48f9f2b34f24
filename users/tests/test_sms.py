"""The gateway, tried with a real HTTP server in its place."""

import threading
import time

import pytest
from django.db import connection

from project.logs import JSONLines
from tests.support.gateways import Pouring, close, closed_port, dripping, flooding, gateway_stand_in
from tests.support.people import ALICE, at_once
from users import errors, services, sms
from users.clients import Client
from users.sms import gateways, transport

BROWSER = Client(address="203.0.113.5", host="zovi.example")
REDIRECTS = [301, 302, 303, 307, 308]


@pytest.fixture
def gateway(settings):
    with gateway_stand_in() as server:
        settings.DEMO, settings.SMS_URL = False, server.url
        yield server


def message(code="0421", **different) -> sms.Message:
    given = {"phone": ALICE, "code": code, "challenge": "a-challenge", "host": "zovi.example", "language": "en"}
    return sms.Message(**(given | different))


def refused() -> errors.SMSNotSent:
    with pytest.raises(errors.SMSNotSent) as refusal:
        sms.send(message())
    return refusal.value


def outcome(caplog) -> dict:
    """What the log says of the last route that was asked."""
    facts = [record.facts for record in caplog.records if record.msg == "route_answered"][-1]
    return {name: facts[name] for name in ("outcome", "why", "status")}


# --- Taken ---------------------------------------------------------------------------------------------------------


def test_the_message_reaches_the_validated_recipient(gateway):
    assert sms.send(message()) == sms.Delivered("json", "sms", None, None)
    [(path, body)] = gateway.received
    assert path.startswith("/sms/+79136740000")
    assert body["message"].splitlines() == [
        "Zovi: 0421 is your sign-in code. Tell it to nobody.",
        "",
        "@zovi.example #0421",
    ]


def test_a_gateway_without_a_place_for_the_phone_gets_it_as_the_title(gateway, settings):
    settings.SMS_URL = gateway.url.replace("{phone}", "")
    sms.send(message())
    assert gateway.received[0][1]["title"] == ALICE


def test_a_message_costs_what_its_segments_do(gateway, settings):
    settings.SMS_COST = {"RU": 3, "*": 8}
    assert sms.send(message()).cost == 3
    assert sms.send(message(language="ru", host="a-long-name.zovi.example")).cost == 6
    assert sms.send(message(phone="+77012345678")).cost == 8


@pytest.mark.parametrize("manner", [close, dripping(), dripping(in_header=True), flooding()])
def test_a_gateway_that_leaves_us_in_doubt_has_sent_it(gateway, manner, monkeypatch, caplog):
    monkeypatch.setattr(sms, "SECONDS", 1.0)
    gateway.manner = manner
    assert sms.send(message()).route == "json"
    assert len(gateway.posts) == 1
    if isinstance(manner, Pouring):
        assert manner.is_over.wait(timeout=120)  # it was hung up on
        assert manner.poured < manner.count


def test_no_more_than_64_kib_of_an_answer_are_read_its_header_among_them(gateway):
    gateway.manner = Pouring(90, piece=b"X: " + b"x" * 60_000 + b"\r\n", in_header=True)
    within, unread = transport.exchange(time.monotonic() + 120), pytest.raises(transport.requests.ConnectionError)
    with within as exchange, transport.Session() as session, unread:
        session.post(f"http://{gateway.address}/")
    assert (exchange.room, exchange.status, exchange.is_doubtful) == (0, None, True)


@pytest.mark.parametrize(
    ("key", "given"), [({"Authorization": "Bearer ours"}, "Bearer ours"), ({}, None)], ids=["with a key", "without"]
)
def test_a_netrc_of_the_machine_is_not_for_gateways(gateway, tmp_path, monkeypatch, key, given):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebodys password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with transport.exchange(time.monotonic() + 120), transport.Session() as session:
        session.post(f"http://{gateway.address}/", data=b"{}", headers=key)
    [post] = gateway.posts
    assert post.headers.get("Authorization") == given


def test_a_gateway_that_is_silent_has_sent_it(gateway, monkeypatch, caplog):
    monkeypatch.setattr(sms, "SECONDS", 0.2)
    gateway.delay = 3.0
    sms.send(message())
    assert outcome(caplog) == {"outcome": "unknown", "why": "ReadTimeoutError", "status": None}


# --- Refused for certain -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_a_gateway_that_refuses_is_an_error(gateway, status, caplog):
    gateway.status = status
    assert refused().extra == {"retry_after": 2}
    assert outcome(caplog) == {"outcome": "refused", "why": "http_error", "status": status}


@pytest.mark.parametrize("status", REDIRECTS)
def test_no_redirect_is_followed(gateway, status, caplog):
    with gateway_stand_in() as elsewhere:
        gateway.status, gateway.headers = status, {"Location": f"http://{elsewhere.address}/login"}
        refused()
        assert elsewhere.posts == elsewhere.other_requests == []
    assert outcome(caplog) == {"outcome": "refused", "why": "redirect", "status": status}


@pytest.mark.parametrize("scheme", ["json", "form", "xml"])
def test_an_answer_may_have_to_say_that_it_was_taken(gateway, settings, scheme, caplog):
    settings.SMS_URL, settings.SMS_SUCCESS = gateway.url.replace("json", scheme), '"status":"OK"'
    gateway.body = b'{"status":"ERROR","reason":"no money"}'
    refused()
    assert outcome(caplog) == {"outcome": "refused", "why": "wrong_answer", "status": 200}
    gateway.body = b'{"status":"OK"}'
    sms.send(message())


def test_an_answer_that_never_came_to_its_end_is_in_doubt(gateway, settings, monkeypatch, caplog):
    monkeypatch.setattr(sms, "SECONDS", 1.0)
    settings.SMS_SUCCESS, gateway.manner = "OK", dripping()
    sms.send(message())
    assert outcome(caplog) == {"outcome": "unknown", "why": "cut_short", "status": 200}


def test_a_refusal_stays_one_however_slowly_it_is_explained(gateway, monkeypatch, caplog):
    monkeypatch.setattr(sms, "SECONDS", 1.0)
    gateway.manner = dripping(status=500)
    refused()
    assert outcome(caplog) == {"outcome": "refused", "why": "http_error", "status": 500}


@pytest.mark.parametrize(
    ("said", "seconds"), [("17", 17), ("0", 1), ("999999", 3600), ("Thu, 01 Jan 2026 00:00:00 GMT", 1), ("soon", 2)]
)
def test_the_gateways_own_wait_is_passed_on(gateway, said, seconds):
    gateway.status, gateway.headers = 429, {"Retry-After": said}
    assert refused().extra == {"retry_after": seconds}


def test_a_gateway_that_is_not_there_is_an_error_and_the_log_tells_no_secret(settings, caplog):
    settings.DEMO, settings.SMS_URL = False, f"json://user:password@127.0.0.1:{closed_port()}/{{phone}}"
    refused()
    assert outcome(caplog) == {"outcome": "refused", "why": "NewConnectionError", "status": None}
    logged = "".join(JSONLines().format(record) for record in caplog.records if record.name == "zovi")
    for secret in ("9136740000", "password", "0421", "127.0.0.1"):
        assert secret not in logged


def test_a_name_nobody_knows_is_an_error(settings, caplog):
    settings.DEMO, settings.SMS_URL = False, "json://gateway.invalid/{phone}"
    refused()
    assert outcome(caplog)["outcome"] == "refused"


def test_a_connection_that_is_not_made_in_time_is_an_error(gateway, monkeypatch, caplog):
    never = threading.Event()
    monkeypatch.setattr(transport.HTTPConnection, "_new_conn", lambda self: never.wait(timeout=60))
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.1)
    refused()
    never.set()
    assert outcome(caplog) == {"outcome": "refused", "why": "ConnectTimeoutError", "status": None}


def test_a_gateway_that_speaks_no_tls_is_an_error(gateway, settings, caplog):
    settings.SMS_URL = gateway.url.replace("json", "jsons")
    refused()
    assert outcome(caplog) == {"outcome": "refused", "why": "SSLError", "status": None}


def test_a_proxy_that_lets_nothing_through_is_an_error(gateway, settings, monkeypatch, caplog):
    monkeypatch.setenv("HTTPS_PROXY", f"http://{gateway.address}")
    settings.SMS_URL, gateway.status = "jsons://gateway.example/{phone}", 403
    refused()
    assert gateway.other_requests == ["CONNECT gateway.example:443"]
    assert outcome(caplog)["outcome"] == "refused"


# --- What is held meanwhile ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_no_connection_and_no_transaction_is_held_while_the_message_is_sent(monkeypatch):
    seen = []

    def look(message):
        seen.append((connection.connection, connection.in_atomic_block))
        return gateways.Answer(gateways.Outcome.SENT)

    monkeypatch.setattr(gateways, "simulate", look)
    services.request_code(phone=ALICE, client=BROWSER)
    assert seen == [(None, False)]


@pytest.mark.django_db(transaction=True)
def test_more_senders_than_connections_wait_together(settings, monkeypatch):
    at_the_gateway = threading.Barrier(3 * settings.DATABASE_POOL_SIZE)

    def meet(message):
        at_the_gateway.wait(timeout=120)
        return gateways.Answer(gateways.Outcome.SENT)

    monkeypatch.setattr(gateways, "simulate", meet)
    results = at_once(
        3 * settings.DATABASE_POOL_SIZE,
        lambda number: services.request_code(phone=f"+7913000{number:04}", client=BROWSER),
    )
    assert {type(result).__name__ for result in results} == {"SentCode"}
