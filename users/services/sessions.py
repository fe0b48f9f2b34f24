"""Signed-in clients of one account: see them all, end one, end all others."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from users import audit, browsers, tokens
from users.errors import NotFound
from users.models import Session, User
from users.services import slices
from users.services.arguments import parse_id
from users.webhooks import EndReason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class OwnSession:
    """`browser` is what people call it; `current`: it is the one that asks. `cursor` continues the list after it."""

    id: uuid.UUID
    browser: str
    address: str
    signed_in_at: datetime
    last_seen_at: datetime
    current: bool

    @property
    def cursor(self) -> str:
        return slices.write_cursor(slices.OLDER, _position_of(self))


@dataclass(frozen=True)
class SessionSlice:
    """Newest first. `next` and `previous` are opaque cursors, None at the ends."""

    items: list[OwnSession]
    next: str | None
    previous: str | None


def sessions_of(*, user: User, cursor: str | None = None, first: int = slices.MOST) -> SessionSlice:
    """One slice of the live sessions of `user`, who is signed in by one of them.

    Raises InvalidInput for a cursor that is not ours and for less than 1 or more than 100 at once.
    """
    slices.require_size(first)
    backwards, start = slices.read_cursor(cursor, _read_position)
    live = _live(user)
    if start:
        live = live.filter(_beside(*start, "gt" if backwards else "lt"))
    sign = "" if backwards else "-"
    found = [_shown(session, to=user) for session in live.order_by(f"{sign}created_at", f"{sign}id")[: first + 1]]
    return SessionSlice(*slices.cut(found, first, backwards=backwards, is_first=start is None, position=_position_of))


def end_session(*, user: User, session_id: str) -> None:
    """Sign one of the user's own clients out. Raises NotFound for any other, and for one that has ended."""
    wanted = parse_id(session_id)
    if not wanted or not tokens.end_sessions(_live(user).filter(id=wanted), reason=EndReason.ENDED_ELSEWHERE):
        raise NotFound()
    audit.signed_out(user.id, wanted)


def end_other_sessions(*, user: User) -> int:
    """Sign the user out everywhere but here. Returns how many that ended."""
    return tokens.end_sessions(_live(user).exclude(id=user.session.id), reason=EndReason.ENDED_ELSEWHERE)


def logout(*, user: User, everywhere: bool = False) -> None:
    """End the session `user` was authenticated by, or all there are."""
    if everywhere:
        end_other_sessions(user=user)
    tokens.end_session(user.session)
    audit.signed_out(user.id, user.session.id)


def _live(user: User) -> QuerySet[Session]:
    return Session.objects.filter(user=user, ended_at=None, expires_at__gt=Now())


def _beside(at: datetime, session_id: uuid.UUID, side: str) -> Q:
    """The first condition follows from the second, and is the one an index answers."""
    nearer = Q(**{f"created_at__{side}": at}) | Q(**{f"id__{side}": session_id})
    return Q(**{f"created_at__{side}e": at}) & nearer


def _shown(session: Session, *, to: User) -> OwnSession:
    return OwnSession(
        id=session.id,
        browser=browsers.name_of(session.user_agent),
        address=session.address,
        signed_in_at=session.created_at,
        last_seen_at=session.seen_at,
        current=session.id == to.session.id,
    )


def _position_of(session: OwnSession) -> str:
    """Two may have signed in at the same time; their ids tell them apart."""
    return f"{(session.signed_in_at - _EPOCH) // _MICROSECOND}.{session.id.hex}"


def _read_position(text: str) -> tuple[datetime, uuid.UUID]:
    at, _, session_id = text.partition(".")
    if not at.isdecimal() or len(at) > 17:  # five thousand years
        raise ValueError
    return _EPOCH + int(at) * _MICROSECOND, uuid.UUID(session_id)
