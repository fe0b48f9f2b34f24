"""The front of docker-compose.production.yml, real Caddy before a real Zovi: who drips a request holds nobody up."""

import os
import resource
import socket
import subprocess
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from project import env
from tests import needs
from tests.support.live import demo
from tests.support.servers import free_port, wait_until

CROWD = 1020
NUMBER = {"phone_number": "8 913 674-00-00"}
# What the image's Caddy says in one line, Debian's older one says in two.
BUFFERS = ("request_buffers 128KB", "buffer_requests\n\t\tmax_buffer_size 128KB")


@pytest.fixture(scope="module")
def zovi(tmp_path_factory):
    with demo(tmp_path_factory.mktemp("zovi"), TRUSTED_PROXY_COUNT="1") as zovi:
        yield zovi


@pytest.fixture(scope="module")
def caddy(zovi, tmp_path_factory):
    program = needs.program("caddy", "apt install caddy")
    folder = tmp_path_factory.mktemp("caddy")
    port = free_port()
    words = (env.ROOT / "deploy" / "Caddyfile").read_text()
    assert BUFFERS[0] in words
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("v"):
        words = words.replace(*BUFFERS)
    (folder / "Caddyfile").write_text(words)
    inherited = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    site = {"SITE": f"http://127.0.0.1:{port}", "ZOVI": urlsplit(zovi.base).netloc}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"],
            env=inherited | site,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/livez", timeout=300).ok
    except requests.ConnectionError:
        return False


def connections_to(zovi) -> int:
    port = urlsplit(zovi.base).port
    taken = [one for one in psutil.net_connections("tcp") if one.raddr and one.raddr.port == port]
    return sum(one.status == psutil.CONN_ESTABLISHED for one in taken)


@pytest.fixture
def many_files():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_crowd_that_drips_bodies_reaches_zovi_not_at_all(zovi, caddy, many_files):
    head = f"POST /api/users/send_otp/ HTTP/1.1\r\nHost: 127.0.0.1:{caddy}\r\nContent-Length: 60\r\n\r\n7"
    dripping = []
    before = connections_to(zovi)
    try:
        for _ in range(CROWD):
            dripping.append(socket.create_connection(("127.0.0.1", caddy)))
            dripping[-1].sendall(head.encode())
        assert answers(caddy)
        sent = requests.post(f"http://127.0.0.1:{caddy}/api/users/send_otp/", json=NUMBER, timeout=300)
        assert sent.status_code == 200
        assert connections_to(zovi) <= before + 2  # those of the two calls, kept alive
    finally:
        for connection in dripping:
            connection.close()


def test_a_request_that_does_not_come_to_its_end_is_let_go(caddy):
    for words in (
        "POST /api/users/send_otp/ HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n7",
        "GET / HTTP/1.1\r\nHo",
    ):
        with socket.create_connection(("127.0.0.1", caddy)) as dripping:
            dripping.sendall(words.encode())
            dripping.settimeout(300)
            while dripping.recv(4096):
                pass


def test_the_compose_file_hands_it_to_caddy():
    words = (env.ROOT / "docker-compose.production.yml").read_text()
    assert "./deploy/Caddyfile:/etc/caddy/Caddyfile:ro" in words
