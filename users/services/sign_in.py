"""Signing in: ask for a code, name it, keep the session going, end it."""

from dataclasses import dataclass

from django.conf import settings

from users import audit, codes, limits, sms, tokens
from users.clients import Client
from users.errors import AccountDisabled, ChallengeRequired, DomainError, InvalidCode
from users.models import Challenge, Session, User
from users.services import sign_in_query
from users.services.arguments import normalise_phone, parse_id


@dataclass(frozen=True)
class SentCode:
    """`otp` is the code itself in a demo, else None; `channel` is `sms`, `call`, … Times in seconds."""

    phone: str
    otp: str | None
    channel: str
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
    sent = _challenge_for(normalise_phone(phone), client)
    drawn = {digits: codes.draw_one_time_code(digits) for digits in limits.code_lengths()}
    digits = limits.admit_send(sent, hashes={digits: _hash(code, sent) for digits, code in drawn.items()})
    code = drawn[digits]
    attempt = 0 if settings.DEMO else sign_in_query.sent_in_vain(sent)
    try:
        delivered = sms.send(sms.Message(sent.phone, code, str(sent.id), host=client.host, attempt=attempt))
    except DomainError as error:
        sent.delete()  # nothing was sent: no limit counts it, and the earlier code still holds
        audit.code_not_sent(sent.phone, client.address, error.code)
        raise
    sent.route, sent.channel, sent.cost = delivered.route, delivered.channel, delivered.cost
    sent.code_hash = _hash(delivered.code or code, sent)
    sign_in_query.open_challenge(sent, earlier=parse_id(challenge), seconds=settings.OTP_TTL)
    audit.code_sent(sent.phone, client.address)
    return SentCode(
        phone=sent.phone,
        otp=code if settings.DEMO else None,
        channel=delivered.channel,
        challenge=str(sent.id),
        expires_in=settings.OTP_TTL,
        resend_in=settings.OTP_RESEND_COOLDOWN,
    )


def verify_code(*, code: str, challenge: str | None, client: Client, phone: str | None = None) -> SignIn:
    """Sign in with a code, and register whoever comes for the first time.

    The try is counted, and committed, before the code is compared. Raises InvalidInput, InvalidPhone,
    RegionNotAllowed, ChallengeRequired, InvalidCode, TooManyAttempts, AccountDisabled.
    """
    tried = _tried(code, challenge, claimed=normalise_phone(phone) if phone else None)
    session = tokens.new_session(client)
    entered = sign_in_query.enter(tried.id, new_user=User.objects.draw(tried.phone), session=session)
    if entered is None:
        raise InvalidCode(attempts_left=0)
    user, is_new = (entered.user, entered.is_new) if entered.user else User.objects.get_or_register(tried.phone)
    if not user.is_active:
        raise AccountDisabled()
    session.user = user
    if entered.user is None:
        session.save(force_insert=True)
    audit.signed_in(user.id, session.id, client.address, is_new=is_new)
    return SignIn(user, session, tokens.issue(session), is_new)


def confirm_code(*, user: User, code: str, challenge: str | None) -> None:
    """Spend a code that was sent to the user's own phone, before something that cannot be undone.

    Raises InvalidInput, ChallengeRequired, InvalidCode, TooManyAttempts.
    """
    tried = _tried(code, challenge, claimed=user.phone)
    if not sign_in_query.spend(tried.id):
        raise InvalidCode(attempts_left=0)


def refresh(*, refresh_token: str) -> SignIn:
    """A new pair of tokens for the session of the old one. Raises InvalidToken."""
    session = tokens.rotate(refresh_token)
    return SignIn(session.user, session, tokens.issue(session), is_new_user=False)


def logout(*, user: User) -> None:
    """End the session `user` was authenticated by."""
    tokens.end_session(user.session)
    audit.signed_out(user.id, user.session.id)


def _challenge_for(phone: str, client: Client) -> Challenge:
    phone_key = codes.key_of_phone(phone, pepper=settings.OTP_PEPPER)
    return Challenge(phone=phone, phone_key=phone_key, address=client.address)


def _tried(code: str, challenge: str | None, *, claimed: str | None) -> Challenge:
    """The challenge this code is right for. The try is counted, and committed, before anything is compared."""
    code = codes.require_one_time_code(code)
    if not challenge:
        raise ChallengeRequired()
    challenge_id = parse_id(challenge)
    tried = limits.count_try(challenge_id) if challenge_id else None
    if tried is None:
        raise InvalidCode(attempts_left=0)
    if not _fits(code, tried) or claimed not in (None, tried.phone):
        attempts_left = settings.OTP_TRIES - tried.attempts
        audit.code_refused(tried.phone, tried.address, attempts_left)
        raise InvalidCode(attempts_left=attempts_left)
    return tried


def _hash(code: str, challenge: Challenge) -> str:
    return codes.keyed_hash(code, challenge=str(challenge.id), phone=challenge.phone, pepper=settings.OTP_PEPPER)


def _fits(code: str, challenge: Challenge) -> bool:
    return codes.same(_hash(code, challenge), challenge.code_hash)
