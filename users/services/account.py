"""Leaving: what we know of a person, and forgetting it."""

import json
from collections.abc import Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from users import audit, events, limits, phones, tokens
from users.errors import InvalidToken
from users.models import NO_PASSWORD, Activation, Challenge, User
from users.services import profile_query
from users.services.arguments import phone_key
from users.services.numbers import release, require_may_give_number_up
from users.services.sign_in import confirm_code
from users.webhooks import EndReason, EventType

REFERRALS_A_PIECE = 1000


def export_of(*, user: User) -> Iterator[str]:
    """Everything we keep about the person (GDPR, article 15), as JSON, in pieces: somebody may have invited a hundred
    thousand. Other people's numbers and addresses only where the person may see them anyway."""
    yield _json(_about(user)).removesuffix("\n}") + ',\n  "referrals": ['
    separator = "\n    "
    for found in _referrals(user):
        yield separator + ",\n    ".join(_json(referral, indent=None) for referral in found)
        separator = ",\n    "
    yield "\n  ]\n}\n"


def _json(value: dict[str, Any], indent: int | None = 2) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=indent)


def _referrals(user: User) -> Iterator[list[dict[str, Any]]]:
    last = None
    while found := profile_query.referrals_beside(user.id, last, backwards=False, most=REFERRALS_A_PIECE):
        yield [{"phone_number": phone, "at": at} for _, phone, at in found]
        last = found[-1][0]


def _about(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "phone_number": user.phone,
        "invite_code": user.invite_code,
        "registered_at": user.created_at,
        "seen_at": user.seen_at,
        "activated": _activated_by(user),
        "invite_openings": list(user.openings.order_by("-day").values("day", "times")),
        "sessions": list(
            user.sessions.order_by("-created_at").values(
                "address", "user_agent", "created_at", "seen_at", "refreshed_at", "ended_at"
            )
        ),
        "codes": _codes_sent_to(user),
    }


def _activated_by(user: User) -> dict[str, Any] | None:
    activation = Activation.objects.select_related("inviter").filter(invitee=user).first()
    if activation is None:
        return None
    inviter = activation.inviter
    return {
        "invite_code": inviter.invite_code,
        "inviter": phones.mask(inviter.phone) if inviter.phone else None,
        "at": activation.created_at,
    }


def _codes_sent_to(user: User) -> list[dict[str, Any]]:
    """Anybody may have asked for them: an address is the person's own where the code has been used."""
    sent = Challenge.objects.filter(phone=user.phone).order_by("-created_at")
    shown = sent.values("address", "created_at", "attempts", "used_at")
    return [code if code["used_at"] else code | {"address": None} for code in shown]


def delete_account(*, user: User, code: str, challenge: str | None) -> None:
    """Forget the person (GDPR, article 17). `code` is a fresh one, sent to their number.

    The number goes from every table. Those who were invited stay so; the inviter's list keeps an entry without a
    number. A keyed hash remains, so that leaving resets neither limits nor the one activation. Codes that are on their
    way are dead: whoever asks for the next one is somebody new.
    Raises what `require_may_give_number_up` and `confirm_code` raise, and InvalidToken when the person has just left.
    """
    require_may_give_number_up(user=user)
    confirm_code(user=user, code=code, challenge=challenge)
    key = phone_key(user.phone)
    with limits.locked_phones(key):
        if not User.objects.select_for_update().filter(id=user.id, phone=user.phone).exists():
            raise InvalidToken()
        _erase(user, key)
    audit.account_deleted(user.id)


def _erase(user: User, key: str) -> None:
    """In a transaction that holds the number's lock. The row stays, for those whom the person invited."""
    release(user, key)
    tokens.end_sessions(user.sessions.all(), reason=EndReason.USER_DELETED)
    user.sessions.all().delete()
    user.openings.all().delete()
    user.groups.clear()
    user.user_permissions.clear()
    User.objects.filter(id=user.id).update(
        phone=None,
        invite_opened=0,
        is_active=False,
        is_staff=False,
        is_superuser=False,
        password=NO_PASSWORD,
        seen_at=None,
    )
    events.record(EventType.USER_DELETED, {"user_id": user.id, "invite_code": user.invite_code})
