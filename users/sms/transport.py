"""HTTP to a gateway with one deadline over the whole exchange, no redirects, and an answer of bounded size.

`requests` has none of the three: its time-outs begin anew with every byte. The deadline is therefore kept below it,
where a connection is made and where an answer is read.
"""

import http.client
import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import ModuleType

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError

CONNECT_SECONDS = 3.0  # what is not reached by then is down, and leaves time for the next route
ANSWER_BYTES = 64 * 1024


@dataclass
class Exchange:
    """What became of a request, whoever made it: apprise's plugins say no more than yes or no."""

    deadline: float  # time.monotonic
    has_left: bool = False  # from then on the gateway may have it
    is_doubtful: bool = False  # something left, and no answer to it came
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    is_whole: bool = False  # all of the answer was read
    failure: str = ""  # the kind of it
    room: int = ANSWER_BYTES

    def seconds_left(self) -> float:
        """Raises TimeoutError when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange has taken all its time")
        return left


_current: ContextVar[Exchange] = ContextVar("exchange")


@contextmanager
def exchange(deadline: float):
    """What is requested through a Session inside is this one exchange."""
    begun = Exchange(deadline)
    token = _current.set(begun)
    try:
        yield begun
    finally:
        _current.reset(token)


class Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self.mount("http://", _Adapter())
        self.mount("https://", _Adapter())

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Without what ~/.netrc may hold for that host: it would take the place of the gateway's own key."""
        self.trust_env = False
        try:
            return super().prepare_request(request)
        finally:
            self.trust_env = True  # for the proxy that the environment names

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None at all: the number and the code go to the address of the settings and nowhere else."""


class Requests(ModuleType):
    """The module `requests`, every request through a Session of ours."""

    Session = Session

    def __init__(self) -> None:
        super().__init__("requests")
        for method in ("get", "post", "put", "patch", "delete", "head", "options"):
            setattr(self, method, _through_session(method))

    def request(self, method: str, url: str, **kwargs) -> requests.Response:
        with Session() as session:
            return session.request(method, url, **kwargs)

    def __getattr__(self, name: str):
        return getattr(requests, name)


def _through_session(method: str) -> Callable[..., requests.Response]:
    def call(url: str, *args, **kwargs) -> requests.Response:
        with Session() as session:
            return getattr(session, method)(url, *args, **kwargs)

    return call


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args, **kwargs) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args, **kwargs):
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request, *args, **kwargs) -> requests.Response:
        now = _current.get()
        try:
            now.has_left, left = False, now.seconds_left()
            kwargs |= {"stream": True, "timeout": Timeout(connect=min(left, CONNECT_SECONDS), read=left)}
            response = super().send(request, *args, **kwargs)
        except (requests.RequestException, OSError) as error:
            now.failure, now.is_doubtful = _kind(error), now.is_doubtful or now.has_left
            raise requests.ConnectionError(now.failure) from None  # its text would hold the URL
        now.status, now.headers = response.status_code, dict(response.headers)
        now.content, now.is_whole = _read(response.raw)
        response.raw = io.BytesIO(now.content)
        return response


def _read(raw) -> tuple[bytes, bool]:
    """The answer as far as it came, and whether that was all of it."""
    content = b""
    try:
        while len(content) < ANSWER_BYTES:
            part = raw.read1(ANSWER_BYTES - len(content), decode_content=True)
            if not part:
                return content, True
            content += part
    except (HTTPError, OSError):
        return content, False
    finally:
        raw.close()
    return content, False


def _kind(error: BaseException) -> str:
    """The name of what lies at the bottom of it, such as NameResolutionError or ReadTimeoutError."""
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return type(reason if isinstance(reason, BaseException) else error).__name__


class _Bounded(HTTPConnection):
    """Knows when the request has left, and reads its answer through a _Reader."""

    class response_class(http.client.HTTPResponse):
        def __init__(self, sock, *args, **kwargs) -> None:
            super().__init__(_Reader(sock), *args, **kwargs)  # type: ignore[arg-type]

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            _current.get().has_left = False  # what a proxy was told is not the request

    def send(self, data) -> None:
        if self.sock is None:
            self.connect()
        _current.get().has_left = True
        super().send(data)

    def _new_conn(self):
        """In one time: a name's look-up knows none, and each of its addresses would have a fresh one."""
        try:
            return _within(min(_current.get().seconds_left(), CONNECT_SECONDS), super()._new_conn)
        except TimeoutError:
            raise ConnectTimeoutError(self, "not reached in time") from None


class _BoundedTLS(_Bounded, HTTPSConnection):
    pass


class _HTTP(HTTPConnectionPool):
    ConnectionCls = _Bounded


class _HTTPS(HTTPSConnectionPool):
    ConnectionCls = _BoundedTLS


_POOLS = {"http": _HTTP, "https": _HTTPS}


class _Reader(io.RawIOBase):
    """A socket's incoming side: each read has what is left of the exchange's time and bytes."""

    def __init__(self, sock) -> None:
        self._sock, self._raw, self._exchange = sock, sock.makefile("rb", buffering=0), _current.get()

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int | None:
        now = self._exchange
        if not now.room:
            raise OSError("the answer is larger than anybody needs")
        self._sock.settimeout(now.seconds_left())
        count = self._raw.readinto(memoryview(buffer)[: now.room])
        now.room -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _within(seconds: float, connect: Callable):
    """The socket of `connect`. Raises TimeoutError when it takes longer; the socket is then closed when it comes."""
    made: Future = Future()

    def run() -> None:
        try:
            made.set_result(connect())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return made.result(timeout=seconds)
    except TimeoutError:
        made.add_done_callback(lambda late: late.exception() or late.result().close())
        raise
