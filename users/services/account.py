"""Leaving: what we know of a person, and forgetting it."""

from django.conf import settings
from django.db import transaction

from users import audit, codes, phones
from users.models import NO_PASSWORD, Activation, Challenge, Message, User
from users.services.sign_in import confirm_code


def export_of(*, user: User) -> dict[str, object]:
    """Everything we keep about the person, as plain values (GDPR, article 15). Other people's numbers only where
    the person may see them anyway."""
    activation = Activation.objects.select_related("inviter").filter(invitee=user).first()
    return {
        "id": user.id,
        "phone_number": user.phone,
        "invite_code": user.invite_code,
        "registered_at": user.created_at,
        "activated": activation
        and {
            "invite_code": activation.inviter.invite_code,
            "inviter": phones.mask(activation.inviter.phone) if activation.inviter.phone else None,
            "at": activation.created_at,
        },
        "referrals": [
            {"phone_number": referral.invitee.phone, "at": referral.created_at}
            for referral in user.referrals.select_related("invitee").order_by("-id")
        ],
        "sessions": list(
            user.sessions.order_by("-created_at").values(
                "address", "user_agent", "created_at", "refreshed_at", "ended_at"
            )
        ),
        "codes": list(
            Challenge.objects.filter(phone=user.phone)
            .order_by("-created_at")
            .values("address", "created_at", "attempts", "used_at")
        ),
    }


def delete_account(*, user: User, code: str, challenge: str | None) -> None:
    """Forget the person (GDPR, article 17). `code` is a fresh one, sent to their number.

    The number goes from every table. Those who were invited stay so; the inviter's list keeps an entry without a
    number. A keyed hash remains, so that leaving resets neither limits nor the one activation.
    Raises what `confirm_code` raises.
    """
    confirm_code(user=user, code=code, challenge=challenge)
    phone_key = codes.key_of_phone(user.phone, pepper=settings.OTP_PEPPER)
    with transaction.atomic():
        Challenge.objects.filter(phone_key=phone_key).update(phone="", slot=None)
        Message.objects.filter(phone=user.phone).delete()
        user.sessions.all().delete()
        user.groups.clear()
        user.user_permissions.clear()
        User.objects.filter(id=user.id).update(
            phone=None,
            phone_key=phone_key,
            is_active=False,
            is_staff=False,
            is_superuser=False,
            password=NO_PASSWORD,
        )
    audit.account_deleted(user.id)
