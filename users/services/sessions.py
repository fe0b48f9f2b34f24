"""Signed-in clients of one account: see them, end one."""

from users import tokens
from users.errors import NotFound
from users.models import Session, User
from users.services.arguments import parse_id
from users.webhooks import EndReason

SHOWN = 20


def sessions_of(*, user: User) -> list[Session]:
    """The account's live sessions, newest first, the first 20."""
    return list(tokens.live_sessions().filter(user=user).order_by("-created_at", "-id")[:SHOWN])


def end_session(*, user: User, session_id: str) -> None:
    """Sign one of the user's own clients out. Raises NotFound for any other, and for one that has ended."""
    wanted = parse_id(session_id)
    session = tokens.live_sessions().filter(user=user, id=wanted).first() if wanted else None
    if session is None:
        raise NotFound()
    tokens.end_session(session, reason=EndReason.ENDED_ELSEWHERE)
