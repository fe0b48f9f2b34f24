"""A stand-in for an SMS gateway."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Gateway(ThreadingHTTPServer):
    """Keeps what it is sent; answers with `status` after `delay` seconds."""

    request_queue_size = 128  # the default of 5 makes a crowd wait for the kernel's second try

    def __init__(self, port: int = 0):
        super().__init__(("127.0.0.1", port), Handler)
        self.received: list[tuple[str, dict]] = []
        self.status, self.delay = 200, 0.0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/sms/{{phone}}"


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append((self.path, body))
        time.sleep(self.server.delay)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def gateway_stand_in(port: int = 0):
    server = Gateway(port)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
