"""Between the message and the code: what somebody who holds a challenge may know."""

import math
from dataclasses import dataclass

from django.conf import settings
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from users import limits
from users.clients import Client
from users.models import Challenge, Message
from users.services.arguments import parse_id

_LEFT = ExpressionWrapper(F("expires_at") - Now(), DurationField())


@dataclass(frozen=True)
class AwaitedCode:
    """`phone` is the one the holder asked for. Times in seconds, 0 when over; `message` is shown in a demo only.

    `digits` is None while its number would tell strangers from those at home.
    """

    phone: str
    channel: str
    digits: int | None
    expires_in: int
    resend_in: int
    attempts_left: int
    message: str | None

    @property
    def is_open(self) -> bool:
        return self.expires_in > 0 and self.attempts_left > 0


def awaited_code(*, challenge: str | None, client: Client) -> AwaitedCode | None:
    """What became of the code that was sent for `challenge`; None when no such code was, or it has been used.

    How long it lives is asked of the database, which lets it die: this machine's clock may be minutes off.
    """
    challenge_id = parse_id(challenge)
    known = Challenge.objects.annotate(left=_LEFT).filter(id=challenge_id, used_at=None).exclude(phone="")
    sent = known.first() if challenge_id else None
    if sent is None:
        return None
    is_open = sent.slot is not None
    return AwaitedCode(
        phone=sent.phone,
        channel=sent.channel,
        digits=sent.told_digits,
        expires_in=max(0, math.ceil(sent.left.total_seconds())) if is_open else 0,
        resend_in=0 if sent.is_test else _wait_before_send(sent, client),
        attempts_left=sent.attempts_left(settings.OTP_TRIES),
        message=Message.objects.newest_to(sent.phone) if settings.DEMO else None,
    )


def _wait_before_send(sent: Challenge, client: Client) -> int:
    return limits.wait_before_send(phone_key=sent.phone_key, address=client.address, network=client.network)
