"""What those who run the service may do to people's accounts."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import Q, QuerySet

from users import audit, codes, events, limits, tokens
from users.clients import Client
from users.errors import DomainError
from users.models import Session, User
from users.services.arguments import normalise_phone
from users.webhooks import EndReason, EventType


def find_user(*, phone_or_code: str) -> User | None:
    """The user with exactly that phone number or invite code, each in any form people write it."""
    for field, read in (("invite_code", codes.normalise_invite_code), ("phone", normalise_phone)):
        try:
            wanted = Q(**{field: read(phone_or_code)})
        except DomainError:
            continue
        user = User.objects.filter(wanted).first()
        if user:
            return user
    return None


@contextmanager
def admitted_password(*, client: Client) -> Iterator[None]:
    """What is done here is a sign-in by password; one that raises has failed.

    It counts as failed before the password is hashed, which is what a guess costs us. Raises TooManyAttempts.
    """
    attempt = limits.count_admin_attempt(address=client.address)
    try:
        yield
    except Exception:
        audit.password_refused(client.address)
        raise
    limits.forgive(attempt)


def switch_users(*, users: QuerySet[User], active: bool) -> int:
    """Let users in again, or keep them out and end their sessions; whoever has left stays so.

    Returns how many that changed.
    """
    with transaction.atomic():
        locked = users.filter(is_active=not active, phone__isnull=False).order_by("pk").select_for_update(no_key=True)
        changed = list(locked.values_list("pk", flat=True))
        User.objects.filter(pk__in=changed).update(is_active=active)
        switched = EventType.USER_ENABLED if active else EventType.USER_DISABLED
        events.record(switched, *({"user_id": user_id} for user_id in changed))
        if not active:
            tokens.end_sessions(Session.objects.filter(user__in=changed), reason=EndReason.USER_DISABLED)
    return len(changed)


def end_sessions(*, sessions: QuerySet[Session]) -> int:
    """From their next request on these are signed out. Returns how many were not ended before."""
    return tokens.end_sessions(sessions, reason=EndReason.ENDED_BY_OPERATOR)
