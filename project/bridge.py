"""From uvicorn's event loop to Django's ordinary WSGI handler, which answers on a thread of a lane.

A request is read whole before it (reading.py), and an answer waits here until its client takes it: no slow client ever
has a thread.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http import HTTPStatus
from io import BytesIO

from corsheaders.middleware import CorsMiddleware
from django.db import connections
from django.http import HttpResponse
from django.utils import translation

from project.http import Request, add_headers, show_error
from project.lanes import Lane, Turn
from project.reading import Environ, Gone, environ_of, read_body, require_sound_head
from users import waiting
from users.errors import DomainError, ServiceUnavailable

PIECE_BYTES = 64 * 1024
MOST_AT_ONCE = 2048  # requests of a lane
HEALTH = {"/livez", "/readyz"}
READS = {"GET", "HEAD", "OPTIONS"}
WITHOUT_LENGTH = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}

Headers = list[tuple[bytes, bytes]]


class Bridge:
    """The ASGI application of one worker process."""

    def __init__(self, application: Callable, loop: asyncio.AbstractEventLoop):
        self._application = application
        self._loop = loop
        lane = partial(Lane, most=MOST_AT_ONCE, loop=loop)
        self._reading = lane("reading", threads=4)
        self._changing = lane("changing", threads=2)
        self._health = lane("health", threads=1)
        self._on_every_answer = self._headers_of_every_answer()

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        environ = environ_of(scope)
        try:
            require_sound_head(scope)
            body = await read_body(environ, receive)
            environ["wsgi.input"] = BytesIO(body)
            await self._answer(environ, self._lane_for(environ, body), scope, send)
        except Gone:
            pass
        except DomainError as error:
            status, headers, content = self.refusal(environ, error)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": content})

    def refusal(self, environ: Environ, error: DomainError) -> tuple[int, Headers, bytes]:
        """What the server itself refuses, in the words and with the headers Django would answer with.

        Made on the event loop, because threads may be what there is too little of: it asks no database.
        """
        request = Request(environ)
        with translation.override(translation.get_language_from_request(request)):
            response = CorsMiddleware(lambda request: self._refuse(request, error))(request)
        return response.status_code, encoded(response.items()), response.content

    def _refuse(self, request: Request, error: DomainError) -> HttpResponse:
        response = show_error(request, error)
        add_headers(response)
        response["Connection"] = "close"
        response["Content-Length"] = str(len(response.content))
        response["Content-Language"] = translation.get_language()
        for name, value in self._on_every_answer.items():
            response.headers.setdefault(name, value)
        return response

    def _headers_of_every_answer(self) -> dict[str, str]:
        """As /livez has them: it answers by any name and without TLS, where others would refuse or redirect."""
        environ = environ_of({"method": "GET", "raw_path": b"/livez", "headers": [(b"host", b"localhost")]})
        response = self._application(environ, lambda *_: None)
        response.close()
        its_own = {"Content-Type", "Content-Length", "Content-Language", "Vary", "Cache-Control", "Expires"}
        return {name: value for name, value in response.items() if name not in its_own}

    def _lane_for(self, environ: Environ, body: bytes) -> Lane:
        """Who only reads never stands behind those who change something: these wait for locks, and come in crowds."""
        path = str(environ["PATH_INFO"])
        if path in HEALTH:
            return self._health
        is_query = path.startswith("/graphql") and b"mutation" not in body
        return self._reading if is_query or environ["REQUEST_METHOD"] in READS else self._changing

    def refuse_those_who_waited(self) -> None:
        for lane in (self._reading, self._changing, self._health):
            lane.refuse_those_who_waited()

    async def _answer(self, environ: Environ, lane: Lane, scope: dict, send: Callable) -> None:
        exchange = Exchange(self._application, environ, self._loop)
        if not lane.submit(Turn(exchange.work, exchange.refuse)):
            raise ServiceUnavailable(retry_after=1)
        piece, resume = await exchange.said()
        lane.note(in_trouble=exchange.status == HTTPStatus.SERVICE_UNAVAILABLE)
        if resume:
            await stream(exchange, piece, resume, scope, send)
        else:
            exchange.declare_length(piece)
            await send(exchange.head())
            await send({"type": "http.response.body", "body": piece})


async def stream(
    exchange: "Exchange", piece: bytes, resume: waiting.Resume | None, scope: dict, send: Callable
) -> None:
    """An answer in pieces. The next one is made when the client has taken the one before."""
    connection = scope["state"]["connection"]
    write = partial(send_piece, send)
    if scope["http_version"] == "1.0" and scope["method"] != "HEAD":
        # Such a client knows no chunks: its answer ends where the connection does. uvicorn leaves the framing alone
        # where it believes that there is no body.
        scope["method"] = "HEAD"
        write = connection.write
    await send(exchange.head())
    while resume:
        await write(piece)
        resume(not connection.transport.is_closing())
        piece, resume = await exchange.said()
    await write(piece)
    await send({"type": "http.response.body"})


async def send_piece(send: Callable, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


class Exchange:
    """A request on a thread, and what the thread has to say about it to the event loop."""

    status: int
    headers: Headers

    def __init__(self, application: Callable, environ: Environ, loop: asyncio.AbstractEventLoop):
        self._application = application
        self._environ = environ
        self._loop = loop
        self._said: asyncio.Future[tuple[bytes, waiting.Resume | None]] = loop.create_future()

    # On the event loop

    async def said(self) -> tuple[bytes, waiting.Resume | None]:
        """A piece of the answer, and whom to ask for the next one, unless it was the last."""
        said = await self._said
        self._said = self._loop.create_future()
        return said

    def refuse(self) -> None:
        self._fail(ServiceUnavailable(retry_after=1))

    def head(self) -> dict:
        return {"type": "http.response.start", "status": self.status, "headers": self.headers}

    def declare_length(self, body: bytes) -> None:
        has_length = any(name.lower() == b"content-length" for name, _ in self.headers)
        if not has_length and self.status not in WITHOUT_LENGTH:
            self.headers.append((b"content-length", b"%d" % len(body)))

    def _say(self, piece: bytes, resume: waiting.Resume | None) -> None:
        if not self._said.done():  # the server stops, and has cancelled it
            self._said.set_result((piece, resume))

    def _fail(self, error: BaseException) -> None:
        if not self._said.done():
            self._said.set_exception(error)

    # On a thread

    def work(self) -> None:
        try:
            self._work()
        except BaseException as error:  # whatever it is, the thread has others to serve
            self._loop.call_soon_threadsafe(self._fail, error)

    def _work(self) -> None:
        answer = self._application(self._environ, self._start_response)
        try:
            pieces = in_pieces(answer)
            piece = next(pieces)
            for following in pieces:
                give_connections_back()
                goes_on = waiting.pause(partial(self._say, piece))
                piece = following if goes_on else b""
                if not goes_on:
                    break
            self._loop.call_soon_threadsafe(self._say, piece, None)
        finally:
            answer.close()

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        self.status = int(status[:3])
        self.headers = encoded(headers)


def in_pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same in pieces of PIECE_BYTES or more, but for the last one, which is always there."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def give_connections_back() -> None:
    """A client that takes its time must not hold a connection to the database meanwhile."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def encoded(headers: Iterable[tuple[str, str]]) -> Headers:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
