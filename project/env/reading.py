"""What the environment and `.env` say, and the plainest kinds of values in it."""

import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from project import dotenv

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")  # it names every variable there is
NAMES = set(re.findall(r"(?m)^#? ?([A-Z][A-Z0-9_]*)=", EXAMPLE))

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


def refuse(message: str) -> NoReturn:
    """End the process: something that is unsafe or unclear must not start."""
    raise SystemExit(f"zovi: refusing to start: {message}")


def refuse_unusable(error: OSError) -> NoReturn:
    """For the files of ours: somebody else, often root, was here first, or the disk takes nothing."""
    where = error.filename or LOCAL
    if isinstance(error, PermissionError):
        refuse(f"{where} is closed to this user: sudo chown -R $USER {LOCAL}, or choose another LOCAL_DIR")
    refuse(f"{where} cannot be used ({error.strerror}): mend that, or choose another LOCAL_DIR")


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
    return raw(name).strip() or default


def raw(name: str) -> str:
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


def choices(name: str, allowed: list[str]) -> list[str]:
    """Some of what is allowed; all of it without any."""
    given = words(name, allowed)
    if unknown := set(given) - set(allowed):
        refuse(f"{name} must hold some of {', '.join(allowed)}, and not {', '.join(sorted(unknown))}")
    return given


def line(name: str, default: str, most: int) -> str:
    """A few words on one line, without anything that cannot be seen."""
    given = text(name, default)
    if len(given) > most or not given.isprintable():
        refuse(f"{name} must be one line of at most {most} characters")
    return given


def folder(name: str, default: Path) -> Path:
    return (ROOT / text(name, str(default))).resolve()


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
