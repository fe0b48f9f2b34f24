"""Stand-ins for SMS gateways, those that misbehave among them."""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from users.sms import gateways


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)


class Gateway(ThreadingHTTPServer):
    """Keeps what it is sent; answers with `status`, `headers` and `body` after `delay` seconds, or as `manner` does."""

    request_queue_size = 128  # the default of 5 makes a crowd wait for the kernel's second try
    daemon_threads = True

    def __init__(self, port: int = 0):
        super().__init__(("127.0.0.1", port), Handler)
        self.posts: list[Post] = []
        self.other_requests: list[str] = []
        self.status, self.delay, self.headers, self.body = 200, 0.0, {}, b""
        self.manner: Callable[[Handler], None] = answer

    @property
    def received(self) -> list[tuple[str, dict]]:
        return [(post.path, post.json()) for post in self.posts]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"json://{self.address}/sms/{{phone}}"

    def handle_error(self, request, client_address) -> None:
        """A client that has gone is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append(Post(self.path, dict(self.headers), body))
        time.sleep(self.server.delay)
        self.server.manner(self)

    def do_GET(self):
        self.server.other_requests.append(f"{self.command} {self.path}")
        answer(self)

    do_PUT = do_HEAD = do_CONNECT = do_GET

    def log_message(self, *args):
        pass


@contextmanager
def gateway_stand_in(port: int = 0):
    gateways.apprise_plugin("json://localhost", "")  # imports it, as a server's start does: no send has time for that
    server = Gateway(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """Where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- Manners ---------------------------------------------------------------------------------------------------------


def answer(handler: Handler) -> None:
    gateway = handler.server
    handler.send_response(gateway.status)
    for name, value in ({"Content-Length": str(len(gateway.body))} | gateway.headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(gateway.body)


def close(handler: Handler) -> None:
    """Take the request and hang up."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


@dataclass
class Pouring:
    """Answers with `status`, then `count` pieces, one every `pause` seconds, until the other side has had enough."""

    count: int
    piece: bytes = b"x"
    pause: float = 0.0
    status: int = 200
    in_header: bool = False
    poured: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)

    def __call__(self, handler: Handler) -> None:
        with suppress(OSError):
            handler.send_response(self.status)
            if not self.in_header:
                handler.send_header("Content-Length", str(self.count * len(self.piece)))
                handler.end_headers()
            handler.flush_headers()
            while self.poured < self.count:
                time.sleep(self.pause)
                handler.wfile.write(self.piece)
                self.poured += 1
        handler.close_connection = True
        self.is_over.set()


def dripping(status: int = 200, *, in_header: bool = False) -> Pouring:
    """A byte every two seconds, for five minutes."""
    return Pouring(150, pause=2.0, status=status, in_header=in_header)


def flooding() -> Pouring:
    """200 MB."""
    return Pouring(200, piece=bytes(10**6))
