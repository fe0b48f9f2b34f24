"""What a connection is given time for, and what becomes of it then."""

import json
import socket
import threading
from contextlib import suppress

import pytest
from django.http import HttpResponse

from project import connections, reading, server
from tests.support.loops import exchange, serving

GET = b"GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST %b HTTP/1.1\r\nHost: localhost\r\nAccept-Language: ru\r\nContent-Length: 10\r\n\r\n12345"
TIMES = [
    (connections, "HEAD_SECONDS"),
    (connections, "BODY_SECONDS"),
    (connections, "LINGER_SECONDS"),
    (connections, "UNREAD_SECONDS"),
    (reading, "BODY_SECONDS"),
    (server, "TICK_SECONDS"),
]


@pytest.fixture
def hurried(monkeypatch):
    """All of it in no time, so that nothing has to be waited for."""
    for module, name in TIMES:
        monkeypatch.setattr(module, name, 0.05)
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 1)


def application(environ, start_response):
    start_response("200 OK", [])
    return HttpResponse(b"x" * 20_000_000 if environ["PATH_INFO"] == "/large" else environ["PATH_INFO"].encode())


@pytest.fixture
def port(hurried):
    with serving(application) as port:
        yield port


def refusal(answer: bytes) -> tuple[int, dict]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)


def test_who_says_nothing_is_let_go_without_a_word(port):
    assert exchange(port) == b""


def test_who_says_nothing_more_is_let_go(port):
    assert exchange(port, GET).endswith(b"/api/x")


@pytest.mark.parametrize(
    "begun", [b"G", b"GET /api/x HTTP/1.1\r\nHost: localhost\r\n", GET + b"GET /api/y HTTP/1.1\r\n"]
)
def test_a_head_that_does_not_end_is_a_time_out(port, begun):
    *before, last = exchange(port, begun).partition(b"HTTP/1.1 408")
    status, body = refusal(b"HTTP/1.1 408" + last)
    assert (status, body["code"]) == (408, "request_timeout")
    assert b"".join(before[:1]).endswith(b"/api/x" if begun.startswith(GET) else b"")


def test_a_body_that_does_not_end_is_a_time_out_in_the_words_of_its_door(port):
    status, body = refusal(exchange(port, POST % b"/api/x"))
    assert (status, body) == (408, {"detail": "Истекло время ожидания запроса.", "code": "request_timeout"})
    status, body = refusal(exchange(port, POST % b"/graphql/"))
    assert (status, body["errors"][0]["extensions"]["code"]) == (408, "request_timeout")
    status, page = exchange(port, POST % b"/send-code/").split(b"\r\n\r\n", 1)
    assert b"408" in status
    assert "Истекло время ожидания запроса." in page.decode()


@pytest.mark.parametrize("host", [b"evil.example", b"a b", b"[", b""])
def test_a_refusal_needs_no_good_host_and_no_good_cookie(port, host):
    begun = POST.replace(b"localhost\r\n", host + b'\r\nCookie: sessionid="aaaa\\000"; django_language=xx\r\n')
    for path in (b"/api/x", b"/send-code/", b"/graphql/"):
        assert b"408" in exchange(port, begun % path).split(b"\r\n")[0]


def test_an_answer_that_nobody_takes_is_dropped(port):
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        threading.Event().wait(1)  # and takes nothing
        taken = 0
        with suppress(ConnectionResetError):
            while some := connection.recv(1 << 20):
                taken += len(some)
    assert taken < 20_000_000


def test_whoever_has_said_all_and_waits_gets_an_answer(port):
    assert exchange(port, GET, half_close=True).endswith(b"/api/x")
    assert exchange(port, POST % b"/api/x", half_close=True) == b""


def test_another_protocol_is_not_spoken_and_not_minded(port):
    asking = b"GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
    for protocol in (b"websocket", b"h2c"):
        assert exchange(port, asking % protocol).endswith(b"/api/x")


def test_more_at_once_than_a_pipeline_holds_ends_the_connection(port):
    answers = exchange(port, GET * (connections.MAX_PIPELINED + 10))
    assert 1 <= answers.count(b"HTTP/1.1 200") <= connections.MAX_PIPELINED + 1
    assert b"HTTP/1.1 400" not in answers


def test_where_there_is_no_room_left_whoever_waits_for_nothing_makes_room(monkeypatch):
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 8)
    with serving(application) as port:
        silent = [socket.create_connection(("127.0.0.1", port), timeout=120) for _ in range(20)]
        try:
            assert exchange(port, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).endswith(b"/api/x")
            assert sum(has_been_dropped(connection) for connection in silent) >= 12
        finally:
            for connection in silent:
                connection.close()


def has_been_dropped(connection: socket.socket) -> bool:
    try:
        connection.setblocking(False)
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
