"""Secrets: strong, none of them the example's, and made once for a demo that has none."""

import base64
import binascii
import json
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from project.env.reading import EXAMPLE, LOCAL, raw, refuse, refuse_unusable, text

MIN_SECRET_LENGTH = 50
MIN_SERVICE_KEY_LENGTH = 40


def secret(name: str, demo: bool) -> str:
    """A secret from the environment; a demo that has none makes its own once and keeps it in `.local/`."""
    given = raw(name)
    if demo:
        return given or _demo_secrets()[name]
    if not given:
        refuse(f"{name} is missing")
    return _strong(name, given)


def more_secrets(name: str, demo: bool) -> list[str]:
    """Secrets separated by commas; none is fine."""
    given = [word.strip() for word in raw(name).split(",") if word.strip()]
    return given if demo else [_strong(name, secret) for secret in given]


def token(name: str, least: int) -> str:
    """What a program of one's own shows in a header; nothing when it is not set."""
    given = raw(name).strip()
    if given and not re.fullmatch(rf"[!-~]{{{least},}}", given):
        refuse(f"{name} must be {least} or more letters, digits and signs, without spaces")
    return given


def service_keys(name: str) -> dict[str, str]:
    """Secrets by name, from `name:secret` pairs."""
    pairs = [word.partition(":")[::2] for word in re.split(r"[,\s]+", raw(name)) if word]
    if any(not re.fullmatch(r"[\w.-]{1,40}", key) or len(secret) < MIN_SERVICE_KEY_LENGTH for key, secret in pairs):
        refuse(f"{name} must hold name:secret pairs, each secret of {MIN_SERVICE_KEY_LENGTH} characters or more")
    if len(dict(pairs)) < len(pairs) or len({secret for _, secret in pairs}) < len(pairs):
        refuse(f"{name} must not hold a name or a secret twice")
    return dict(pairs)


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
    except OSError as error:
        refuse_unusable(error)
    except ValueError:
        refuse(f"{path} is damaged: put a copy in its place, or delete it to begin anew")


def _make_secrets(path: Path) -> None:
    LOCAL.mkdir(parents=True, exist_ok=True)
    made = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "JWT_SECRET_KEY", "OTP_PEPPER")}
    draft = path.with_name(f"secrets.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(made, file)
    with suppress(FileExistsError):
        os.link(draft, path)  # of two first starts at once, exactly one keeps its secrets
    draft.unlink()
