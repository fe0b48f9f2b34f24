"""Access and refresh tokens, and the sessions behind them. The only place that knows JWT.

An access token names a session; the session's row decides on every request. A refresh token is the session's id, its
generation and a MAC over both, keyed by the server's key and the row's salt: neither the database nor the key alone
yields one, any older one is recognised as such, and the successor of each is always the same.
"""

import base64
import hashlib
import hmac
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import F, Model, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from graphql_jwt.exceptions import JSONWebTokenError
from graphql_jwt.settings import jwt_settings
from graphql_jwt.utils import get_payload, get_user_by_payload

from users import events
from users.clients import Client
from users.errors import InvalidToken, NotAuthenticated
from users.models import Session, User

SCHEMES = {"bearer", "jwt", "token"}
REQUIRED_CLAIMS = ["sub", "sid", "typ", "iss", "aud", "iat", "exp", "jti"]
TOKEN_TYPE = "access"
_ID, _GENERATION = 16, 4  # bytes


@dataclass(frozen=True)
class Tokens:
    """`expires_in`: seconds the access token lives."""

    access: str
    refresh: str
    expires_in: int
    token_type: str = "Bearer"


@dataclass(frozen=True)
class SessionName:
    """What a token claims. It says nobody's name yet: only a statement that finds the live session row does."""

    user_id: uuid.UUID
    session_id: uuid.UUID


def new_session(client: Client) -> Session:
    """Not saved yet, and nobody's."""
    return Session(
        salt=secrets.token_bytes(32),
        address=client.address,
        user_agent=client.user_agent,
        expires_at=timezone.now() + timedelta(seconds=settings.REFRESH_TOKEN_TTL),
    )


def open_session(user: User, client: Client) -> Session:
    session = new_session(client)
    session.user = user
    session.save(force_insert=True)
    return session


def end_session(session: Session) -> None:
    """From the next request on none of its tokens is good. Ending it again changes nothing."""
    Session.objects.filter(id=session.id, ended_at=None).update(ended_at=Now())


def issue(session: Session) -> Tokens:
    payload = jwt_settings.JWT_PAYLOAD_HANDLER(session.user, session)
    return Tokens(
        access=jwt_settings.JWT_ENCODE_HANDLER(payload),
        refresh=_refresh_token(session, session.generation, settings.JWT_SECRET_KEY),
        expires_in=settings.ACCESS_TOKEN_TTL,
    )


def authenticate(authorization: str) -> User:
    """The user an Authorization header speaks for, with `user.session` set.

    `Bearer`, `JWT` and `Token` mean the same. Raises NotAuthenticated when the header holds no token, InvalidToken
    when it holds one that is not good (any more).
    """
    try:
        user = get_user_by_payload(_claims(authorization))
    except JSONWebTokenError:
        raise InvalidToken() from None
    if user is None:
        raise InvalidToken()
    return user


def read(authorization: str) -> SessionName:
    """Which session a header names, by a good signature and nothing more. Raises as `authenticate` does."""
    claims = _claims(authorization)
    try:
        return SessionName(uuid.UUID(claims["sub"]), uuid.UUID(claims["sid"]))
    except ValueError:
        raise InvalidToken() from None


def _claims(authorization: str) -> dict:
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() not in SCHEMES:
        raise NotAuthenticated()
    try:
        return get_payload(token.strip())
    except JSONWebTokenError:
        raise InvalidToken() from None


def resume(session_id: str) -> User | None:
    """The user of a session, with `user.session` set; None when it has ended, expired, or the user is switched off."""
    try:
        row = connection.fetch_prepared(_session_and_user(), id=uuid.UUID(session_id))
    except ValueError:
        return None
    if row is None:
        return None
    of_session = len(Session._meta.concrete_fields)
    session, user = _loaded(Session, row[:of_session]), _loaded(User, row[of_session:])
    session.user, user.session = user, session
    return user


@lru_cache(maxsize=1)
def _session_and_user() -> str:
    """What the ORM says to read a live session with its user; its one parameter is the id. It is asked in nearly every
    call, and composing it each time took half of a page of referrals."""
    sql, [_] = live_sessions().select_related("user").filter(id=uuid.UUID(int=0)).query.sql_with_params()
    return sql.replace("%s", "%(id)s")


def _loaded(model: type[Model], values: tuple) -> Any:
    return model.from_db(DEFAULT_DB_ALIAS, [field.attname for field in model._meta.concrete_fields], values)


def live_sessions() -> QuerySet[Session]:
    return Session.objects.filter(ended_at=None, expires_at__gt=Now(), user__is_active=True)


def rotate(refresh_token: str) -> Session:
    """The session, one generation on. Raises InvalidToken.

    Within REFRESH_TOKEN_GRACE seconds the same token again gives the same successor, so clients that refresh twice at
    once are not thrown out. After that its reuse means that it was stolen, and ends the session (RFC 9700, 4.14.2).
    """
    session, generation = _named_by(refresh_token)
    live = live_sessions().filter(id=session.id)
    # The generation is asked of the row itself: a subquery would still see the one from before a wait for its lock.
    advanced = Session.objects.filter(id__in=live.values("id"), generation=generation).update(
        generation=F("generation") + 1,
        refreshed_at=Now(),
        expires_at=Now() + timedelta(seconds=settings.REFRESH_TOKEN_TTL),
    )
    if not advanced:  # somebody was faster: just now, or long ago?
        grace = timedelta(seconds=settings.REFRESH_TOKEN_GRACE)
        live = live.filter(generation=generation + 1, refreshed_at__gte=Now() - grace)
    rotated = live.select_related("user").first()
    if rotated is None:
        if session.ended_at is None:
            end_session(session)
            events.token_reused(session.user_id, session.id)
        raise InvalidToken()
    return rotated


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


# --- django-graphql-jwt calls these: see GRAPHQL_JWT in the settings ---------------------------------------------


def make_payload(user: User, session: Session) -> dict:
    """The claims (RFC 7519, 4.1). No phone number: anybody can read a token."""
    now = datetime.now(UTC)
    return {
        "sub": str(user.id),
        "sid": str(session.id),
        "typ": TOKEN_TYPE,
        "iss": jwt_settings.JWT_ISSUER,
        "aud": jwt_settings.JWT_AUDIENCE,
        "iat": now,
        "exp": now + timedelta(seconds=settings.ACCESS_TOKEN_TTL),
        "jti": secrets.token_urlsafe(12),
    }


def decode(token: str, context: object = None) -> dict:
    """The claims of a token signed with the current key or one it follows. Raises jwt.InvalidTokenError."""
    claims = _verified(token, (jwt_settings.JWT_SECRET_KEY, *settings.JWT_SECRET_KEY_FALLBACKS))
    if claims["exp"] <= time.time():  # the one claim that goes bad by itself
        raise jwt.ExpiredSignatureError("expired")
    return claims


@lru_cache(maxsize=4096)
def _verified(token: str, keys: tuple[str, ...]) -> dict:
    """Kept for those who come again: a signature once found good stays so, and checking costs more than the session."""
    for key in keys:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[jwt_settings.JWT_ALGORITHM],
                issuer=jwt_settings.JWT_ISSUER,
                audience=jwt_settings.JWT_AUDIENCE,
                options={"require": REQUIRED_CLAIMS, "strict_aud": True},
            )
        except jwt.InvalidSignatureError:
            continue
        if claims["typ"] != TOKEN_TYPE or not isinstance(claims["sid"], str):
            raise jwt.InvalidTokenError("not an access token of ours")
        return claims
    raise jwt.InvalidSignatureError("signed with another key")


def session_named_by(claims: dict) -> tuple[str, str]:
    return claims["sub"], claims["sid"]


def user_of_live_session(name: tuple[str, str]) -> User | None:
    user_id, session_id = name
    user = resume(session_id)
    return user if user and str(user.id) == user_id else None
