"""Codes: drawn from a cryptographic source, read forgivingly, kept as a keyed hash. Pure."""

import hashlib
import hmac
import re
import secrets
import string
import unicodedata
import uuid

from django.utils.translation import gettext_lazy as _

from users.errors import InvalidInput

INVITE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0 O 1 I L: they are read for one another
INVITE_LENGTH = 6

# As people write it: with spaces and hyphens anywhere.
WRITTEN_ONE_TIME_CODE = "^[ -]*([0-9][ -]*){4,8}$"

_ONE_TIME_CODE = re.compile("[0-9]{4,8}")
# Full-width, Arabic and Persian keyboards.
_DIGITS = {ord(zero) + digit: str(digit) for zero in "０٠۰" for digit in range(10)}
_DIVIDERS = {"Zs", "Pd", "Cf"}  # spaces, hyphens and dashes, and the invisible marks that are copied along with them
_INVITE_CODE = re.compile(f"[{INVITE_ALPHABET}]{{{INVITE_LENGTH}}}")
_INVITE_LINK = re.compile(r".*/i/([^/?#]+)", re.DOTALL)
# Cyrillic and Greek capitals as the Latin letters they look like.
_LOOK_ALIKES = str.maketrans(
    "АВЕЅНЈКМРԚСТԜХУҮԌԀΑΒΕΖΗΚΜΝΡΤΥΧ",
    "ABESHJKMPQCTWXYYGDABEZHKMNPTYX",
)
_MORE_HYPHENS = "−⁃➖⁻₋˗"  # which Unicode does not class as dashes
_BLANKS = "\u115f\u1160\u3164\uffa0\u2800"  # which it classes as letters and signs, though nothing is to be seen
_PUNCTUATION = string.punctuation + "«»“”„‘’‹›…·•。，、！？：；）（】【」「》《"


def new_one_time_code(digits: int) -> str:
    """Uniform over all `digits`-digit strings, those with leading zeros included."""
    return f"{secrets.randbelow(10**digits):0{digits}}"


def normalise_one_time_code(raw: str) -> str:
    """` 12-34` and `١٢٣٤` → `1234`: 4–8 digits. Raises InvalidInput."""
    written = "".join(c for c in raw.translate(_DIGITS) if not _divides(c))
    if not _ONE_TIME_CODE.fullmatch(written):
        raise InvalidInput(fields={"code": [_("A code is 4 to 8 digits.")]})
    return written


def keyed_hash(code: str, *, challenge: uuid.UUID, pepper: str) -> str:
    """HMAC-SHA256 in hex. Without the pepper four digits could be tried out in milliseconds (RFC 2104).

    The challenge's row names the phone, so the phone need not be in it.
    """
    return hmac.new(pepper.encode(), f"{challenge}|{code}".encode(), hashlib.sha256).hexdigest()


def key_of_phone(phone: str, *, pepper: str) -> str:
    """What a phone is counted by, and all that is left of it when its owner has left: 32 hex digits that can be
    recognised but not read."""
    return hmac.new(pepper.encode(), f"phone|{phone}".encode(), hashlib.sha256).hexdigest()[:32]


def draw_invite_code() -> str:
    return "".join(secrets.choice(INVITE_ALPHABET) for _ in range(INVITE_LENGTH))


def normalise_invite_code(raw: str) -> str:
    """As people write, say, spell and paste it: `«аbc‑23 4».`, `https://zovi.example/i/ABC234/` → `ABC234`.

    Raises InvalidInput.
    """
    link = _INVITE_LINK.match(raw)
    seen = "".join(char for char in (link[1] if link else raw) if not _is_passed_over(char))
    plain = ascii_digits(unicodedata.normalize("NFKC", seen)).strip(_PUNCTUATION)
    code = plain.upper().translate(_LOOK_ALIKES)
    if not _INVITE_CODE.fullmatch(code):
        raise InvalidInput(fields={"invite_code": [_("An invite code is 6 letters and digits, such as A2B3C4.")]})
    return code


def _divides(char: str) -> bool:
    return unicodedata.category(char) in _DIVIDERS or char in _MORE_HYPHENS


def ascii_digits(text: str) -> str:
    """Every decimal digit, whatever its script, as the ASCII one."""
    return "".join(str(unicodedata.decimal(char, char)) for char in text)


def _is_passed_over(char: str) -> bool:
    """Spaces, hyphens of every kind, and marks that cannot be seen or only change how their letter looks."""
    invisible = unicodedata.category(char) in {"Cf", "Mn", "Pd"}
    return invisible or char.isspace() or char in _MORE_HYPHENS or char in _BLANKS
