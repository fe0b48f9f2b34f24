"""Who is calling: the one place that reads a client's address. Pure."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

IPV6_HOUSEHOLD_BITS = 64  # the least a provider hands out (RFC 6177), so one customer is one address

NOWHERE = "0.0.0.0"  # noqa: S104 -- the address of those who have none


@dataclass(frozen=True)
class Client:
    """`address` is what limits count by: an IPv4 address, or the /64 network of an IPv6 one."""

    address: str
    host: str = "localhost"
    user_agent: str = ""


def identify(meta: Mapping[str, str], *, host: str, trusted_proxies: int) -> Client:
    """From a WSGI environment.

    Each trusted proxy appends the address it saw to X-Forwarded-For, so with n proxies the n-th from the right is the
    client's; whatever stands left of it the client wrote itself.
    """
    address = meta.get("REMOTE_ADDR", "")
    if trusted_proxies:
        forwarded = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        address = forwarded[-min(trusted_proxies, len(forwarded))] or address
    return Client(address=_network(address), host=host, user_agent=meta.get("HTTP_USER_AGENT", "")[:200])


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.strip("[]").split("%")[0])
    except ValueError:  # a Unix socket has none
        return NOWHERE
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_HOUSEHOLD_BITS), strict=False).network_address)
