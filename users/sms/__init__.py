"""The message to a phone: its words, the routes it may take, and the gateways at their ends.

`send` is all that services need. A message counts as sent unless it is known not to be.
"""

import time
from collections.abc import Iterator
from decimal import Decimal

from django.db import connection

from users import audit
from users.errors import RegionNotAllowed, SMSNotSent
from users.sms import routes, texts
from users.sms.gateways import Answer, Outcome
from users.sms.message import Delivered, Message

__all__ = ["Delivered", "Message", "attempts", "require_gateway", "send"]

SECONDS = 8.0  # for all routes together
RETRY_SECONDS = 2  # where a gateway says nothing else


def send(message: Message) -> Delivered:
    """Waits until a gateway has taken the message, or may have; eight seconds at most. Holds no database connection.

    Raises RegionNotAllowed when no route serves the phone's region, SMSNotSent when each has refused for certain, and
    ServiceUnavailable when too many are being sent.
    """
    refusals = []
    for route, answer in attempts(message):
        if answer.outcome is not Outcome.REFUSED:
            return Delivered(route.scheme, answer.channel, answer.code, _cost(answer, message))
        refusals.append(answer)
    if not refusals:
        raise RegionNotAllowed()
    raise SMSNotSent(retry_after=min(_wait(answer) for answer in refusals))


def attempts(message: Message) -> Iterator[tuple[routes.Route, Answer]]:
    """Ask one route after the other for as long as the caller goes on and there is time."""
    deadline = time.monotonic() + SECONDS
    for route in routes.for_message(message):
        if not connection.in_atomic_block:
            connection.close()  # back to the pool: others may use it while we wait
        began = time.monotonic()
        answer = route.ask(message, deadline)
        _log(route, answer, time.monotonic() - began)
        yield route, answer


def require_gateway() -> None:
    """Raises ValueError when the settings name no way to send a message, or words that cannot be one."""
    routes.require_routes()
    texts.require_texts()


def _log(route: routes.Route, answer: Answer, seconds: float) -> None:
    audit.route_answered(
        route.scheme,
        route.number,
        answer.outcome,
        why=answer.why,
        status=answer.status,
        channel=answer.channel,
        seconds=seconds,
    )


def _cost(answer: Answer, message: Message) -> Decimal | None:
    """The gateway's own word, else the list price of an SMS."""
    if answer.cost is not None or answer.channel != "sms":
        return answer.cost
    return texts.cost(message.text, routes.region_of(message.phone))


def _wait(answer: Answer) -> int:
    return RETRY_SECONDS if answer.retry_after is None else answer.retry_after
