"""What is to be sent, and what became of it."""

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from django.conf import settings
from django.utils.translation import get_language

from users.sms import texts


@dataclass(frozen=True)
class Message:
    """`attempt` is 0 for the first code and one more for each resend. `ttl` in seconds; `host` is the request's own."""

    phone: str = field(repr=False)
    code: str = field(repr=False)
    challenge: str = field(repr=False)
    host: str
    attempt: int = 0
    language: str = field(default_factory=lambda: get_language() or settings.LANGUAGE_CODE)
    ttl: int = field(default_factory=lambda: settings.OTP_TTL)

    @property
    def digits(self) -> int:
        return len(self.code)

    @cached_property
    def text(self) -> str:
        return texts.code_text(self.code, host=self.host, language=self.language)


@dataclass(frozen=True)
class Delivered:
    """`code` is what the provider chose instead of ours, else None; `cost` is None where nobody knows it."""

    route: str
    channel: str = "sms"
    code: str | None = field(default=None, repr=False)
    cost: Decimal | None = None
