"""Clients that do not do their part, beside a polite visitor whose answers must come as if they were alone."""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import requests

from tests.support import live

FULL = bool(os.environ.get("FULL"))
SECONDS = 3
HELD = 64
IDLE = 5000 if FULL else 1000
FEWER = 5  # the rude share the machine with the visitor, so fewer answers there may be, but not this many times fewer
HEAD = b"Host: localhost\r\n"
LARGE = 20  # times the largest file there is


@pytest.fixture(scope="module")
def zovi(tmp_path_factory):
    with live.demo(tmp_path_factory.mktemp("zovi")) as server:
        yield server


@pytest.fixture(scope="module")
def visitor(zovi):
    """Reads their profile, over a kept connection and over new ones."""
    signed_in = {"Authorization": zovi.sign_in().headers["Authorization"]}
    url = f"{zovi.base}/api/users/me/"
    return [
        live.rest("GET", url, headers=signed_in),
        live.rest("GET", url, headers=signed_in | {"Connection": "close"}),
    ]


def answers(visitor) -> int:
    """How many the visitor gets in SECONDS. All of them are right."""
    with live.Load(visitor[0], 1) as kept, live.Load(visitor[1], 1) as renewed:
        time.sleep(SECONDS)
    for load in (kept, renewed):
        assert set(load.statuses()) == {200}
    return min(len(kept.answers), len(renewed.answers))


@pytest.fixture(scope="module")
def alone(visitor) -> int:
    return answers(visitor)


def assert_as_if_alone(visitor, alone: int) -> None:
    """In one of a few rounds, for there may be others at work on the machine."""
    rounds = 0
    while (counted := answers(visitor)) < alone / FEWER:
        rounds += 1
        assert rounds < 5, f"{counted} answers, alone {alone}"


def connect(zovi, receive_buffer: int = 0) -> socket.socket:
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(120)
    connection.connect(("127.0.0.1", int(zovi.base.rpartition(":")[2])))
    return connection


@contextmanager
def held(zovi, request: bytes, count: int = HELD, **options) -> Iterator[list[socket.socket]]:
    """Connections that have sent this, and do not hang up whatever the server does."""
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            connections.append(connect(zovi, **options))
            connections[-1].sendall(request)
        yield connections
    finally:
        for connection in connections:
            connection.close()


@contextmanager
def again_and_again(act: Callable[[], None]) -> Iterator[None]:
    """In a thread, until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.01):
            with suppress(OSError):
                act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def status(connection: socket.socket) -> int:
    with connection.makefile("rb") as answer:
        return int(answer.readline().split()[1])


CLOSING = {
    "close": b"GET /livez HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n",
    "1.0": b"GET /livez HTTP/1.0\r\n" + HEAD + b"\r\n",
    "1.0 keep-alive": b"GET /livez HTTP/1.0\r\n" + HEAD + b"Connection: keep-alive\r\n\r\n",
}


@pytest.mark.parametrize("request_", CLOSING.values(), ids=CLOSING)
def test_whoever_asks_for_the_end_and_does_not_hang_up_holds_nobody_up(zovi, visitor, alone, request_):
    with held(zovi, request_) as connections:
        assert_as_if_alone(visitor, alone)
        assert {status(connection) for connection in connections} == {200}


def test_thousands_who_say_nothing_do_no_harm(zovi, visitor, alone):
    with held(zovi, b"", count=IDLE):
        assert_as_if_alone(visitor, alone)


def test_thousands_who_say_nothing_more_do_no_harm(zovi, visitor, alone):
    with held(zovi, b"GET /livez HTTP/1.1\r\n" + HEAD + b"\r\n", count=IDLE) as connections:
        assert {status(connection) for connection in connections} == {200}
        assert_as_if_alone(visitor, alone)


def test_whoever_half_closes_gets_an_answer(zovi, visitor, alone):
    with held(zovi, b"GET /livez HTTP/1.1\r\n" + HEAD + b"\r\n") as connections:
        for connection in connections:
            connection.shutdown(socket.SHUT_WR)
        assert_as_if_alone(visitor, alone)
        assert {status(connection) for connection in connections} == {200}


def test_whoever_never_reads_a_large_answer_holds_no_thread_and_little_memory(zovi, visitor, alone):
    page = requests.get(f"{zovi.base}/api/docs/swagger/", timeout=120).text
    path = re.search(r'src="(/static/[^"]*bundle[^"]*\.js)"', page)[1].encode()
    before = sum(worker.memory_info().rss for worker in live.workers_of(zovi))
    request = b"GET " + path + b" HTTP/1.1\r\n" + HEAD + b"\r\n"
    with held(zovi, request * LARGE, receive_buffer=4096):
        assert_as_if_alone(visitor, alone)
        more = sum(worker.memory_info().rss for worker in live.workers_of(zovi)) - before
        assert more < HELD * 2**20  # of the 20 MB and more that each has asked for


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /api/users/me/ HTTP/1.1\r\n" + HEAD + b"X: ",
        b"POST /api/users/auth/ HTTP/1.1\r\n" + HEAD + b"Content-Length: 60000\r\n\r\n",
    ],
    ids=["head", "body"],
)
def test_a_byte_at_a_time_costs_no_thread(zovi, visitor, alone, begun):
    with held(zovi, begun) as connections:

        def drip() -> None:
            for connection in connections:
                connection.sendall(b"x")

        with again_and_again(drip):
            assert_as_if_alone(visitor, alone)


def test_whoever_hangs_up_in_the_middle_leaves_nothing_behind(zovi, visitor, alone):
    begun = b"POST /api/users/auth/ HTTP/1.1\r\n" + HEAD + b"Content-Length: 60000\r\n\r\n{"

    def come_and_go() -> None:
        with held(zovi, begun, count=8):
            pass

    with again_and_again(come_and_go):
        assert_as_if_alone(visitor, alone)


def test_whoever_hangs_up_before_the_answer_leaves_nothing_behind(zovi, visitor, alone):
    def come_and_go() -> None:
        with held(zovi, b"GET /api/users/me/ HTTP/1.1\r\n" + HEAD + b"\r\n", count=8):
            pass

    with again_and_again(come_and_go):
        assert_as_if_alone(visitor, alone)


def test_a_pipeline_is_answered_in_order_as_far_as_it_is_served(zovi, visitor, alone):
    request = b"GET %b HTTP/1.1\r\n" + HEAD + b"\r\n"
    with held(zovi, (request % b"/livez" + request % b"/api/nothing/") * 8) as connections:
        assert_as_if_alone(visitor, alone)
        for connection in connections:
            with connection.makefile("rb") as answer:
                assert [read_one(answer) for _ in range(16)] == [200, 404] * 8
    with held(zovi, request % b"/livez" * 10_000) as connections:
        assert_as_if_alone(visitor, alone)
        with connections[0].makefile("rb") as answer:
            assert read_one(answer) == 200


def read_one(answer) -> int:
    found = int(answer.readline().split()[1])
    length = 0
    while line := answer.readline().strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    answer.read(length)
    return found


@pytest.mark.parametrize(
    "nonsense",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET /api/x HTTP/1.1\r\nX: " + b"x" * 300_000],
    ids=["TLS", "endless head"],
)
def test_nonsense_is_refused_and_forgotten(zovi, visitor, alone, nonsense):
    with held(zovi, nonsense) as connections:
        assert_as_if_alone(visitor, alone)
        assert {status(connection) for connection in connections} <= {400, 431}


def test_a_body_that_is_too_large_is_refused_whole_and_the_connection_lives(zovi):
    head = b"POST /api/users/auth/ HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\n"
    chunk = b"%x\r\n%b\r\n" % (40_000, b"x" * 40_000)
    for request in (
        head + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n",
    ):
        with connect(zovi) as connection:
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                assert read_one(answer) == 413
                connection.sendall(b"GET /livez HTTP/1.1\r\n" + HEAD + b"\r\n")
                assert read_one(answer) == 200


def test_a_chunked_body_is_read(zovi):
    def pieces():
        yield b'{"phone_number": '
        yield json.dumps("8 913 674-00-77").encode() + b"}"

    sent = requests.post(
        f"{zovi.base}/api/users/send_otp/", data=pieces(), headers={"Content-Type": "application/json"}, timeout=120
    )
    assert (sent.status_code, sent.json()["phone_number"]) == (200, "+79136740077")
