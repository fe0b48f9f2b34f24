"""Webhooks: whom events may be posted to, and that they arrive whatever the other side does."""

import datetime
import ipaddress
import json
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.db import OperationalError
from django.db.models import F
from django.utils import timezone

from tests.support.people import at_once
from tests.support.receivers import OLD_SECRET, SECRET, receiver
from tests.support.servers import free_port, wait_until
from users import events, webhooks
from users.events import delivery, post
from users.models import Delivery, Event, GoneEndpoint
from users.webhooks import EventType

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backend():
    with receiver() as server:
        yield server


@pytest.fixture(autouse=True)
def subscribed(settings, backend):
    settings.WEBHOOK_URLS = [webhooks.parse(backend.url)]
    settings.WEBHOOK_SECRETS = [SECRET]
    settings.EVENTS_ARE_RECORDED = True


def happen(*numbers: int, kind=EventType.USER_ENABLED) -> None:
    events.record(kind, *({"user_id": number} for number in numbers))


def is_due_now(**of) -> None:
    Delivery.objects.filter(next_attempt_at__isnull=False, **of).update(next_attempt_at=timezone.now())


def outcomes() -> list[tuple[int, str, bool]]:
    """Of every delivery: attempts, outcome, whether it arrived."""
    rows = Delivery.objects.order_by("id").values_list("attempts", "outcome", "delivered_at")
    return [(attempts, outcome, delivered_at is not None) for attempts, outcome, delivered_at in rows]


# --- Whom ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address", "may"),
    [
        ("https://backend.example/", "93.184.216.34", True),
        ("https://backend.example/", "2606:2800:220:1:248:1893:25c8:1946", True),
        ("https://backend.example/", "10.0.0.1", False),
        ("https://backend.example/", "127.0.0.1", False),
        ("https://backend.example/", "169.254.169.254", False),
        ("https://backend.example/", "100.64.0.1", False),
        ("https://backend.example/", "0.0.0.0", False),  # noqa: S104
        ("https://backend.example/", "224.0.0.1", False),
        ("https://backend.example/", "::1", False),
        ("https://backend.example/", "fd00::1", False),
        ("https://backend.example/", "::ffff:10.0.0.1", False),
        ("https://backend.example/", "2002:0a00:0001::1", False),
        ("https://backend.example/", "64:ff9b::10.0.0.1", False),
        ("https://backend.example/", "64:ff9b:1::10.0.0.1", False),
        ("https://backend.example/", "fec0::1", False),
        ("https://backend.example/", "::127.0.0.1", False),
        ("https://10.0.0.1/", "10.0.0.1", True),
        ("https://10.0.0.1/", "10.0.0.2", False),
        ("https://[fd00::1]/", "fd00::1", True),
        ("http://127.0.0.1:9000/", "127.0.0.1", True),
        ("http://localhost/", "::1", True),
        ("http://localhost/", "10.0.0.1", False),
        ("http://localhost/", "93.184.216.34", False),
    ],
)
def test_a_name_leads_to_the_public_internet_and_an_address_to_itself(url, address, may):
    assert webhooks.parse(url).may_connect_to(ipaddress.ip_address(address)) is may


def test_a_name_that_leads_to_a_private_address_is_not_connected_to(settings, backend, monkeypatch):
    settings.WEBHOOK_URLS = [webhooks.parse(f"https://backend.example:{backend.server_port}/")]
    answers = [[("93.184.216.34", 443), ("127.0.0.1", backend.server_port)], [("127.0.0.1", backend.server_port)]]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", found) for found in answers.pop(0)])
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it was connected to"))
    happen(1)
    for attempts in (1, 2):
        assert events.deliver_due() == 1
        assert outcomes() == [(attempts, "PrivateAddress", False)]
        is_due_now()
    assert backend.received == []


def test_what_was_looked_at_is_what_is_connected_to(settings, backend, monkeypatch):
    """The name is asked once; whatever it says a moment later, nobody hears."""
    settings.WEBHOOK_URLS = [webhooks.parse("https://backend.example/")]
    asked, connected = [], []

    def look_up(host, port, **_):
        asked.append(host)
        return [(2, 1, 6, "", ("93.184.216.34", port))]

    def connect(address, timeout):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    happen(1)
    events.deliver_due()
    assert (asked, connected) == (["backend.example"], [("93.184.216.34", 443)])
    assert outcomes() == [(1, "ConnectionRefusedError", False)]


def test_the_next_address_is_tried_when_one_is_not_reached(settings, backend, monkeypatch):
    settings.WEBHOOK_URLS = [webhooks.parse(f"http://localhost:{backend.server_port}/")]
    look_up = socket.getaddrinfo

    def find(host, port, *args, **kwargs):
        if host != "localhost":
            return look_up(host, port, *args, **kwargs)
        return [(10, 1, 6, "", ("::1", port, 0, 0)), (2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", find)
    happen(1)
    events.deliver_due()
    assert outcomes() == [(1, "204", True)]
    assert len(backend.received) == 1


# --- That it arrives ----------------------------------------------------------------------------------------------


def test_a_delivery_is_what_the_feed_says_signed_as_standard_webhooks_has_it(backend):
    happen(7)
    assert events.deliver_due() == 1
    [in_feed], _ = events.after(0, limit=10)
    [(headers, body)] = backend.received
    assert backend.verified() == [in_feed.as_dict()] == [json.loads(body)]
    assert headers["webhook-id"] == str(in_feed.id)
    assert headers["Content-Type"] == "application/json"
    assert outcomes() == [(1, "204", True)]
    assert events.deliver_due() == 0


def test_during_a_rotation_both_secrets_verify_every_delivery(settings, backend):
    settings.WEBHOOK_SECRETS = [SECRET, OLD_SECRET]
    happen(1, 2)
    events.deliver_due()
    assert len(backend.verified(SECRET)) == len(backend.verified(OLD_SECRET)) == 2
    assert {len(headers["webhook-signature"].split(" ")) for headers, _ in backend.received} == {2}


def test_only_the_chosen_types_are_posted_and_all_are_in_the_feed(settings, backend):
    settings.WEBHOOK_TYPES = ["user.disabled"]
    happen(1)
    happen(2, kind=EventType.USER_DISABLED)
    assert events.deliver_due() == 1
    assert [event["data"] for event in backend.events] == [{"user_id": 2}]
    assert [event.data for event in events.after(0, limit=10)[0]] == [{"user_id": 1}, {"user_id": 2}]


def test_what_fails_is_tried_again_on_schedule_then_given_up_with_an_alarm(backend, caplog):
    backend.status = 500
    happen(1)
    schedule = []
    for attempts in range(1, 10):
        assert events.deliver_due() == 1
        assert outcomes() == [(attempts, "500", False)]
        schedule.append(Delivery.objects.get().next_attempt_at - timezone.now())
        is_due_now()
    expected = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert [round(wait.total_seconds() / 5) * 5 for wait in schedule] == expected
    assert len({headers["webhook-id"] for headers, _ in backend.received}) == 1

    backend.status = 200
    backend.statuses = [500]
    assert events.deliver_due() == 2  # the tenth of the event, and the alarm about it
    assert outcomes() == [(10, "500", False), (1, "200", True)]
    assert Delivery.objects.order_by("id").first().next_attempt_at is None
    assert backend.events[-1]["type"] == "alarm.raised"
    assert backend.events[-1]["data"] == {"alarm": "webhook_given_up", "endpoint": "127.0.0.1"}
    assert "webhook_given_up" in caplog.text
    assert events.deliver_due() == 0


def test_a_database_that_is_away_is_asked_at_growing_intervals_and_named_once(caplog):
    class Stop(threading.Event):
        waits: list[float] = []

        def wait(self, timeout=None):
            self.waits.append(timeout)

    asked = iter([OperationalError("+79136740000")] * 7)

    def take() -> int:
        for error in asked:
            raise error
        return 3

    assert delivery._patiently(take, Stop()) == 3
    assert Stop.waits == [0.5, 1, 2, 4, 8, 10, 10]
    [record] = caplog.records
    assert record.getMessage() == "no events can be delivered until the database is back: OperationalError"
    assert record.exc_info is None


def test_410_switches_the_url_off_until_a_new_start(backend, caplog):
    backend.status = 410
    happen(1)
    assert events.deliver_due() == 1
    happen(2)
    is_due_now()
    assert events.deliver_due() == 0
    assert len(backend.received) == 1
    assert Event.objects.filter(type="alarm.raised", data__alarm="webhook_gone").count() == 1
    assert "webhook_gone" in caplog.text

    backend.status = 200
    deliver_until(lambda: len(backend.received) == 4)
    assert not GoneEndpoint.objects.exists()
    assert {event["type"] for event in backend.events[1:]} == {"user.enabled", "alarm.raised"}


def deliver_until(enough) -> None:
    stop = threading.Event()
    running = threading.Thread(target=events.deliver_forever, args=[stop])
    running.start()
    while not enough():
        assert running.is_alive()
        stop.wait(0.01)
    stop.set()
    running.join()


def test_a_redirect_is_a_failure_and_not_followed(backend):
    with receiver() as elsewhere:
        backend.status, backend.headers = 307, {"Location": elsewhere.url}
        happen(1)
        events.deliver_due()
        assert (len(backend.received), elsewhere.received) == (1, [])
    assert outcomes() == [(1, "307", False)]


def test_one_that_hangs_is_cut_off_and_does_not_hold_the_others_up(settings, backend, monkeypatch):
    monkeypatch.setattr(post, "EXCHANGE_SECONDS", 0.5)
    backend.may_answer.clear()
    with receiver() as other:
        settings.WEBHOOK_URLS = [*settings.WEBHOOK_URLS, webhooks.parse(other.url)]
        happen(1)
        assert events.deliver_due() == 2
        assert len(other.received) == 1
    assert sorted(outcomes()) == [(1, "204", True), (1, "TimeoutError", False)]


def test_one_that_drips_is_cut_off_too(settings, monkeypatch):
    """Each byte begins a socket's own time-out anew."""
    monkeypatch.setattr(post, "EXCHANGE_SECONDS", 0.5)
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.WEBHOOK_URLS = [webhooks.parse(f"http://127.0.0.1:{listener.getsockname()[1]}/")]
        dripping = threading.Thread(target=drip, args=[listener])
        dripping.start()
        happen(1)
        assert events.deliver_due() == 1
        over.set()
        dripping.join()
    assert outcomes() == [(1, "TimeoutError", False)]


def test_one_that_is_reached_when_its_time_is_over_is_sent_nothing(backend, monkeypatch):
    """Or what it answers could drip for ever: it is cut off once."""
    reach = post._Connection._reach

    def reach_late(connection) -> socket.socket:
        wait_until(lambda: connection.is_cut)
        return reach(connection)

    monkeypatch.setattr(post, "EXCHANGE_SECONDS", 0.05)
    monkeypatch.setattr(post._Connection, "_reach", reach_late)
    happen(1)
    assert events.deliver_due() == 1
    assert outcomes() == [(1, "TimeoutError", False)]
    assert backend.received == []


def test_an_endpoint_that_is_down_does_not_stop_the_feed(settings):
    settings.WEBHOOK_URLS = [webhooks.parse(f"http://127.0.0.1:{free_port()}/")]
    happen(1)
    assert events.deliver_due() == 1
    assert outcomes() == [(1, "ConnectionRefusedError", False)]
    assert len(events.after(0, limit=10)[0]) == 1


# --- Sharing the work ---------------------------------------------------------------------------------------------


def test_instances_share_the_work_and_nothing_is_posted_twice(backend):
    happen(*range(60))
    counts = at_once(4, lambda _: events.deliver_due())
    assert sum(counts) == 60
    assert sorted(event["data"]["user_id"] for event in backend.events) == list(range(60))
    assert Delivery.objects.filter(delivered_at=None).count() == 0


def test_what_a_killed_instance_had_in_hand_is_taken_up_later(settings, backend):
    happen(1)
    events.place()
    [taken] = delivery._take(settings.WEBHOOK_URLS[0], most=5)
    assert (events.deliver_due(), backend.received) == (0, [])  # whoever has it may still be alive
    Delivery.objects.update(next_attempt_at=F("next_attempt_at") - datetime.timedelta(seconds=30))
    assert events.deliver_due() == 1
    assert [event["id"] for event in backend.events] == [str(taken.happened.id)]

    # And what the first one has to say afterwards puts nothing back.
    delivery._write_down(settings.WEBHOOK_URLS[0], taken, post.Answer(500, "500"))
    assert outcomes() == [(2, "204", True)]


def test_a_stop_waits_for_what_is_on_its_way_and_writes_it_down(backend):
    backend.may_answer.clear()
    happen(*range(20))
    stop = threading.Event()
    running = threading.Thread(target=events.deliver_forever, args=[stop])
    running.start()
    while len(backend.received) < delivery.AT_ONCE:
        stop.wait(0.01)
    stop.set()
    backend.may_answer.set()
    running.join()
    assert len(backend.received) == Delivery.objects.exclude(delivered_at=None).count() < 20


# --- TLS ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path):
    """One for `localhost`, signed by itself: certificate and key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = tmp_path / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(signed.public_bytes(Encoding.PEM) + private)
    return path


@pytest.mark.parametrize(
    ("host", "is_trusted", "outcome"),
    [
        ("localhost", True, "204"),
        ("localhost", False, "SSLCertVerificationError"),
        ("127.0.0.1", True, "SSLCertVerificationError"),
    ],
)
def test_the_certificate_has_to_be_the_names(settings, backend, certificate, monkeypatch, host, is_trusted, outcome):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    backend.socket = context.wrap_socket(backend.socket, server_side=True)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    post._tls.cache_clear()
    found = [(2, 1, 6, "", ("127.0.0.1", backend.server_port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    settings.WEBHOOK_URLS = [webhooks.parse(f"https://{host}:{backend.server_port}/")]
    happen(1)
    events.deliver_due()
    post._tls.cache_clear()
    assert outcomes() == [(1, outcome, outcome == "204")]
