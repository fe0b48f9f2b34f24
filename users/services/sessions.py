"""Signed-in clients of one account: see them, end one or all the others."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q

from users import tokens
from users.errors import NotFound
from users.models import Session, User
from users.services import slices
from users.services.arguments import parse_id
from users.webhooks import EndReason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class SessionSlice:
    """Newest first. `next` and `previous` are opaque cursors, None at the ends."""

    items: list[Session]
    next: str | None
    previous: str | None


def sessions_of(*, user: User, cursor: str | None = None, first: int = slices.MOST) -> SessionSlice:
    """One slice of the account's live sessions, `first` at most.

    Raises InvalidInput for a cursor that is not ours and for less than 1 or more than 100 at once.
    """
    slices.require_size(first)
    backwards, start = slices.read_cursor(cursor, _read_position)
    live = tokens.live_sessions().filter(user=user)
    if start:
        live = live.filter(_beside(*start, "gt" if backwards else "lt"))
    sign = "" if backwards else "-"
    found = list(live.order_by(f"{sign}created_at", f"{sign}id")[: first + 1])
    return SessionSlice(*slices.cut(found, first, backwards=backwards, is_first=start is None, position=_position_of))


def end_session(*, user: User, session_id: str) -> None:
    """Sign one of the user's own clients out. Raises NotFound for any other, and for one that has ended."""
    wanted = parse_id(session_id)
    session = tokens.live_sessions().filter(user=user, id=wanted).first() if wanted else None
    if session is None:
        raise NotFound()
    tokens.end_session(session, reason=EndReason.ENDED_ELSEWHERE)


def end_other_sessions(*, user: User) -> int:
    """Sign out every client of the user's but the one they ask with. Returns how many that were."""
    others = tokens.live_sessions().filter(user=user).exclude(id=user.session.id)
    return tokens.end_sessions(others, reason=EndReason.ENDED_ELSEWHERE)


def _beside(at: datetime, session_id: uuid.UUID, side: str) -> Q:
    return Q(**{f"created_at__{side}": at}) | Q(**{"created_at": at, f"id__{side}": session_id})


def _position_of(session: Session) -> str:
    return f"{(session.created_at - _EPOCH) // _MICROSECOND}.{session.id.hex}"


def _read_position(text: str) -> tuple[datetime, uuid.UUID]:
    at, _, session_id = text.partition(".")
    if not at.isdecimal() or len(at) > 17:  # five thousand years
        raise ValueError
    return _EPOCH + int(at) * _MICROSECOND, uuid.UUID(session_id)
