"""The message to a phone: its words, the routes it may take, and the gateways at their ends.

`send` is all that services need. A message counts as sent unless it is known not to be.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from users import audit
from users.errors import RegionNotAllowed, SMSNotSent
from users.sms import routes, texts
from users.sms.gateways import Answer, Outcome
from users.sms.message import AnyMessage, Delivered, Message, Notice
from users.sms.texts import segments

__all__ = ["Attempt", "Delivered", "Message", "Notice", "attempts", "list_price", "require_gateway", "segments", "send"]

SECONDS = 8.0  # for all routes together
RETRY_SECONDS = 2  # where a gateway says nothing else


def send(message: AnyMessage) -> Delivered:
    """Waits until a gateway has taken the message, or may have; eight seconds at most. Holds no database connection.

    Raises RegionNotAllowed when no route serves the phone's region, SMSNotSent when each has refused for certain, and
    ServiceUnavailable when too many are being sent.
    """
    refusals = []
    for attempt in attempts(message):
        answer = attempt.answer
        if answer.outcome is not Outcome.REFUSED:
            return Delivered(attempt.route.scheme, answer.channel, answer.code, _cost(answer, message))
        refusals.append(answer)
    if not refusals:
        raise RegionNotAllowed()
    raise SMSNotSent(retry_after=min(_wait(answer) for answer in refusals))


@dataclass(frozen=True)
class Attempt:
    """A route that was asked, what it answered, and after how many seconds."""

    route: routes.Route
    answer: Answer
    seconds: float


def attempts(message: AnyMessage) -> Iterator[Attempt]:
    """Ask one route after the other for as long as the caller goes on and there is time."""
    deadline = time.monotonic() + SECONDS
    for route in routes.for_message(message):
        if not connection.in_atomic_block:
            connection.close()  # back to the pool: others may use it while we wait
        began = time.monotonic()
        answer = route.ask(message, deadline)
        attempt = Attempt(route, answer, time.monotonic() - began)
        _log(attempt)
        yield attempt


def require_gateway() -> None:
    """Raises ValueError when the settings name no way to send a message, or words that cannot be one."""
    routes.require_routes()
    texts.require_texts()


def _log(attempt: Attempt) -> None:
    answer = attempt.answer
    audit.route_answered(
        attempt.route.scheme,
        attempt.route.number,
        answer.outcome,
        why=answer.why,
        status=answer.status,
        channel=answer.channel,
        seconds=attempt.seconds,
    )


def _cost(answer: Answer, message: AnyMessage) -> Decimal | None:
    """The gateway's own word, else the list price of an SMS."""
    return answer.cost if answer.cost is not None or answer.channel != "sms" else list_price(message)


def list_price(message: AnyMessage) -> Decimal | None:
    """What SMS_COST says of it; None where that names neither its region nor all."""
    return texts.cost(message.text, routes.region_of(message))


def _wait(answer: Answer) -> int:
    return RETRY_SECONDS if answer.retry_after is None else answer.retry_after
