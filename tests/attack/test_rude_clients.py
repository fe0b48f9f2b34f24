"""Clients that do not do their part, beside a polite visitor whose answers must come as if they were alone."""

import socket
import time
from contextlib import contextmanager

import pytest

from tests.support import live

SECONDS = 3
HELD = 64
FEWER = 5  # the rude share the machine with the visitor, so fewer answers there may be, but not this many times fewer


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


def connect(zovi) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(zovi.base.rpartition(":")[2])), timeout=120)


@contextmanager
def held(zovi, request: bytes):
    """HELD connections that have sent this, and do not hang up whatever the server does."""
    connections = [connect(zovi) for _ in range(HELD)]
    try:
        for connection in connections:
            connection.sendall(request)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def first_line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as answer:
        return answer.readline()


CLOSING = {
    "close": b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "1.0": b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n",
    "1.0 keep-alive": b"GET /livez HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
}


@pytest.mark.parametrize("request_", CLOSING.values(), ids=CLOSING)
def test_whoever_asks_for_the_end_and_does_not_hang_up_holds_nobody_up(zovi, visitor, alone, request_):
    with held(zovi, request_) as connections:
        assert answers(visitor) >= alone / FEWER
        assert {first_line(connection)[-8:] for connection in connections} == {b"200 OK\r\n"}
