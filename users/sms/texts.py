"""The words of a message: chosen by settings, counted as operators bill them."""

import re
from decimal import Decimal
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

PLACES = {"{code}", "{site}"}
# GSM 03.38. What is in the second alphabet takes two places; anything else turns the whole message into UCS-2.
GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_TWICE = frozenset("\f^{}\\[~]|€")


def code_text(code: str, *, host: str, language: str) -> str:
    """The message. Its last line lets the browser of that host fill the code in (WebOTP, origin-bound codes)."""
    words = _words(language).replace("{code}", code).replace("{site}", settings.SITE_NAME)
    return f"{words}\n\n@{_own_host() or host} #{code}" if settings.SMS_WEBOTP else words


def require_texts() -> None:
    """Raises ValueError when a text of the settings cannot carry a code."""
    for name in ("SMS_TEXT", "SMS_TEXT_RU"):
        if text := getattr(settings, name):
            _require_text(name, text)


def segments(text: str) -> int:
    """How many messages an operator makes of it, and bills."""
    if (GSM | GSM_TWICE).issuperset(text):
        return _parts([2 if character in GSM_TWICE else 1 for character in text], alone=160, joined=153)
    return _parts([len(character.encode("utf-16-le")) // 2 for character in text], alone=70, joined=67)


def cost(text: str, region: str | None) -> Decimal | None:
    """By SMS_COST; None where it says nothing of the region."""
    price = settings.SMS_COST.get(region, settings.SMS_COST.get("*"))
    return None if price is None else price * segments(text)


def _words(language: str) -> str:
    given = settings.SMS_TEXT_RU if language.startswith("ru") else settings.SMS_TEXT
    with override(language):
        return given or _("{site}: {code} is your sign-in code. Tell it to nobody.")


def _own_host() -> str:
    return urlsplit(settings.SITE_URL).netloc.removesuffix(f":{urlsplit(settings.SITE_URL).port}")


def _require_text(name: str, text: str) -> None:
    if "{code}" not in text:
        raise ValueError(f"{name} must hold {{code}}")
    if unknown := set(re.findall(r"\{[^{}]*\}?|\}", text)) - PLACES:
        raise ValueError(f"{name} holds {min(unknown)}, but its places are {{code}} and {{site}}")
    if any(not (character.isprintable() or character == "\n") for character in text):
        raise ValueError(f"{name} holds a character that cannot be seen")
    shown = text.replace("{site}", settings.SITE_NAME)
    if any(line.lstrip().startswith("@") for line in shown.splitlines()):
        raise ValueError(f"{name} has a line that begins with @, which browsers would read as the name of a site")


def _parts(widths: list[int], *, alone: int, joined: int) -> int:
    """A character of two places is not split between two parts."""
    if sum(widths) <= alone:
        return 1
    parts, room = 1, joined
    for width in widths:
        if width > room:
            parts, room = parts + 1, joined
        room -= width
    return parts
