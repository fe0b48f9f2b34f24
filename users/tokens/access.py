"""Access tokens: JWTs for a few minutes, which name a session and nobody. Only a live row of it says who that is.

Others check them with our public keys; what they cannot see is that the session behind one has ended.
"""

import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import jwt
from django.conf import settings
from graphql_jwt.exceptions import JSONWebTokenError
from graphql_jwt.settings import jwt_settings
from graphql_jwt.utils import get_payload, get_user_by_payload

from users.errors import InvalidToken, NotAuthenticated
from users.models import Session, User
from users.tokens import keys
from users.tokens.sessions import resume

SCHEMES = {"bearer", "jwt", "token"}
REQUIRED_CLAIMS = ["sub", "sid", "typ", "iss", "aud", "iat", "exp", "jti"]
TOKEN_TYPE = "access"
CLOCKS_MAY_DIFFER = 60  # seconds, of the instance that issues and the one that checks


@dataclass(frozen=True)
class SessionName:
    """What a token claims. It says nobody's name yet: only a statement that finds the live session row does."""

    user_id: uuid.UUID
    session_id: uuid.UUID


def token_of(session: Session) -> str:
    return jwt_settings.JWT_ENCODE_HANDLER(jwt_settings.JWT_PAYLOAD_HANDLER(session.user, session))


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


def introspect(token: str) -> dict | None:
    """The claims of a token whose session is live at this moment, else None (RFC 7662)."""
    try:
        claims = get_payload(token.strip())
        return claims if get_user_by_payload(claims) else None
    except JSONWebTokenError:
        return None


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


def encode(payload: dict, context: object = None) -> str:
    key = keys.signing()
    return jwt.encode(payload, key.private, keys.ALGORITHM, headers={"kid": key.kid})


def decode(token: str, context: object = None) -> dict:
    """The claims of a token that one of our keys has signed and that has not expired. Raises jwt.InvalidTokenError."""
    claims = _verified(token, tuple(keys.accepted()))
    if claims["exp"] <= time.time():  # the one claim that goes bad by itself
        raise jwt.ExpiredSignatureError("expired")
    return claims


@lru_cache(maxsize=4096)
def _verified(token: str, kids: tuple[str, ...]) -> dict:
    """Kept for those who come again: a signature once found good stays so, and checking costs more than the session.

    `kids` are those of the keys accepted now: with one of them gone, nothing it signed is remembered.
    """
    kid = _kid_in(token.partition(".")[0])
    if kid not in kids:
        raise jwt.InvalidSignatureError("signed with another key")
    claims = jwt.decode(
        token,
        keys.accepted()[kid].public,  # which names its algorithm: what the token says of it counts for nothing
        issuer=jwt_settings.JWT_ISSUER,
        audience=jwt_settings.JWT_AUDIENCE,
        leeway=CLOCKS_MAY_DIFFER,
        options={"require": REQUIRED_CLAIMS, "strict_aud": True},
    )
    if claims["typ"] != TOKEN_TYPE or not isinstance(claims["sid"], str):
        raise jwt.InvalidTokenError("not an access token of ours")
    return claims


@lru_cache(maxsize=16)
def _kid_in(header: str) -> str | None:
    """Of a token's first part, which all tokens of a key have in common."""
    return jwt.get_unverified_header(f"{header}.e30.").get("kid")


def session_named_by(claims: dict) -> tuple[str, str]:
    return claims["sub"], claims["sid"]


def user_of_live_session(name: tuple[str, str]) -> User | None:
    user_id, session_id = name
    user = resume(session_id)
    return user if user and str(user.id) == user_id else None
