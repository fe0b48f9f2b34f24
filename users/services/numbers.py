"""Giving a number up: by leaving, for another one, or because somebody else has it now."""

from django.db.models.functions import Now

from users import events, tokens
from users.errors import AdministratorsAccount
from users.models import Activation, Challenge, InvitedNumber, Message, User
from users.webhooks import EndReason, EventType, PhoneReason


def require_may_give_number_up(*, user: User) -> None:
    """By a code, for another one or by leaving. Raises AdministratorsAccount."""
    if user.is_administrator:
        raise AdministratorsAccount()


def release(user: User, key: str) -> None:
    """Let the user's number go, in a transaction that holds its lock.

    Codes on their way to it are dead, and its next owner finds nothing of this one's; but they cannot be invited where
    this one has been. What a test has entered was nobody's.
    """
    Challenge.objects.filter(phone_key=key).update(phone="", slot=None)
    Message.objects.filter(phone=user.phone).delete()
    if not user.is_test and Activation.objects.filter(invitee=user).exists():
        InvitedNumber.objects.bulk_create([InvitedNumber(phone_key=key)], ignore_conflicts=True)


def set_aside(user: User, key: str) -> None:
    """The same because somebody else starts afresh with the number. The account keeps its id, code and referrals, its
    sessions end, and the operator can give it a number again: `services.set_phone`."""
    release(user, key)
    User.objects.filter(id=user.id).update(phone=None, is_active=False, set_aside_at=Now())
    tokens.end_sessions(user.sessions.all(), reason=EndReason.PHONE_CHANGED)
    events.record(EventType.USER_PHONE_CHANGED, {"user_id": user.id, "reason": PhoneReason.STARTED_AFRESH})
