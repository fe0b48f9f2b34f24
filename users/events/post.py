"""One POST to an endpoint: to an address that was looked at first, in bounded time, nothing read but the status."""

import http.client
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address

import certifi

from users.webhooks import Endpoint, IPAddress

LOOK_UP_SECONDS = 3.0
CONNECT_SECONDS = 3.0  # to one address
MOST_ADDRESSES = 3
EXCHANGE_SECONDS = 10.0  # from the connection to the answer's last header, however slowly it drips


@dataclass(frozen=True)
class Answer:
    """`outcome` is for people: the status, or what there was instead of one. No URL, no body."""

    status: int | None
    outcome: str

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class PrivateAddress(OSError):
    """The endpoint's name leads to a machine it does not name."""


def post(endpoint: Endpoint, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Never raises for what the other side does. A redirect is an answer like any other, and is not followed."""
    try:
        status = _exchange(endpoint, _addresses_of(endpoint), body, headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(None, type(error).__name__[:40])
    return Answer(status, str(status))


def _addresses_of(endpoint: Endpoint) -> list[IPAddress]:
    """Those to connect to. They are not looked up again: a name can lead elsewhere a moment later.

    Raises OSError, PrivateAddress when any of its addresses is not for us.
    """
    found = (endpoint.literal and [endpoint.literal]) or _look_up(endpoint.host, endpoint.port)
    if not all(map(endpoint.may_connect_to, found)):
        raise PrivateAddress()
    return list(dict.fromkeys(found))[:MOST_ADDRESSES]


def _look_up(host: str, port: int) -> list[IPAddress]:
    """In bounded time, which getaddrinfo has no notion of."""
    answer: Future[list] = Future()

    def ask() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return [ip_address(address[0].partition("%")[0]) for *_, address in answer.result(timeout=LOOK_UP_SECONDS)]


def _exchange(endpoint: Endpoint, addresses: list[IPAddress], body: bytes, headers: Mapping[str, str]) -> int:
    connection = _Connection(endpoint, addresses)
    # A socket's own time-out begins anew with every byte, so the end of all of it comes from outside.
    end = threading.Timer(EXCHANGE_SECONDS, connection.cut)
    end.daemon = True
    end.start()
    try:
        connection.request("POST", endpoint.target, body, {"Host": endpoint.netloc, **headers})
        return connection.getresponse().status
    finally:
        end.cancel()
        connection.close()
        if connection.is_cut:  # what was read until then may look like an answer
            raise TimeoutError


class _Connection(http.client.HTTPConnection):
    """To the first of exactly these addresses that answers; the certificate has to be the name's."""

    def __init__(self, endpoint: Endpoint, addresses: list[IPAddress]):
        super().__init__(endpoint.host, endpoint.port, timeout=EXCHANGE_SECONDS)
        self._endpoint, self._addresses, self.is_cut = endpoint, addresses, False

    def connect(self) -> None:
        self.sock = self._reach()
        self.sock.settimeout(self.timeout)
        if self._endpoint.scheme == "https":
            self.sock = _tls().wrap_socket(self.sock, server_hostname=self._endpoint.host)
        if self.is_cut:  # before there was a socket to cut, or in the middle of the handshake
            raise TimeoutError

    def _reach(self) -> socket.socket:
        """Names lead to IPv6 where nothing but IPv4 gets through, and to machines of which one is down."""
        *others, last = self._addresses
        for address in others:
            with suppress(OSError):
                return self._connected_to(address)
        return self._connected_to(last)

    def _connected_to(self, address: IPAddress) -> socket.socket:
        return socket.create_connection((str(address), self._endpoint.port), CONNECT_SECONDS)

    def cut(self) -> None:
        self.is_cut = True
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
