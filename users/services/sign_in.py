"""Signing in: ask for a code, name it, keep the session going, end it."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from users import audit, codes, events, limits, phones, sms, tokens
from users.clients import Client
from users.errors import AccountDisabled, AccountIdle, ChallengeRequired, DomainError, Forbidden, InvalidCode
from users.models import Challenge, Session, User
from users.services import idleness, numbers, sign_in_query
from users.services.arguments import parse_id, phone_key, read_phone
from users.services.fixed_numbers import fixed_code_of
from users.webhooks import EventType


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

    The challenge is written down before the gateway is called, and counts unless the message is known not to have
    left. Of a test number nothing leaves, and the code is the one it has. Raises InvalidPhone, RegionNotAllowed,
    PhoneNotMobile, CodeRequestedTooSoon, TooManyRequests, SMSNotSent, ServiceUnavailable; TooManyAttempts for a test
    number.
    """
    recipient = read_phone(phone)
    sent = _challenge_for(recipient, client)
    if fixed_code := fixed_code_of(recipient):
        return _await_fixed_code(sent, fixed_code, earlier=parse_id(challenge))
    admission = limits.admit_send(sent)
    code = codes.new_one_time_code(admission.digits)
    message = sms.Message(
        sent.phone,
        code,
        str(sent.id),
        host=client.host,
        attempt=0 if settings.DEMO else admission.in_vain,
        region=recipient.region,
        is_kept=True,
        must_be_ours=admission.told_digits is None,
    )
    try:
        delivered = sms.send(message)
    except DomainError as error:
        limits.take_back(sent)  # the phone's budget is whole, and the earlier code still holds
        audit.code_not_sent(recipient, client.address, error.code)
        raise
    code = delivered.code or code  # a provider may have chosen another
    sent.code_hash, sent.told_digits = _hash(code, sent.id), admission.told_digits
    sent.route, sent.channel, sent.cost = delivered.route, delivered.channel, delivered.cost
    limits.open_challenge(sent, earlier=parse_id(challenge), inbox=message.text if settings.DEMO else None)
    audit.code_sent(recipient, client.address)
    return _sent_code(sent, code, resend_in=settings.OTP_RESEND_COOLDOWN)


def verify_code(
    *, code: str, challenge: str | None, client: Client, phone: str | None = None, start_afresh: bool | None = None
) -> SignIn:
    """Sign in with a code, and register whoever comes for the first time.

    The try is counted by what compares it. Where nobody has used the account for long, who names the right code is
    asked whether it is theirs (AccountIdle), and names it again with `start_afresh`: with False they sign in, with True
    the account loses the number and they are somebody new. Where nothing is asked, it changes nothing. Raises
    InvalidInput, InvalidPhone, RegionNotAllowed, PhoneNotMobile, ChallengeRequired, InvalidCode, TooManyAttempts,
    AccountDisabled, AccountIdle.
    """
    claimed = read_phone(phone) if phone else None
    if start_afresh and idleness.is_asked_about():
        return _start_afresh(code, challenge, client, claimed)
    asks = start_afresh is None and idleness.is_asked_about()
    new_user, new_session = User.objects.new(""), tokens.new_session(client)
    row = _try(
        code,
        challenge,
        claimed=claimed.e164 if claimed else None,
        address=client.address,
        then=sign_in_query.enter(),
        user=new_user.id,
        invite_code=new_user.invite_code,
        password=new_user.password,
        session=new_session.id,
        salt=new_session.salt,
        user_agent=new_session.user_agent,
        expires_at=new_session.expires_at,
        **({"unless": idleness.OF_CHALLENGE, "idle_days": settings.ACCOUNT_IDLE_DAYS} if asks else {}),
    )
    tried, is_new, user, session = sign_in_query.entered_of(row)
    if asks and tried and tried.asked_at:
        audit.owner_asked(tried.phone, client.address)
        raise AccountIdle()
    tried = _require_right(tried, claimed, client.address)
    if user is None:
        user, is_new, session = _enter_step_by_step(tried, client)
    return _signed_in(user, session, client, is_new)


def _start_afresh(code: str, challenge: str | None, client: Client, claimed: phones.Phone | None) -> SignIn:
    row = _try(
        code,
        challenge,
        claimed=claimed.e164 if claimed else None,
        address=client.address,
        then=sign_in_query.SPEND,
    )
    tried = _require_right(sign_in_query.tried_of(row), claimed, client.address)
    user, is_new, session = _enter_step_by_step(tried, client, starts_afresh=True)
    return _signed_in(user, session, client, is_new)


def _signed_in(user: User, session: Session | None, client: Client, is_new: bool) -> SignIn:
    if session is None:
        raise AccountDisabled()
    session.user, user.session = user, session
    audit.signed_in(user.id, session.id, client.address, is_new=is_new)
    return SignIn(user, session, tokens.issue(session), is_new)


def confirm_code(*, user: User, code: str, challenge: str | None) -> None:
    """Spend a code that was sent to the user's own phone, before something that cannot be undone.

    Raises InvalidInput, ChallengeRequired, InvalidCode, TooManyAttempts.
    """
    row = _try(code, challenge, claimed=user.phone, address=None, then=sign_in_query.SPEND)
    _require_right(sign_in_query.tried_of(row), None, None)


def proven_phone(*, code: str, challenge: str | None, client: Client, by: User) -> str:
    """The number, in E.164, whose owner has named the code that was sent to it; the code is spent.

    A fixed code proves a number to a test alone. Raises as `confirm_code` does, and Forbidden.
    """
    row = _try(code, challenge, claimed=None, address=client.address, then=sign_in_query.SPEND)
    tried = _require_right(sign_in_query.tried_of(row), None, client.address)
    if tried.is_test != by.is_test:
        raise Forbidden()
    return tried.phone


def refresh(*, refresh_token: str) -> SignIn:
    """A new pair of tokens for the session of the old one. Raises InvalidToken."""
    session = tokens.rotate(refresh_token)
    return SignIn(session.user, session, tokens.issue(session), is_new_user=False)


def _await_fixed_code(sent: Challenge, code: str, *, earlier: uuid.UUID | None) -> SentCode:
    sent.is_test, sent.digits, sent.told_digits = True, len(code), len(code)
    sent.route, sent.channel, sent.cost = "", "sms", None
    limits.admit_fixed(sent)
    sent.code_hash = _hash(code, sent.id)
    limits.open_challenge(sent, earlier=earlier)
    audit.fixed_code_asked(sent.phone, sent.address)
    return _sent_code(sent, code, resend_in=0)


def _sent_code(sent: Challenge, code: str, *, resend_in: int) -> SentCode:
    return SentCode(
        phone=sent.phone,
        otp=code if settings.DEMO else None,
        channel=sent.channel,
        challenge=str(sent.id),
        expires_in=settings.OTP_TTL,
        resend_in=resend_in,
    )


def _enter_step_by_step(
    tried: Challenge, client: Client, *, starts_afresh: bool = False
) -> tuple[User, bool, Session | None]:
    """After two registrations of the number, or of an invite code, have collided, or a test and somebody real have; or
    to start afresh.

    Whose number it is decides: a test gives way to them, and a fixed code does not open what is theirs. An account
    gives way to whoever starts afresh while it is idle: no more when somebody else has just signed in to it. Raises
    InvalidCode.
    """
    with limits.locked_phones(tried.phone_key):
        holder = User.objects.select_for_update().filter(phone=tried.phone).first()
        if holder and _gives_way(holder, tried, starts_afresh):
            numbers.set_aside(holder, tried.phone_key)
        user, is_new = User.objects.get_or_register(tried.phone, is_test=tried.is_test)
        if user.is_test != tried.is_test:
            raise InvalidCode(attempts_left=0)
        session = tokens.open_session(user, client) if user.is_active else None
        test = {"test": True} if user.is_test else {}
        if is_new:
            events.record(EventType.USER_CREATED, {"user_id": user.id, "invite_code": user.invite_code} | test)
        if session:
            told = {"user_id": user.id, "session_id": session.id, "is_new_user": is_new}
            events.record(EventType.USER_SIGNED_IN, told | test)
    return user, is_new, session


def _gives_way(holder: User, tried: Challenge, starts_afresh: bool) -> bool:
    if holder.is_test:
        return not tried.is_test
    return starts_afresh and idleness.is_idle(holder)


def _challenge_for(phone: phones.Phone, client: Client) -> Challenge:
    key = phone_key(phone.e164)
    return Challenge(
        phone=phone.e164,
        phone_key=key,
        address=client.address,
        network=client.network,
        region=phones.region_of(phone),
    )


def _try(code: str, challenge: str | None, **values: Any) -> tuple:
    """The row of the challenge this code was compared with and of what follows; empty when there was no comparison."""
    code = codes.normalise_one_time_code(code)
    if not challenge:
        raise ChallengeRequired()
    challenge_id = parse_id(challenge)
    return limits.try_code(challenge_id, code_hashes=_hashes(code, challenge_id), **values) if challenge_id else ()


def _require_right(tried: Challenge | None, claimed: phones.Phone | None, address: str | None) -> Challenge:
    """Raises InvalidCode."""
    if tried is None:
        raise InvalidCode(attempts_left=0)
    if tried.used_at is None:
        attempts_left = tried.attempts_left(settings.OTP_TRIES)
        phone = claimed if claimed and claimed.e164 == tried.phone else tried.phone
        audit.code_refused(phone, address or tried.address, attempts_left)
        raise InvalidCode(attempts_left=attempts_left)
    return tried


def _hash(code: str, challenge: uuid.UUID) -> str:
    return codes.keyed_hash(code, challenge=challenge, pepper=settings.OTP_PEPPER)


def _hashes(code: str, challenge: uuid.UUID) -> list[str]:
    """By the peppers of a rotation under way too: the code may have been made by an instance that is a step behind."""
    peppers = [settings.OTP_PEPPER, *settings.OTP_PEPPER_FALLBACKS]
    return [codes.keyed_hash(code, challenge=challenge, pepper=pepper) for pepper in peppers]
