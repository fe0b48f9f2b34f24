"""Refresh tokens: the session's id, its generation and a MAC over both, keyed by the server's key and the row's salt.

So neither the database nor the key alone yields one, any older one is recognised as such, and the successor of each is
always the same.
"""

import base64
import hashlib
import hmac
import uuid
from datetime import timedelta

from django.conf import settings
from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from users import audit
from users.errors import InvalidToken
from users.models import Session
from users.tokens.sessions import end_sessions, live_sessions
from users.webhooks import EndReason

_ID, _GENERATION = 16, 4  # bytes


def token_of(session: Session) -> str:
    return _refresh_token(session, session.generation, settings.JWT_SECRET_KEY)


def rotate(refresh_token: str) -> Session:
    """The session, one generation on. Raises InvalidToken.

    For REFRESH_TOKEN_GRACE seconds after a token was replaced it gives the newest one, so clients that refresh twice at
    once are not thrown out, nor is a phone that lost two answers. After that its reuse means that it was stolen, and
    ends the session (RFC 9700, 4.14.2). One that has merely expired is refused and no more.
    """
    session, generation = _named_by(refresh_token)
    live = live_sessions().filter(id=session.id)
    # The generation is asked of the row itself: a subquery would still see the one from before a wait for its lock.
    advanced = Session.objects.filter(id__in=live.values("id"), generation=generation).update(
        generation=F("generation") + 1,
        refreshed_at=Now(),
        seen_at=Now(),
        refreshed_before=F("refreshed_at"),
        expires_at=Now() + timedelta(seconds=settings.REFRESH_TOKEN_TTL),
    )
    # Otherwise somebody was faster: just now, or long ago?
    wanted = live if advanced else live.filter(_replaced_within_the_grace(generation))
    rotated = wanted.select_related("user").first()
    if rotated is None:
        if end_sessions(live.filter(_replaced_before_the_grace(generation)), reason=EndReason.TOKEN_REUSED):
            audit.token_reused(session.user_id, session.id)
        raise InvalidToken()
    return rotated


def _replaced_within_the_grace(generation: int) -> Q:
    """Of the two times a row keeps, that of the token's own replacement is not long ago."""
    began = _grace_began()
    return Q(generation=generation + 1, refreshed_at__gte=began) | Q(
        generation=generation + 2, refreshed_before__gte=began
    )


def _replaced_before_the_grace(generation: int) -> Q:
    """For certain: with more than two replacements since, the time of the token's own is not known."""
    began = _grace_began()
    return Q(generation__gt=generation, refreshed_at__lt=began) | Q(
        generation__gt=generation + 1, refreshed_before__lt=began
    )


def _grace_began() -> CombinedExpression:
    return Now() - timedelta(seconds=settings.REFRESH_TOKEN_GRACE)


def _named_by(refresh_token: str) -> tuple[Session, int]:
    """The session and generation of a token we once issued. Raises InvalidToken."""
    try:
        raw = base64.urlsafe_b64decode(refresh_token.encode("ascii") + b"==")
    except ValueError:
        raise InvalidToken() from None
    session = Session.objects.filter(id=uuid.UUID(bytes=raw[:_ID])).first() if len(raw) > _ID else None
    if session is None:
        raise InvalidToken()
    generation = int.from_bytes(raw[_ID : _ID + _GENERATION])
    for key in (settings.JWT_SECRET_KEY, *settings.JWT_SECRET_KEY_FALLBACKS):
        if hmac.compare_digest(_refresh_token(session, generation, key).encode(), refresh_token.encode()):
            return session, generation
    raise InvalidToken()


def _refresh_token(session: Session, generation: int, key: str) -> str:
    name = session.id.bytes + generation.to_bytes(_GENERATION)
    mac = hmac.new(b"refresh token|" + key.encode(), name + bytes(session.salt), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(name + mac).decode().rstrip("=")
