"""Access and refresh tokens, and the sessions behind them. The only place that knows JWT.

An access token names a session; the session's row decides on every request.
"""

from dataclasses import dataclass

from django.conf import settings

from users.models import Session
from users.tokens import access, refresh
from users.tokens.access import SessionName, authenticate, introspect, read
from users.tokens.keys import jwks
from users.tokens.refresh import rotate
from users.tokens.sessions import (
    end_session,
    end_sessions,
    live_sessions,
    new_session,
    note_seen,
    open_session,
    resume,
)

__all__ = [
    "SessionName",
    "Tokens",
    "authenticate",
    "end_session",
    "end_sessions",
    "introspect",
    "issue",
    "jwks",
    "live_sessions",
    "new_session",
    "note_seen",
    "open_session",
    "read",
    "resume",
    "rotate",
]


@dataclass(frozen=True)
class Tokens:
    """`expires_in`: seconds the access token lives."""

    access: str
    refresh: str
    expires_in: int
    token_type: str = "Bearer"


def issue(session: Session) -> Tokens:
    return Tokens(
        access=access.token_of(session), refresh=refresh.token_of(session), expires_in=settings.ACCESS_TOKEN_TTL
    )
