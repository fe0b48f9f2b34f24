"""The demo's phone: what the simulated gateway has delivered."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from users import phones
from users.errors import NotFound
from users.models import Message


@dataclass(frozen=True)
class Delivered:
    """`phone` is masked. `text` without the line that only a browser reads."""

    id: int
    phone: str
    text: str
    created_at: datetime


def inbox(*, newest: int = 20) -> list[Delivered]:
    """The last messages, newest first. Raises NotFound outside demo."""
    if not settings.DEMO:
        raise NotFound()
    rows = Message.objects.order_by("-id")[:newest]
    return [Delivered(row.id, phones.mask(row.phone), row.words, row.created_at) for row in rows]
