"""A person's own number: changed for another one, given up, free for its next owner at once."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from users import audit, events, fixed_codes, limits, sms, tokens
from users.clients import Client
from users.errors import DomainError, Forbidden, InvalidToken, PhoneTaken, RecentSignInRequired
from users.models import User
from users.services import numbers
from users.services.arguments import phone_key
from users.services.sign_in import proven_phone
from users.webhooks import EndReason, EventType, PhoneReason

RECENT = timedelta(minutes=10)


def signed_in_recently(*, user: User) -> bool:
    return timezone.now() - user.session.created_at <= RECENT


def require_may_change_phone(*, user: User) -> None:
    """Raises AdministratorsAccount and RecentSignInRequired."""
    numbers.require_may_give_number_up(user=user)
    if not signed_in_recently(user=user):
        raise RecentSignInRequired()


def change_phone(*, user: User, code: str, challenge: str | None, client: Client) -> User:
    """Move the account to the number the code was sent to. Its id, code and referrals stay; other sessions end.

    The old number is told. Whether the new one is somebody's is said only to whoever has named its code. Raises what
    `require_may_change_phone` and `proven_phone` raise, PhoneTaken, and InvalidToken when the user has just left or
    changed their number elsewhere.
    """
    require_may_change_phone(user=user)
    phone = proven_phone(code=code, challenge=challenge, client=client, by=user)
    if phone != user.phone:
        old = user.phone
        _move(user, phone, keep=user.session.id)
        _tell(user, old)
    return user


def set_phone(*, user: User, phone: str) -> User:
    """The same by the operator, with no code: `phone` is in E.164, and all sessions end.

    An account whose number somebody else has started afresh with gets this one, and may sign in again. Tests keep to
    their own numbers and nobody else gets one. Raises PhoneTaken, Forbidden, and InvalidToken when the user has just
    left or changed their number.
    """
    if user.is_test or fixed_codes.code_of(phone):
        raise Forbidden()
    if user.set_aside_at:
        _give_back(user, phone)
        return user
    if phone != user.phone:
        old = user.phone
        _move(user, phone, keep=None)
        transaction.on_commit(lambda: _tell(user, old))  # no message while a caller's transaction is open
    return user


def _move(user: User, phone: str, *, keep: uuid.UUID | None) -> None:
    """`keep` is the session that does not end."""
    try:
        with limits.locked_phones(phone_key(user.phone), phone_key(phone)):
            _write(user, phone, keep)
    except IntegrityError:  # somebody registered by another way than a code, whom no lock kept waiting
        raise PhoneTaken() from None
    user.refresh_from_db(fields=["phone"])
    audit.phone_changed(user.id)


def _give_back(user: User, phone: str) -> None:
    try:
        with limits.locked_phones(phone_key(phone)):
            _require_free(user, phone)
            set_aside = User.objects.filter(id=user.id, set_aside_at__isnull=False)
            if not set_aside.update(phone=phone, is_active=True, set_aside_at=None):
                raise InvalidToken()
            events.record(EventType.USER_PHONE_CHANGED, {"user_id": user.id, "reason": PhoneReason.GIVEN_BACK})
    except IntegrityError:
        raise PhoneTaken() from None
    user.refresh_from_db(fields=["phone", "is_active", "set_aside_at"])
    audit.phone_changed(user.id)


def _write(user: User, phone: str, keep: uuid.UUID | None) -> None:
    present = User.objects.select_for_update().filter(id=user.id, phone=user.phone)
    if not (present.filter(is_active=True) if keep else present).exists():  # an operator may change anybody's
        raise InvalidToken()
    _require_free(user, phone)
    numbers.release(user, phone_key(user.phone))
    User.objects.filter(id=user.id).update(phone=phone)
    tokens.end_sessions(user.sessions.exclude(id=keep), reason=EndReason.PHONE_CHANGED)
    events.record(EventType.USER_PHONE_CHANGED, {"user_id": user.id})


def _require_free(user: User, phone: str) -> None:
    """A test gives way to somebody real: until it became an ordinary one, the number was theirs. Raises PhoneTaken."""
    holder = User.objects.filter(phone=phone).first()
    if holder and (user.is_test or not holder.is_test):
        raise PhoneTaken()
    if holder:
        numbers.set_aside(holder, phone_key(phone))


def _tell(user: User, phone: str) -> None:
    """A number that gets no message, or a gateway that takes none, changes nothing any more."""
    if user.is_test:
        return
    words = _("%(site)s: the number of your account has been changed. If that was not you, write to us at once.")
    try:
        sms.send(sms.Notice(phone, words % {"site": settings.SITE_NAME}))
    except DomainError as error:
        audit.notice_not_sent(user.id, error.code)
