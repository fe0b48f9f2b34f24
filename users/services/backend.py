"""What one's own backend may ask and do: known by a key, trusted with full numbers."""

import hashlib
import hmac
import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from users import audit, codes, limits, phones, tokens
from users.errors import InvalidInput, InvalidServiceKey, NotFound
from users.models import User
from users.services import profile_query
from users.services.administration import switch_users
from users.services.arguments import parse_id
from users.services.referral import Profile, ReferralSlice, profile_from, referrals


@dataclass(frozen=True)
class Service:
    """Whoever presented a key, by the key's name."""

    name: str

    is_authenticated = True


@dataclass(frozen=True)
class Member:
    """Somebody as one's own backend sees them: with full numbers, also while they are switched off."""

    profile: Profile
    is_active: bool
    created_at: datetime


def service_of(*, secret: str, address: str) -> Service:
    """Whose key it is. Every key is compared, each in constant time.

    Raises InvalidServiceKey, or TooManyAttempts where too many came from that address; a right key is never refused.
    """
    given, found = _digest(secret), None
    for name, key in settings.SERVICE_KEYS.items():
        if hmac.compare_digest(_digest(key), given):
            found = name
    if found is None:
        audit.service_refused(address)
        limits.count_service_failure(address=address)
        raise InvalidServiceKey()
    return Service(found)


def _digest(secret: str) -> bytes:
    """Of one length, whatever the secret's is."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()


def member(*, user_id: str) -> Member:
    """Raises NotFound, also for whoever has left."""
    return _member(Q(id=_id(user_id)))


def find_member(*, phone: str | None = None, invite_code: str | None = None) -> Member:
    """By one of the two, in any form people write it. Raises InvalidInput, InvalidPhone, NotFound."""
    if bool(phone) == bool(invite_code):
        raise InvalidInput(fields={"phone": [_("Send either the number or the invite code.")]})
    if phone:
        return _member(Q(phone=phones.read(phone, default_region=settings.PHONE_DEFAULT_REGION).e164))
    return _member(Q(invite_code=codes.normalise_invite_code(invite_code or "")))


def switch_member(*, user_id: str, active: bool) -> Member:
    """Let them in again, or keep them out and end their sessions. Raises NotFound."""
    wanted = _id(user_id)
    switch_users(users=User.objects.filter(id=wanted), active=active)
    return _member(Q(id=wanted))


def member_referrals(*, user_id: str, cursor: str | None) -> ReferralSlice:
    """Those who entered their code, with full numbers. Raises NotFound, InvalidInput."""
    return referrals(user=_present(Q(id=_id(user_id))), cursor=cursor)


def introspect(*, token: str) -> dict[str, object]:
    """What is known of an access token, as RFC 7662 has it; of one that is good for nothing, only that."""
    claims = tokens.introspect(token)
    if claims is None:
        return {"active": False}
    told = {name: claims[name] for name in ("sub", "sid", "iat", "exp")}
    return {"active": True, **told, "client_id": settings.JWT_AUDIENCE, "token_type": "Bearer"}


def _member(whose: Q) -> Member:
    user = _present(whose)
    return Member(profile_from(profile_query.of_member(user.id)), user.is_active, user.created_at)


def _present(whose: Q) -> User:
    user = User.objects.filter(whose, phone__isnull=False).first()
    if user is None:
        raise NotFound()
    return user


def _id(user_id: str) -> uuid.UUID:
    wanted = parse_id(user_id)
    if wanted is None:
        raise NotFound()
    return wanted
