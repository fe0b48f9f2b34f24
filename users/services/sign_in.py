"""Signing in: ask for a code, name it, keep the session going, end it."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from users import codes, events, limits, sms, tokens
from users.clients import Client
from users.errors import AccountDisabled, ChallengeRequired, DomainError, InvalidCode
from users.models import Challenge, Session, User
from users.services.arguments import normalise_phone, parse_id


@dataclass(frozen=True)
class SentCode:
    """`otp` is the code itself in a demo, else None. Times in seconds."""

    phone: str
    otp: str | None
    challenge: str
    expires_in: int
    resend_in: int


@dataclass(frozen=True)
class SignIn:
    user: User
    session: Session
    tokens: tokens.Tokens
    is_new_user: bool


def request_code(*, phone: str, client: Client, challenge: str | None = None) -> SentCode:
    """Send a one-time code. `challenge` is the caller's earlier one, which this one ends.

    Raises InvalidPhone, RegionNotAllowed, CodeRequestedTooSoon, TooManyRequests, SMSNotSent, ServiceUnavailable.
    """
    phone = normalise_phone(phone)
    with limits.admitted_send(phone=phone, address=client.address):
        code, sent = _draw(phone, client)
    try:
        sms.send(phone, sms.code_text(code, client.host))
    except DomainError as error:
        sent.delete()  # nothing was sent: no limit counts it, and the earlier code still holds
        events.code_not_sent(phone, client.address, error.code)
        raise
    _open_challenge(sent, earlier=parse_id(challenge))
    events.code_sent(phone, client.address)
    return SentCode(
        phone=phone,
        otp=code if settings.DEMO else None,
        challenge=str(sent.id),
        expires_in=settings.OTP_TTL,
        resend_in=settings.OTP_RESEND_COOLDOWN,
    )


def verify_code(*, code: str, challenge: str | None, client: Client, phone: str | None = None) -> SignIn:
    """Sign in with a code, and register whoever comes for the first time.

    The try is counted, and committed, before the code is compared. Raises InvalidInput, InvalidPhone,
    ChallengeRequired, InvalidCode, TooManyAttempts, AccountDisabled.
    """
    tried = _tried(code, challenge, claimed=normalise_phone(phone) if phone else None)
    with transaction.atomic():
        if not Challenge.objects.use(tried.id):
            raise InvalidCode(attempts_left=0)
        user, is_new = User.objects.get_or_register(tried.phone)
        session = tokens.open_session(user, client) if user.is_active else None
    if session is None:
        raise AccountDisabled()
    events.signed_in(user.id, session.id, client.address, is_new=is_new)
    return SignIn(user, session, tokens.issue(session), is_new)


def confirm_code(*, user: User, code: str, challenge: str | None) -> None:
    """Spend a code that was sent to the user's own phone, before something that cannot be undone.

    Raises InvalidInput, ChallengeRequired, InvalidCode, TooManyAttempts.
    """
    tried = _tried(code, challenge, claimed=user.phone)
    if not Challenge.objects.use(tried.id):
        raise InvalidCode(attempts_left=0)


def refresh(*, refresh_token: str) -> SignIn:
    """A new pair of tokens for the session of the old one. Raises InvalidToken."""
    session = tokens.rotate(refresh_token)
    return SignIn(session.user, session, tokens.issue(session), is_new_user=False)


def logout(*, user: User) -> None:
    """End the session `user` was authenticated by."""
    tokens.end_session(user.session)
    events.signed_out(user.id, user.session.id)


def _draw(phone: str, client: Client) -> tuple[str, Challenge]:
    digits = limits.digits_for(phone)
    code = codes.draw_one_time_code(digits)
    challenge = Challenge(phone=phone, address=client.address, digits=digits)
    challenge.code_hash = _hash(code, challenge)
    challenge.save(force_insert=True)
    return code, challenge


def _tried(code: str, challenge: str | None, *, claimed: str | None) -> Challenge:
    """The challenge this code is right for. The try is counted, and committed, before anything is compared."""
    code = codes.require_one_time_code(code)
    if not challenge:
        raise ChallengeRequired()
    named = Challenge.objects.filter(id=parse_id(challenge), slot__isnull=False).first()
    tried = limits.counted_try(named) if named else None
    if tried is None:
        raise InvalidCode(attempts_left=0)
    if not _fits(code, tried) or claimed not in (None, tried.phone):
        attempts_left = settings.OTP_TRIES - tried.attempts
        events.code_refused(tried.phone, tried.address, attempts_left)
        raise InvalidCode(attempts_left=attempts_left)
    return tried


def _open_challenge(sent: Challenge, *, earlier: uuid.UUID | None) -> None:
    with limits.turn_of_phone(sent.phone):
        if earlier:
            Challenge.objects.end(earlier)
        slot = Challenge.objects.free_slot(sent.phone)
        expires_at = Now() + timedelta(seconds=settings.OTP_TTL)
        Challenge.objects.filter(id=sent.id).update(slot=slot, expires_at=expires_at)


def _hash(code: str, challenge: Challenge) -> str:
    return codes.keyed_hash(code, challenge=str(challenge.id), phone=challenge.phone, pepper=settings.OTP_PEPPER)


def _fits(code: str, challenge: Challenge) -> bool:
    return codes.same(_hash(code, challenge), challenge.code_hash)
