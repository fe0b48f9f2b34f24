"""One client's connection: what uvicorn leaves open of time-outs, sizes and bad manners."""

import asyncio
import re
from enum import Enum, auto
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from project.bridge import Bridge
from project.reading import BODY_SECONDS, MAX_HEAD_BYTES, environ_of
from users.errors import DomainError, HeadTooLarge, ParseError, RequestTimeout

HEAD_SECONDS = 10
UNREAD_SECONDS = 30  # an answer of which nothing is taken for so long is dropped
LINGER_SECONDS = 2
MAX_PIPELINED = 32
TARGET = re.compile(rb"^\S+ (/\S*)")


class Stage(Enum):
    """How far the next request has come."""

    NONE = auto()
    HEAD = auto()
    BODY = auto()


class Connection(HttpToolsProtocol):
    app: Bridge
    transport: asyncio.Transport

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._enter(Stage.NONE)
        self._head_size = 0
        self._start = b""  # of a head
        self._unsent, self._unsent_since = 0, 0.0
        self._is_refused = self._is_last = False

    def _enter(self, stage: Stage) -> None:
        self._stage, self._since = stage, self.loop.time()

    async def write(self, piece: bytes) -> None:
        """Past uvicorn's framing."""
        await self.flow.drain()
        self.transport.write(piece)

    # What comes in

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._stage is Stage.NONE:
            self._enter(Stage.HEAD)
            self._head_size, self._start = 0, data[:MAX_HEAD_BYTES]
        super().data_received(data)
        if self._stage is Stage.HEAD:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._enter(Stage.HEAD)
        self.scope["state"]["connection"] = self

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._stage is Stage.HEAD:  # else it is a trailer, which must not pass for a header
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests at once")
        self._enter(Stage.BODY)
        super().on_headers_complete()
        if self._is_last or self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._enter(Stage.NONE)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Who has asked and then only listens gets their answer."""
        if not self.is_answering() or self._stage is not Stage.NONE:
            return False
        self.cycle.keep_alive = False
        return True

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing to warn of: it is answered as if it had not asked for another protocol."""

    # What is refused

    def send_400_response(self, msg: str) -> None:
        self._refuse(ParseError())

    def _refuse(self, error: DomainError) -> None:
        """Answer, and say goodbye; what comes meanwhile is read, or the kernel would drop the answer."""
        unfinished = self.cycle if self._stage is Stage.BODY else None
        self._is_refused = True
        self._enter(Stage.NONE)
        if unfinished and not unfinished.response_started:
            unfinished.disconnected = True
            unfinished.message_event.set()  # who waits for the rest of it need not
        elif self.cycle:
            self.cycle.keep_alive = False
        if self.is_answering():
            return
        status, headers, body = self.app.refusal(self._environ(), error)
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        phrase = HTTPStatus(status).phrase.encode()
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, phrase, head, body))
        self.transport.write_eof()

    def _environ(self) -> dict:
        """Of what there is of the head. An address that is not known is answered as a program's."""
        target = TARGET.match(self._start)
        path = target[1].partition(b"?")[0] if target else b"/api/"
        return environ_of({"method": "GET", "raw_path": path, "headers": self.headers or []})

    def is_answering(self) -> bool:
        last = self.cycle
        return bool(self.pipeline) or (last is not None and not (last.response_complete or last.disconnected))

    # What time it is

    def look_after(self) -> None:
        """Called every second or so."""
        stayed = self.loop.time() - self._since
        is_at_rest = self._stage is Stage.NONE and not self.is_answering()
        if is_at_rest and (self._is_refused or self._is_last) and stayed > LINGER_SECONDS:
            self.transport.close()
        elif self._stage is Stage.HEAD and stayed > HEAD_SECONDS:
            self._refuse(RequestTimeout())
        elif self._stage is Stage.BODY and stayed > BODY_SECONDS and not self.is_answering():
            self.transport.abort()
        elif self.cycle is None and stayed > HEAD_SECONDS:
            self.transport.close()
        self._drop_what_nobody_takes()

    def _drop_what_nobody_takes(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, self.loop.time()
        elif self.loop.time() - self._unsent_since > UNREAD_SECONDS:
            self.transport.abort()

    def shutdown(self) -> None:
        """The server stops: one more answer, to whoever is about to ask."""
        self._is_last = True
        self._since = self.loop.time()
        if self.is_answering():
            self.cycle.keep_alive = False
