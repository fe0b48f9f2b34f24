"""Where things are: origins, hosts, databases, endpoints, apps."""

import re
from urllib.parse import unquote, urlsplit

from environ import Env

from project.env.reading import raw, refuse, text, words
from users.webhooks import Endpoint
from users.webhooks import parse as parse_endpoint

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- and where this machine's own browser finds it


def origins(name: str) -> list[str]:
    """Web origins, `https://app.example.com`: scheme and host, no path."""
    given = words(name, [])
    for origin in given:
        parts = urlsplit(origin)
        is_origin = parts.scheme in {"http", "https"} and parts.netloc and not parts.path and _may_be_a_port(origin)
        if origin != "*" and not is_origin:
            refuse(f"{name} must hold origins such as https://app.example.com")
    return given


def _may_be_a_port(url: str) -> bool:
    """One that there can be, or none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def origin(name: str) -> str:
    """One web origin, `https://zovi.example`, or nothing. A slash at its end is forgiven."""
    given = text(name).removesuffix("/")
    is_origin = re.fullmatch(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?", given) and _may_be_a_port(given)
    if given and not is_origin:
        refuse(f"{name} must be an address without a path, such as https://zovi.example")
    return given


def header_names(name: str) -> list[str]:
    """Names of HTTP headers (RFC 9110, 5.1)."""
    given = [word.lower() for word in words(name, [])]
    if not all(re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", word) for word in given):
        refuse(f"{name} must hold names of headers such as x-request-id")
    return given


def postgres(url: str) -> dict:
    """Django's settings for a database URL. It may name several hosts, of which libpq takes the first that
    `target_session_attrs` fits, and folders of sockets: postgres://h1,h2:5433/name, postgres://%2Fvar%2Frun/name."""
    form = (
        "DATABASE_URL must name a PostgreSQL database: postgres://user:password@host:5432/name,"
        " with / ? and % in the password written %2F %3F and %25"
    )
    if not url.startswith(("postgres://", "postgresql://")):
        refuse(form)
    try:
        database = Env.db_url_config(url)
    except ValueError:
        refuse(form)
    if not database.get("NAME") or "@" in database["NAME"]:  # then the URL went on after what seemed its end
        refuse(form)
    return database | {"HOST": unquote(database["HOST"])}


def names_of(*addresses: str) -> list[str]:
    """What a browser calls them, each once. An address for all of a machine's is no name of it."""
    named = [f"[{address}]" if ":" in address else address for address in addresses if address not in EVERY_ADDRESS]
    return list(dict.fromkeys(named))


def endpoints(name: str) -> list[Endpoint]:
    """URLs to post to, separated by white space or commas."""
    try:
        return [parse_endpoint(url) for url in dict.fromkeys(re.split(r"[,\s]+", raw(name))) if url]
    except ValueError as error:
        refuse(f"{name} {error}")


def ios_apps(name: str) -> list[str]:
    """`ABCDE12345.com.example.app`: a team and a bundle, several by commas, as Apple writes app identifiers."""
    given = words(name, [])
    for app in given:
        if not re.fullmatch(r"[A-Z0-9]{10}\.[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", app):
            refuse(f"{name} must hold a team and a bundle, such as ABCDE12345.com.example.app")
    return given


def android_apps(name: str) -> dict[str, list[str]]:
    """`com.example.app:14:6D:…`: a package and the SHA-256 of its certificate, several by commas, by package."""
    found: dict[str, list[str]] = {}
    for app in words(name, []):
        package, _, fingerprint = app.partition(":")
        is_package = re.fullmatch(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+", package, re.ASCII)
        if not is_package or not re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}", fingerprint):
            refuse(f"{name} must hold a package and the 32 bytes of its certificate's SHA-256: com.example.app:14:6D:…")
        found.setdefault(package, []).append(fingerprint.upper())
    return found
