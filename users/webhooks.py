"""What one's own backend may hear of, where it may be posted to, and which addresses that may lead to. Pure."""

import enum
import hashlib
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

LOCALHOST = "localhost"
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class EventType(enum.StrEnum):
    USER_CREATED = "user.created"
    USER_SIGNED_IN = "user.signed_in"
    USER_PHONE_CHANGED = "user.phone_changed"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_DELETED = "user.deleted"
    SESSION_ENDED = "session.ended"
    REFERRAL_ACTIVATED = "referral.activated"
    ALARM_RAISED = "alarm.raised"


class EndReason(enum.StrEnum):
    """Why a session has ended. One that merely expires does so in silence."""

    LOGGED_OUT = "logged_out"
    ENDED_ELSEWHERE = "ended_elsewhere"  # by its user, from another session
    TOKEN_REUSED = "token_reused"
    PHONE_CHANGED = "phone_changed"
    USER_DISABLED = "user_disabled"
    USER_DELETED = "user_deleted"
    ENDED_BY_OPERATOR = "ended_by_operator"


class PhoneReason(enum.StrEnum):
    """Why an account has another number, or none: where its owner has not changed it themselves."""

    STARTED_AFRESH = "started_afresh"  # somebody else has the number now, and this account none
    GIVEN_BACK = "given_back"  # the operator has given it one again


@dataclass(frozen=True)
class Endpoint:
    """`target` is path and query. `literal` is the address the URL names itself, if it names one."""

    url: str
    scheme: str
    host: str
    port: int
    target: str
    literal: IPAddress | None

    @property
    def key(self) -> str:
        """What the database calls it: a URL may hold a secret."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:12]

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def may_connect_to(self, address: IPAddress) -> bool:
        """A name may lead to the public internet only: otherwise whoever holds its zone could have us ask the machines
        beside us. `localhost` leads to this machine, an address to itself."""
        if self.host == LOCALHOST:
            return address.is_loopback
        return address == self.literal or _is_public(address)


_PORTS = {"https": 443, "http": 80}
# Python takes these for public: embedded IPv4, a NAT64 of one's own (RFC 8215), the first private addresses.
_OWN = tuple(ipaddress.IPv6Network(network) for network in ("::/96", "64:ff9b:1::/48", "fec0::/10"))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address follows


def parse(url: str) -> Endpoint:
    """Raises ValueError with what is wrong, the URL itself not in it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("must hold URLs") from None
    if parts.scheme not in _PORTS or not host or not url.isascii() or not url.isprintable() or parts.fragment:
        raise ValueError("must hold URLs such as https://backend.example.com/events")
    if "@" in parts.netloc:
        raise ValueError("must hold no user and password")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must be https://, or http:// on loopback")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(url, parts.scheme, host, port or _PORTS[parts.scheme], target, _literal(host))


def is_loopback(host: str) -> bool:
    """Whether a name, or an address with or without brackets, leads to this machine itself."""
    literal = _literal(host.strip("[]"))
    return host == LOCALHOST or (literal is not None and literal.is_loopback)


def _literal(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(address.packed[-4:]) if address in _NAT64 else None


def _is_public(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _OWN):
            return False
        address = address.ipv4_mapped or address.sixtofour or _behind_nat64(address) or address
    return address.is_global and not address.is_multicast
