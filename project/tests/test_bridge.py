"""What Django is told of a request, and the client of its answer: against gunicorn's own reading of the same bytes."""

import json
import socket
from contextlib import nullcontext
from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, transaction
from django.http import HttpResponse, StreamingHttpResponse
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import create

from project import bridge, reading
from tests.support.loops import exchange, serving

HEAD = b"POST /api/a%20b;c/%d1%8f?x=%20y&z HTTP/1.1\r\nHost: zovi.example:81\r\nConnection: close\r\n"
BODY = b'{"phone_number": "8 913"}'
CHUNKED = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:])) + b"0\r\n\r\n"
REQUESTS = {
    "length": HEAD + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "chunked": HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
    "no body": b"GET / HTTP/1.1\r\nHost: zovi.example\r\nConnection: close\r\n\r\n",
    "empty body": HEAD + b"Content-Length: 0\r\n\r\n",
    "1.0": b"GET /me HTTP/1.0\r\n\r\n",
    "absolute": b"GET http://zovi.example/a?b HTTP/1.1\r\nHost: zovi.example\r\nConnection: close\r\n\r\n",
    "head": b"HEAD /a?b HTTP/1.1\r\nHost: zovi.example\r\nConnection: close\r\n\r\n",
    "underscores": HEAD + b"X_Forwarded_For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nContent-Length: 0\r\n\r\n",
    "script name": HEAD + b"SCRIPT_NAME: /api\r\nScript-Name: /b\r\nContent-Length: 0\r\n\r\n",
    "twice": HEAD + b"X-Forwarded-For: 1.1.1.1\r\nCookie: a=1\r\nX-Forwarded-For: 2.2.2.2\r\nCookie: b=2\r\n\r\n",
    "white space": HEAD + b"Accept-Language: \t ru \t\r\nX-Empty:\r\n\r\n",
    "letters": HEAD + b"aCCEPT: \xd1\x8f\r\n\r\n",
    "expect": HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
}
# gunicorn's own extras, and what two servers on two sockets cannot have alike.
NOT_COMPARED = {"SERVER_SOFTWARE", "RAW_URI", "SERVER_PORT", "REMOTE_PORT", "wsgi.errors", "wsgi.input"}
NOT_COMPARED |= {"gunicorn.socket", "wsgi.file_wrapper", "wsgi.early_hints", "wsgi.multiprocess", "wsgi.multithread"}


class Recorder:
    """Keeps the environment of the last request, and its body as Django would read it."""

    def __init__(self):
        self.environ, self.body = {}, b""

    def __call__(self, environ, start_response):
        self.environ = environ
        self.body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("X-Seen", "1")])
        return HttpResponse(b"seen")


@pytest.fixture(scope="module")
def recorder():
    return Recorder()


@pytest.fixture(scope="module")
def port(recorder):
    with serving(recorder) as port:
        yield port


def as_gunicorn_reads(request: bytes) -> dict:
    config = Config()
    config.set("forwarded_allow_ips", "")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        parsed = Request(config, IterUnreader(iter([request])), ("127.0.0.1", 1))
        return create(parsed, ours, ("127.0.0.1", 1), ("127.0.0.1", 2), config)[1]


def compared(environ: dict) -> dict:
    return {name: value for name, value in environ.items() if name not in NOT_COMPARED}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_django_is_told_what_gunicorn_would_tell_it(recorder, port, request_):
    answer = exchange(port, request_)
    expected = compared(as_gunicorn_reads(request_))
    if "HTTP_TRANSFER_ENCODING" in expected:
        expected["CONTENT_LENGTH"] = str(len(BODY))  # without it Django takes the body for empty
    assert compared(recorder.environ) == expected
    assert (recorder.environ["REMOTE_ADDR"], recorder.environ["SERVER_PORT"]) == ("127.0.0.1", str(port))
    assert recorder.body == (BODY if BODY[-7:] in request_ else b"")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200" if b"Expect" in request_ else b"HTTP/1.1 200")
    assert answer.endswith(b"" if request_.startswith(b"HEAD") else b"\r\n\r\nseen")


def test_under_a_prefix_the_path_begins_after_it(recorder, port, monkeypatch):
    monkeypatch.setenv("SCRIPT_NAME", "/api")
    exchange(port, REQUESTS["length"])
    gunicorn = as_gunicorn_reads(REQUESTS["length"])
    for name in ("SCRIPT_NAME", "PATH_INFO"):
        assert recorder.environ[name] == gunicorn[name]
    assert recorder.environ["SCRIPT_NAME"] == "/api"


def test_a_trailer_is_no_header(recorder, port):
    chunked = REQUESTS["chunked"].removesuffix(b"\r\n") + b"Authorization: Bearer x\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"
    exchange(port, chunked)
    assert recorder.body == BODY
    assert {"HTTP_AUTHORIZATION", "HTTP_X_FORWARDED_FOR"} & set(recorder.environ) == set()


def test_a_body_is_read_up_to_the_limit_and_not_beyond(recorder, port, settings):
    for size in (settings.MAX_BODY_BYTES, settings.MAX_BODY_BYTES + 1):
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
        exchange(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
        assert int(recorder.environ["CONTENT_LENGTH"]) == size
        assert len(recorder.body) == (size if size == settings.MAX_BODY_BYTES else 0)
    exchange(port, HEAD + b"Content-Length: %d\r\n\r\n" % (settings.MAX_BODY_BYTES + 1))  # and nothing follows
    assert (recorder.environ["CONTENT_LENGTH"], recorder.body) == (str(settings.MAX_BODY_BYTES + 1), b"")


# --- What is refused before Django ---------------------------------------------------------------------------------

LONG = b"x" * (reading.MAX_HEAD_BYTES + 1)
REFUSED = {
    "long address": (b"GET /api/" + LONG + b" HTTP/1.1\r\n\r\n", 431),
    "long header": (b"GET /api/ HTTP/1.1\r\nX: " + LONG + b"\r\n\r\n", 431),
    "endless header": (b"GET /api/ HTTP/1.1\r\nX: " + LONG, 431),
    "many headers": (b"GET /api/ HTTP/1.1\r\n" + b"X: y\r\n" * (reading.MAX_HEADERS + 1) + b"\r\n", 431),
    "two hosts": (b"GET /api/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "two types": (b"POST /api/ HTTP/1.1\r\nContent-Type: a\r\nContent-Type: b\r\nContent-Length: 0\r\n\r\n", 400),
    "two lengths": (b"POST /api/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
    "length and chunks": (b"POST /api/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "no number": (b"POST /api/ HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
    "signed number": (b"POST /api/ HTTP/1.1\r\nContent-Length: +1\r\n\r\nx", 400),
    "no chunk": (b"POST /api/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "another coding": (b"POST /api/ HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    "space in a name": (b"GET /api/ HTTP/1.1\r\nX : y\r\n\r\n", 400),
    "folded": (b"GET /api/ HTTP/1.1\r\nX: y\r\n z\r\n\r\n", 400),
    "NUL": (b"GET /api/ HTTP/1.1\r\nX: a\0b\r\n\r\n", 400),
    "2.0": (b"GET /api/ HTTP/2.0\r\n\r\n", 400),
    "bare words": (b"hello\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
}


@pytest.mark.parametrize(("request_", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_request_is_refused_in_the_words_of_the_api(recorder, port, request_, status):
    recorder.environ = {}
    head, _, body = exchange(port, request_).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert json.loads(body)["code"] == {400: "parse_error", 431: "payload_too_large"}[status]
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert (headers[b"connection"], headers[b"content-type"]) == (b"close", b"application/json")
    assert recorder.environ == {}


# --- Answers -------------------------------------------------------------------------------------------------------


def answering(response):
    """An application that gives this answer to everything but to what the bridge asks it at its start."""

    def application(environ, start_response):
        answer = response() if environ["REMOTE_ADDR"] else HttpResponse()
        start_response(f"{answer.status_code} x", list(answer.items()))
        return answer

    return application


def streamed():
    return StreamingHttpResponse(b"%05d\n" % number for number in range(50_000))


WHOLE = b"".join(streamed())


def unchunked(body: bytes) -> bytes:
    source, whole = BytesIO(body), b""
    while size := int(source.readline(), 16):
        whole += source.read(size)
        assert source.readline() == b"\r\n"
    assert source.read() == b"\r\n"
    return whole


@pytest.mark.parametrize("is_public", [False, True])
def test_a_server_starts_without_a_refusal_in_its_log(settings, caplog, is_public):
    """Whatever names it may be asked by: what its own refusals must carry, an answer that is none tells it."""
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["zovi.example"], is_public
    with serving(WSGIHandler()) as port:
        assert caplog.messages == []
        answer = exchange(port, b"nonsense\r\n\r\n")
    head = answer.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert {b"cache-control: no-store", b"x-frame-options: deny", b"x-content-type-options: nosniff"} <= set(head)
    assert [line.partition(b":")[0] for line in head].count(b"content-security-policy") == 1
    assert not any(line.startswith(b"expires") for line in head)


def test_an_answer_of_unknown_length_comes_in_chunks_or_ends_with_the_connection():
    with serving(answering(streamed)) as port:
        head, _, body = exchange(port, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").partition(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert unchunked(body) == WHOLE
        head, _, body = exchange(port, b"GET / HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        assert body == WHOLE
        head, _, body = exchange(port, b"HEAD / HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
        assert (head[:12], body) == (b"HTTP/1.1 200", b"")


def test_an_answer_without_a_length_gets_one_when_it_is_known():
    with serving(answering(lambda: HttpResponse(b"whole"))) as port:
        answer = exchange(port, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert b"content-length: 5\r\n" in answer


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_none(status):
    with serving(answering(lambda: HttpResponse(status=status))) as port:
        answer = exchange(port, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert b"transfer-encoding" not in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("in_a_transaction", [False, True])
def test_a_client_that_takes_its_time_holds_no_connection_to_the_database(in_a_transaction):
    """An answer that would hold a transaction open for as long as its client likes is cut off."""
    held: list[bool] = []

    def pieces():
        with transaction.atomic() if in_a_transaction else nullcontext():
            for _ in range(3):
                held.append(connection.connection is not None)
                connection.ensure_connection()
                yield b"x" * bridge.PIECE_BYTES

    with serving(answering(lambda: StreamingHttpResponse(pieces()))) as port:
        answer = exchange(port, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"0\r\n\r\n") != in_a_transaction
    assert held[-1] == in_a_transaction


def test_what_breaks_in_the_middle_is_no_whole_answer():
    def broken():
        def pieces():
            yield b"x" * bridge.PIECE_BYTES
            raise ValueError("in the middle")

        return StreamingHttpResponse(pieces())

    with serving(answering(broken)) as port:
        answer = exchange(port, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert not answer.endswith(b"0\r\n\r\n")
        assert exchange(port, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n") == answer  # the threads live
