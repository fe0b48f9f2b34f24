"""Somebody's backend that webhooks are posted to."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

SECRET, OLD_SECRET = "whsec_" + "c2VjcmV0" * 4, "whsec_" + "b3RoZXJz" * 4


class Receiver(ThreadingHTTPServer):
    """Keeps what it is posted, as (headers, body); answers with `status`, or with the next of `statuses`, once
    `may_answer` is set."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0):
        super().__init__(("127.0.0.1", port), _Handler)
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.status, self.statuses = 204, []
        self.headers: dict[str, str] = {}
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/events?from=zovi"

    @property
    def events(self) -> list[dict]:
        return [json.loads(body) for _, body in self.received]

    def verified(self, secret: str = SECRET) -> list[dict]:
        """Every event, as the reference verifier gives it out. Raises WebhookVerificationError."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.received]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        self.server.may_answer.wait()
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else self.server.status)
        for name, value in {"Content-Length": "0", **self.server.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args) -> None:
        pass


@contextmanager
def receiver(port: int = 0):
    server = Receiver(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join()
