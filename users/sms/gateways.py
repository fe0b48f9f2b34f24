"""Who takes a message: the simulated gateway of a demo, one of apprise's, or a hook into somebody's own code.

Each is asked once and says what it knows: sent, refused for certain, or, where no answer came, neither.
"""

import random
import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import quote

import orjson
from django.conf import settings
from standardwebhooks import Webhook

from users import waiting
from users.models import Message as InboxMessage
from users.sms import transport
from users.sms.message import AnyMessage

# A home-made HTTP gateway may read the recipient from the title; anything else needs its place in the URL.
TITLED = {"json", "jsons", "form", "forms", "xml", "xmls"}
CHANNEL = r"[a-z][a-z_]{0,15}"
PRICE = r"[0-9]{1,6}(\.[0-9]{1,20})?"
MOST_WAITING = 3600  # seconds of a gateway's Retry-After that are believed


class Outcome(StrEnum):
    SENT = "sent"
    UNKNOWN = "unknown"  # it may have been sent, and counts so
    REFUSED = "refused"  # for certain


@dataclass(frozen=True)
class Answer:
    """`why` is the kind of failure, `retry_after` the gateway's own, in seconds."""

    outcome: Outcome
    why: str = ""
    status: int | None = None
    retry_after: int | None = None
    channel: str = "sms"
    code: str | None = field(default=None, repr=False)
    cost: Decimal | None = None


def simulate(message: AnyMessage) -> Answer:
    waiting.sleep(random.uniform(*settings.SMS_SIMULATED_DELAY))
    if not message.is_kept:
        InboxMessage.objects.deliver(message.phone, message.text)
    return Answer(Outcome.SENT)


# --- apprise -------------------------------------------------------------------------------------------------------


def apprise_plugin(url: str, phone: str):
    """What apprise makes of a route's URL with the recipient in its place; None when that is nothing."""
    from apprise import Apprise  # takes a second to import, and a demo never needs it

    plugin = Apprise.instantiate(url.replace("{phone}", quote(phone, safe="")), suppress_exceptions=True)
    module = plugin and sys.modules[type(plugin).__module__]
    if not hasattr(module, "requests"):  # it speaks something else, which nothing here could bound
        return None
    module.requests = _bounded_requests
    return plugin


_bounded_requests = transport.Requests()


def notify(url: str, message: AnyMessage, deadline: float) -> Answer:
    with transport.exchange(deadline) as exchange:
        is_taken = _is_taken(url, message)
    if is_taken and settings.SMS_SUCCESS and _scheme(url) in TITLED:
        is_taken = settings.SMS_SUCCESS in exchange.content.decode(errors="replace")
    return _answer(exchange, is_taken)


def _is_taken(url: str, message: AnyMessage) -> bool:
    try:
        title = "" if "{phone}" in url else message.phone
        return apprise_plugin(url, message.phone).notify(body=message.text, title=title)
    except Exception:  # an answer a plugin does not understand is one more way of not knowing
        return False


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


# --- hook ----------------------------------------------------------------------------------------------------------


def call_hook(url: str, message: AnyMessage, deadline: float) -> Answer:
    """Post a Standard Webhooks message; its signature says who wrote it and when."""
    written = datetime.now(UTC)
    body = orjson.dumps(message.payload() | {"timestamp": written.isoformat()}).decode()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message.name,
        "webhook-timestamp": str(int(written.timestamp())),
        "webhook-signature": Webhook(settings.SMS_HOOK_SECRET).sign(message.name, written, body),
    }
    with transport.exchange(deadline) as exchange, transport.Session() as session:
        try:
            session.post(url, data=body.encode(), headers=headers)
        except transport.requests.RequestException:
            return _answer(exchange, is_taken=False)
    return _hook_answer(exchange, message)


def _hook_answer(exchange: transport.Exchange, message: AnyMessage) -> Answer:
    """Nothing, or a JSON object whose fields can be what they are called; anything else is nonsense."""
    try:
        return _answer(exchange, is_taken=True, **_said(exchange.content, message))
    except ValueError:
        return _answer(exchange, is_taken=False)


def _said(content: bytes, message: AnyMessage) -> dict:
    """Raises ValueError."""
    said = orjson.loads(content or b"{}")
    if not isinstance(said, dict):
        raise ValueError("no object")
    channel = _field(said, "channel", CHANNEL)
    cost = _field(said, "cost", PRICE)
    return {"channel": channel or "sms", "code": _code(said, message), "cost": Decimal(cost) if cost else None}


def _code(said: dict, message: AnyMessage) -> str | None:
    """A phone that is guessed at gets long codes, and of ours: a caller's number is no secret source. So does everybody
    while strangers' codes are longer, or a call would tell who is at home."""
    code = _field(said, "code", f"[0-9]{{{message.digits}}}")
    if code in (None, message.code):
        return None
    if message.must_be_ours or message.digits > settings.OTP_DIGITS:
        raise ValueError("no code that could stand for ours")
    return code


def _field(said: dict, name: str, form: str) -> str | None:
    value = said.get(name)
    if isinstance(value, int | float) and name == "cost":
        value = str(value)
    if value is not None and not (isinstance(value, str) and re.fullmatch(form, value)):
        raise ValueError(f"{name} is nonsense")
    return value


# --- What an exchange means ----------------------------------------------------------------------------------------


def _answer(exchange: transport.Exchange, is_taken: bool, **said) -> Answer:
    outcome, why = _verdict(exchange, is_taken)
    if outcome is not Outcome.SENT:
        said = {}
    retry_after = _seconds(exchange.headers.get("Retry-After", ""))
    return Answer(outcome, why, exchange.status, retry_after, **said)


def _verdict(exchange: transport.Exchange, is_taken: bool) -> tuple[Outcome, str]:
    if exchange.is_doubtful:
        return Outcome.UNKNOWN, exchange.failure
    if exchange.status is None:
        return Outcome.REFUSED, exchange.failure or "not_asked"
    if exchange.status >= 300:
        return Outcome.REFUSED, "redirect" if exchange.status < 400 else "http_error"
    if is_taken:
        return Outcome.SENT, ""
    return (Outcome.REFUSED, "wrong_answer") if exchange.is_whole else (Outcome.UNKNOWN, "cut_short")


def _seconds(retry_after: str) -> int | None:
    """A header's seconds or date (RFC 9110, 10.2.3)."""
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        return min(int(retry_after), MOST_WAITING)
    try:
        left = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(0, int(left)), MOST_WAITING)
