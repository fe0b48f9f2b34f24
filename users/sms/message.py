"""What is to be sent, and what became of it."""

import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from django.conf import settings
from django.utils.translation import get_language

from users.sms import texts


@dataclass(frozen=True)
class Message:
    """`attempt` is 0 for the first code and one more for each resend. `ttl` in seconds; `host` is the request's own.

    `region` is the phone's, where it is known already. `is_kept` says that whoever sends this keeps a demo's copy for
    the inbox themselves, with what else they write. `must_be_ours`: no provider may choose another code.
    """

    phone: str = field(repr=False)
    code: str = field(repr=False)
    challenge: str = field(repr=False)
    host: str
    attempt: int = 0
    language: str = field(default_factory=lambda: get_language() or settings.LANGUAGE_CODE)
    ttl: int = field(default_factory=lambda: settings.OTP_TTL)
    region: str | None = None
    is_kept: bool = False
    must_be_ours: bool = False

    @property
    def digits(self) -> int:
        return len(self.code)

    @cached_property
    def text(self) -> str:
        return texts.code_text(self.code, host=self.host, language=self.language)

    @property
    def name(self) -> str:
        """The same for whoever is asked to send it."""
        return f"msg_{self.challenge}"

    def payload(self) -> dict:
        """As a hook is told of it: its type and data."""
        fields = ("challenge", "phone", "code", "digits", "text", "language", "ttl", "attempt")
        return {"type": "code.send", "data": {name: getattr(self, name) for name in fields}}


@dataclass(frozen=True)
class Notice:
    """A message without a code, such as the one to a number that is somebody's no more."""

    phone: str = field(repr=False)
    text: str = field(repr=False)
    language: str = field(default_factory=lambda: get_language() or settings.LANGUAGE_CODE)
    name: str = field(default_factory=lambda: f"msg_{uuid.uuid4()}")
    attempt = 0
    region = None
    is_kept = False
    code = ""
    digits = 0

    def payload(self) -> dict:
        return {"type": "notice.send", "data": {"phone": self.phone, "text": self.text, "language": self.language}}


AnyMessage = Message | Notice


@dataclass(frozen=True)
class Delivered:
    """`code` is what the provider chose instead of ours, else None; `cost` is None where nobody knows it."""

    route: str
    channel: str = "sms"
    code: str | None = field(default=None, repr=False)
    cost: Decimal | None = None
