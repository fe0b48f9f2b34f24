"""Who is calling: the one place that reads a client's address. Pure."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

IPV6_HOUSEHOLD_BITS = 64  # the least a provider hands out (RFC 6177), so one customer is one address
IPV4_NETWORK_BITS = 24  # the least that is routed by itself
IPV6_SITE_BITS = 48  # the most one customer is given (RFC 6177)

NOWHERE = "0.0.0.0"  # noqa: S104 -- the address of those who have none


@dataclass(frozen=True)
class Client:
    """`address` is what limits count by: an IPv4 address, or the /64 network of an IPv6 one."""

    address: str
    host: str = "localhost"
    user_agent: str = ""

    @property
    def network(self) -> str:
        """Around the address: its /24, or for IPv6 its /48."""
        address = ipaddress.ip_address(self.address)
        return _around(address, IPV4_NETWORK_BITS if address.version == 4 else IPV6_SITE_BITS)


_FORWARDED = re.compile(r"^for=|;.*$", re.IGNORECASE)


def identify(meta: Mapping[str, str], *, host: str, trusted_proxies: int) -> Client:
    """From a WSGI environment.

    Each trusted proxy appends the address it saw to X-Forwarded-For, so with n proxies the n-th from the right is the
    client's; whatever stands left of it the client wrote itself.
    """
    written = meta.get("REMOTE_ADDR", "")
    if trusted_proxies:
        forwarded = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        written = forwarded[-min(trusted_proxies, len(forwarded))] or written
    user_agent = meta.get("HTTP_USER_AGENT", "")[:200]
    address = _parse(written)
    if address is None:
        return Client(NOWHERE, host, user_agent)
    if address.version == 4:
        return Client(str(address), host, user_agent)
    return Client(_around(address, IPV6_HOUSEHOLD_BITS), host, user_agent)


def _parse(written: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """With or without port, brackets, zone and quotes, or as RFC 7239 has it: `192.0.2.1:5678`, `"[2001:db8::1]:443"`,
    `fe80::1%eth0`, `for=192.0.2.1`."""
    written = _FORWARDED.sub("", written).strip('"')
    if written.startswith("["):
        written = written[1:].partition("]")[0]
    elif written.count(":") == 1:
        written = written.partition(":")[0]
    try:
        address = ipaddress.ip_address(written.partition("%")[0])
    except ValueError:  # a Unix socket has none
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _around(address: ipaddress.IPv4Address | ipaddress.IPv6Address, bits: int) -> str:
    return str(ipaddress.ip_network((address, bits), strict=False).network_address)
