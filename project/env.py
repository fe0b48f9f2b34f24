"""The environment, read by small helpers that refuse nonsense with one clear line."""

import base64
import binascii
import ipaddress
import json
import os
import re
import secrets
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from environ import Env

from project import dotenv
from users.brand import Brand
from users.brand import read as read_brand
from users.rates import Rate
from users.rates import parse as parse_rates
from users.webhooks import Endpoint
from users.webhooks import parse as parse_endpoint

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")  # it names every variable there is
NAMES = set(re.findall(r"(?m)^#? ?([A-Z][A-Z0-9_]*)=", EXAMPLE))

MIN_SECRET_LENGTH = 50
MIN_SERVICE_KEY_LENGTH = 40
MOST_TEST_NUMBERS = 10
FROM_FILES = {
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "JWT_SECRET_KEY",
    "JWT_SECRET_KEY_FALLBACKS",
    "OTP_PEPPER",
    "OTP_PEPPER_FALLBACKS",
    "DATABASE_URL",
    "SMS_URL",
    "SMS_HOOK_SECRET",
    "SERVICE_KEYS",
    "WEBHOOK_URLS",
    "WEBHOOK_SECRET",
    "WEBHOOK_SECRET_FALLBACK",
    "METRICS_TOKEN",
    "TEST_NUMBERS",
}
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- and where this machine's own browser finds it
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1", "[::1]"}


def refuse(message: str) -> NoReturn:
    """End the process: something that is unsafe or unclear must not start."""
    raise SystemExit(f"zovi: refusing to start: {message}")


def refuse_foreign(error: PermissionError) -> NoReturn:
    """Somebody else, often root, was here first."""
    refuse(f"{error.filename} is closed to this user: sudo chown -R $USER {LOCAL}, or choose another LOCAL_DIR")


def _read_dotenv() -> None:
    """Fill what the environment does not name from `.env`, or from the file that ENV_FILE names.

    Nothing empty is left afterwards: libraries that read WEB_CONCURRENCY themselves take an empty text for a number.
    Children of this process inherit what was read, and read no file again.
    """
    path = Path(os.environ.get("ENV_FILE") or ROOT / ".env")
    try:
        for name, value in dotenv.read(path, NAMES).items():
            os.environ.setdefault(name, value)
    except ValueError as error:
        refuse(f"{path.name}, {error}")
    except OSError as error:
        if os.environ.get("ENV_FILE") or os.path.lexists(path):
            refuse(f"{path.name} cannot be read: {error.strerror}")
    for name in NAMES:
        if not os.environ.get(name, "").strip():
            os.environ.pop(name, None)
    os.environ["ENV_FILE"] = os.devnull


_read_dotenv()
LOCAL = (ROOT / os.environ.get("LOCAL_DIR", ".local")).resolve()  # what this machine keeps


def text(name: str, default: str = "") -> str:
    return _given(name).strip() or default


def _given(name: str) -> str:
    """What the environment says, or for a secret the file named by `NAME_FILE`: containers and systemd hand them so."""
    given, path = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
    if name not in FROM_FILES or not path:
        return given
    if given:
        refuse(f"{name} and {name}_FILE are both set: choose one")
    try:
        return (ROOT / path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        refuse(f"{name}_FILE names a file that cannot be read")


def words(name: str, default: list[str]) -> list[str]:
    given = [word.strip() for word in text(name).split(",")]
    return [word for word in given if word] or default


def flag(name: str, default: str = "0") -> bool:
    given = text(name, default).lower()
    if given in {"1", "true", "yes", "on"}:
        return True
    if given in {"0", "false", "no", "off"}:
        return False
    refuse(f"{name} must be 0 or 1")


def number(name: str, default: int, least: int = 0, most: int = 2**31 - 1) -> int:
    given = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,10}", given) or not least <= int(given) <= most:
        refuse(f"{name} must be a whole number from {least} to {most}")
    return int(given)


def one_of(name: str, default: str, choices: set[str]) -> str:
    given = text(name, default)
    if given not in choices:
        refuse(f"{name} must be one of {', '.join(sorted(choices))}")
    return given


def folder(name: str, default: Path) -> Path:
    return (ROOT / text(name, str(default))).resolve()


def brand(name: str) -> Brand:
    """The looks in the folder of that name; none of their own where there is none."""
    given = text(name)
    try:
        return read_brand(ROOT / given) if given else Brand()
    except ValueError as error:
        refuse(f"{name}: {error}")


def rates(name: str, default: str) -> tuple[Rate, ...]:
    try:
        return parse_rates(text(name, default))
    except ValueError:
        refuse(f"{name} must be off, or limits such as 5/h,10/d or 3/10m")


def seconds_range(name: str, default: str) -> tuple[float, float]:
    """`1-2`: from one to two seconds. `0`: none at all."""
    given = text(name, default)
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)(?:-([0-9]{1,3}(?:\.[0-9]+)?))?", given)
    if not match:
        refuse(f"{name} must be seconds, such as 0 or 1-2")
    least, most = float(match[1]), float(match[2] or match[1])
    if least > most:
        refuse(f"{name} must give the shorter time first")
    return least, most


def origins(name: str) -> list[str]:
    """Web origins, `https://app.example.com`: scheme and host, no path."""
    given = words(name, [])
    for origin in given:
        parts = urlsplit(origin)
        is_origin = parts.scheme in {"http", "https"} and parts.netloc and not parts.path and _has_port(origin)
        if origin != "*" and not is_origin:
            refuse(f"{name} must hold origins such as https://app.example.com")
    return given


def _has_port(url: str) -> bool:
    """One that there can be, or none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def origin(name: str) -> str:
    """One web origin, `https://zovi.example`, or nothing. A slash at its end is forgiven."""
    given = text(name).removesuffix("/")
    is_origin = re.fullmatch(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?", given) and _has_port(given)
    if given and not is_origin:
        refuse(f"{name} must be an address without a path, such as https://zovi.example")
    return given


def line(name: str, default: str, most: int) -> str:
    """A few words on one line, without anything that cannot be seen."""
    given = text(name, default)
    if len(given) > most or not given.isprintable():
        refuse(f"{name} must be one line of at most {most} characters")
    return given


def costs(name: str) -> dict[str, Decimal]:
    """`RU:3.5,*:8`: what one segment of a message costs in a region, and everywhere else."""
    found: dict[str, Decimal] = {}
    for word in words(name, []):
        region, _, price = (part.strip() for part in word.partition(":"))
        if (region != "*" and not is_region(region)) or not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", price):
            refuse(f"{name} must hold prices by region, such as RU:3.5,*:8")
        if region in found:
            refuse(f"{name} names {region} twice")
        found[region] = Decimal(price)
    return found


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


def signing_secret(name: str) -> str:
    """A secret as Standard Webhooks writes it: whsec_ and 24 to 64 bytes in base64. Nothing when it is not set."""
    given = text(name)
    encoded = given.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if given and not (given.startswith("whsec_") and 24 <= len(key) <= 64):
        refuse(f"{name} must be whsec_ and 24 to 64 random bytes in base64")
    return given


def header_names(name: str) -> list[str]:
    """Names of HTTP headers (RFC 9110, 5.1)."""
    given = [word.lower() for word in words(name, [])]
    if not all(re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", word) for word in given):
        refuse(f"{name} must hold names of headers such as x-request-id")
    return given


def fixed_codes(name: str) -> dict[str, str]:
    """`+79990000001:490731`: numbers in E.164 and the code each has, several by commas or white space.

    A number need not be anybody's: one that nobody can have is best.
    """
    from users.codes import is_easy_to_guess
    from users.phones import is_e164

    found: dict[str, str] = {}
    for place, pair in enumerate(filter(None, re.split(r"[,\s]+", _given(name))), 1):
        phone, _, code = pair.partition(":")
        if not is_e164(phone) or not re.fullmatch(r"[0-9]{4,8}", code):
            refuse(f"{name}, number {place}: it must be in E.164 with a code of 4 to 8 digits, +79990000001:490731")
        if is_easy_to_guess(code, phone):
            refuse(f"{name}, number {place}: its code is easy to guess, draw one by lot")
        if phone in found:
            refuse(f"{name}, number {place}: it stands there twice")
        found[phone] = code
    if len(found) > MOST_TEST_NUMBERS:
        refuse(f"{name} must hold at most {MOST_TEST_NUMBERS} numbers")
    return found


def day(name: str, most_ahead: int) -> date | None:
    """A day such as 2027-03-31, at most so many from today; it may have passed. None when it is not set."""
    given = text(name)
    if not given:
        return None
    try:
        found = datetime.strptime(given, "%Y-%m-%d").date()  # noqa: DTZ007 -- a day has no zone
    except ValueError:
        refuse(f"{name} must be a day such as 2027-03-31")
    if found > datetime.now(UTC).date() + timedelta(days=most_ahead):
        refuse(f"{name} must be at most {most_ahead} days ahead")
    return found


def postgres(url: str) -> dict:
    """Django's settings for a database URL. It may name several hosts, of which libpq takes the first that
    `target_session_attrs` fits, and folders of sockets: postgres://h1,h2:5433/name, postgres://%2Fvar%2Frun/name."""
    form = "DATABASE_URL must name a PostgreSQL database: postgres://user:password@host:5432/name"
    if not url.startswith(("postgres://", "postgresql://")):
        refuse(form)
    try:
        database = Env.db_url_config(url)
    except ValueError:
        refuse(form)
    if not database.get("NAME"):
        refuse(form)
    return database | {"HOST": unquote(database["HOST"])}


def is_loopback(host: str) -> bool:
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def names_of(*addresses: str) -> list[str]:
    """What a browser calls them, each once. An address for all of a machine's is no name of it."""
    named = [f"[{address}]" if ":" in address else address for address in addresses if address not in EVERY_ADDRESS]
    return list(dict.fromkeys(named))


def phone_types(name: str, default: list[str]) -> set[str]:
    """libphonenumber's kinds of numbers, such as mobile or fixed_line."""
    from users.phones import TYPES

    given = {word.lower() for word in words(name, default)}
    if unknown := given - set(TYPES):
        refuse(f"{name} has no {', '.join(sorted(unknown))}: it may hold {', '.join(sorted(TYPES))}")
    return given


def is_region(name: str) -> bool:
    from phonenumbers import SUPPORTED_REGIONS

    return name in SUPPORTED_REGIONS


def secret(name: str, demo: bool) -> str:
    """A secret from the environment; a demo that has none makes its own once and keeps it in `.local/`."""
    given = _given(name)
    if demo:
        return given or _demo_secrets()[name]
    if not given:
        refuse(f"{name} is missing")
    return _strong(name, given)


def more_secrets(name: str, demo: bool) -> list[str]:
    """Secrets separated by commas; none is fine."""
    given = [word.strip() for word in _given(name).split(",") if word.strip()]
    return given if demo else [_strong(name, secret) for secret in given]


def token(name: str, least: int) -> str:
    """What a program of one's own shows in a header; nothing when it is not set."""
    given = _given(name).strip()
    if given and not re.fullmatch(rf"[!-~]{{{least},}}", given):
        refuse(f"{name} must be {least} or more letters, digits and signs, without spaces")
    return given


def service_keys(name: str) -> dict[str, str]:
    """Secrets by name, from `name:secret` pairs."""
    pairs = [word.partition(":")[::2] for word in re.split(r"[,\s]+", _given(name)) if word]
    if any(not re.fullmatch(r"[\w.-]{1,40}", key) or len(secret) < MIN_SERVICE_KEY_LENGTH for key, secret in pairs):
        refuse(f"{name} must hold name:secret pairs, each secret of {MIN_SERVICE_KEY_LENGTH} characters or more")
    if len(dict(pairs)) < len(pairs) or len({secret for _, secret in pairs}) < len(pairs):
        refuse(f"{name} must not hold a name or a secret twice")
    return dict(pairs)


def endpoints(name: str) -> list[Endpoint]:
    """URLs to post to, separated by white space or commas."""
    try:
        return [parse_endpoint(url) for url in dict.fromkeys(re.split(r"[,\s]+", _given(name))) if url]
    except ValueError as error:
        refuse(f"{name} {error}")


def choices(name: str, allowed: list[str]) -> list[str]:
    """Some of what is allowed; all of it without any."""
    given = words(name, allowed)
    if unknown := set(given) - set(allowed):
        refuse(f"{name} must hold some of {', '.join(allowed)}, and not {', '.join(sorted(unknown))}")
    return given


def _strong(name: str, given: str) -> str:
    if len(given) < MIN_SECRET_LENGTH:
        refuse(f"{name} is shorter than {MIN_SECRET_LENGTH} characters")
    if given in _example_values():
        refuse(f"{name} is the example's: make your own")
    return given


def _example_values() -> set[str]:
    return {value for line in EXAMPLE.splitlines() if (value := line.partition("=")[2].strip())}


def _demo_secrets() -> dict[str, str]:
    path = LOCAL / "secrets.json"
    try:
        if not path.exists():
            _make_secrets(path)
        return json.loads(path.read_text())
    except PermissionError as error:
        refuse_foreign(error)
    except (OSError, ValueError):
        refuse(f"{path} can neither be read nor made")


def _make_secrets(path: Path) -> None:
    LOCAL.mkdir(parents=True, exist_ok=True)
    made = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "JWT_SECRET_KEY", "OTP_PEPPER")}
    draft = path.with_name(f"secrets.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(made, file)
    with suppress(FileExistsError):
        os.link(draft, path)  # of two first starts at once, exactly one keeps its secrets
    draft.unlink()
