"""A request as uvicorn hands it over, read into a WSGI environment and a body of bounded size and time."""

import asyncio
import os
import sys
from collections.abc import Callable
from io import BytesIO
from urllib.parse import unquote_to_bytes

from django.conf import settings

from users.errors import HeadTooLarge, ParseError, RequestTimeout

MAX_HEADERS = 100
MAX_HEAD_BYTES = 32 * 1024
BODY_SECONDS = 20
ONCE_ONLY = {b"host", b"content-type"}  # RFC 9110, 5.3: of two of them another server might believe the other one

Environ = dict[str, object]


class Gone(Exception):
    """The client has hung up."""


def environ_of(scope: dict) -> Environ:
    """The WSGI environment of a request, without its body (PEP 3333)."""
    script_name = os.environ.get("SCRIPT_NAME", "")
    host, port = scope.get("server") or ("localhost", settings.PORT)
    client, client_port = scope.get("client") or ("", "")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": script_name,
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1").removeprefix(script_name),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": client,
        "REMOTE_PORT": str(client_port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": settings.WEB_CONCURRENCY > 1,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    for name, value in scope["headers"]:
        if b"_" not in name:  # else X_Forwarded_For would pass for X-Forwarded-For
            _add_header(environ, name.decode("latin-1"), value.strip(b" \t").decode("latin-1"))
    return environ


def _add_header(environ: Environ, name: str, value: str) -> None:
    key = name.upper().replace("-", "_")
    if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        key = f"HTTP_{key}"
    environ[key] = f"{environ[key]},{value}" if key in environ else value


def require_sound_head(scope: dict) -> None:
    """Raises HeadTooLarge, ParseError."""
    headers = scope["headers"]
    size = len(scope["raw_path"]) + len(scope["query_string"]) + sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEAD_BYTES:
        raise HeadTooLarge()
    names = [name for name, _ in headers if name in ONCE_ONLY]
    if len(names) != len(set(names)) or scope["http_version"] not in {"1.0", "1.1"}:
        raise ParseError()


async def read_body(environ: Environ, receive: Callable) -> bytes:
    """The body, with its length in the environment; nothing of one that is too large, which Django will refuse for its
    length. Raises RequestTimeout, Gone."""
    declared = int(str(environ.get("CONTENT_LENGTH") or 0))
    if declared > settings.MAX_BODY_BYTES or not (declared or "HTTP_TRANSFER_ENCODING" in environ):
        return b""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while await _read_on(body, receive):
                if len(body) > settings.MAX_BODY_BYTES:
                    break
    except TimeoutError:
        raise RequestTimeout() from None
    environ["CONTENT_LENGTH"] = str(len(body))
    return bytes(body) if len(body) <= settings.MAX_BODY_BYTES else b""


async def _read_on(body: bytearray, receive: Callable) -> bool:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    body += message["body"]
    return message["more_body"]
