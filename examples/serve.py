"""`make example`: the app of examples/spa on an address of its own, beside a Zovi that lets it in.

It starts Zovi unless one is there already, and Ctrl-C stops whatever it started.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from project import env

SPA = Path(__file__).parent / "spa"
WRITTEN = "http://127.0.0.1:8000"  # where the app's files look for Zovi


class Files(SimpleHTTPRequestHandler):
    """They are served as they lie there, but for the address of a Zovi that is elsewhere."""

    def __init__(self, *args, zovi: str, **kwargs):
        self.zovi = zovi
        super().__init__(*args, directory=str(SPA), **kwargs)

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            return self.send_error(404)
        text = path.read_text().replace(WRITTEN, self.zovi).encode()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        self.wfile.write(text)
        return None

    def log_message(self, *_) -> None:
        pass


@contextmanager
def app(zovi: str, port: int = 0):
    """Serve the app on that port of this machine, or on any. Gives its origin."""
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(Files, zovi=zovi))
    except OSError as error:
        sys.exit(f"zovi: no app on port {port} ({error.strerror}): EXAMPLE_PORT={port % 65535 + 1} make example")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def allowed(zovi: str, origin: str) -> bool | None:
    """Whether Zovi lets pages of the origin in; None where nobody answers."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    try:
        with urlopen(Request(f"{zovi}/api/users/me/", method="OPTIONS", headers=asked), timeout=10) as answer:
            return answer.headers["Access-Control-Allow-Origin"] in {origin, "*"}
    except HTTPError:
        return False
    except OSError:
        return None


def start(zovi: str, origin: str) -> int:
    """Zovi, until it ends. Ctrl-C reaches it by itself, being in the same terminal; here its end is waited for."""
    origins = [*env.words("CORS_ALLOWED_ORIGINS", []), origin, origin.replace("127.0.0.1", "localhost")]
    environment = os.environ | {"CORS_ALLOWED_ORIGINS": ",".join(origins)}
    signal.signal(signal.SIGINT, lambda *_: None)
    command = [sys.executable, "manage.py", "serve", "--prepare"]
    with subprocess.Popen(command, cwd=env.ROOT, env=environment) as server:
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        while server.poll() is None and allowed(zovi, origin) is None:
            time.sleep(0.1)
        if server.poll() is None:
            say(origin)
        return server.wait()


def say(origin: str) -> None:
    print(f"\nThe app of examples/spa: {origin}/  (Ctrl-C stops everything)", flush=True)


def main() -> None:
    zovi = f"http://127.0.0.1:{env.number('PORT', 8000)}"
    with app(zovi, env.number("EXAMPLE_PORT", 8080, least=1, most=65535)) as origin, suppress(KeyboardInterrupt):
        match allowed(zovi, origin):
            case None:
                sys.exit(start(zovi, origin))
            case False:
                sys.exit(f"zovi: what runs at {zovi} does not let {origin} in: stop it first")
        say(origin)
        signal.pause()


if __name__ == "__main__":
    main()
