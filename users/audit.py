"""What happened, one log record each: for people on call and for graphs. A phone is masked here, codes and tokens
have no way in."""

import logging

from users import phones

logger = logging.getLogger("zovi")


def fixed_code_asked(phone: phones.Phone, address: str) -> None:
    """Of a test number: nothing was sent."""
    _log("fixed_code_asked", phone=phones.mask(phone), address=address)


def test_number_is_somebodys(phone: phones.Phone) -> None:
    """A real person has signed in with it, so its fixed code opens nothing."""
    _log("test_number_is_somebodys", logging.WARNING, phone=phones.mask(phone))


def owner_asked(phone: str, address: str) -> None:
    """They named the right code of an account that nobody has used for long."""
    _log("owner_asked", phone=phones.mask(phone), address=address)


def code_sent(phone: str | phones.Phone, address: str) -> None:
    _log("code_sent", phone=phones.mask(phone), address=address)


def code_not_sent(phone: str | phones.Phone, address: str, why: str) -> None:
    _log("code_not_sent", logging.WARNING, phone=phones.mask(phone), address=address, why=why)


def route_answered(
    route: str, number: int, outcome: str, *, why: str, status: int | None, channel: str, seconds: float
) -> None:
    """What a gateway said, or that it said nothing: by the scheme of its route and its place in SMS_URL."""
    _log(
        "route_answered",
        logging.INFO if outcome == "sent" else logging.WARNING,
        route=route,
        number=number,
        outcome=outcome,
        why=why,
        status=status,
        channel=channel,
        milliseconds=round(seconds * 1000),
    )


def code_refused(phone: str | phones.Phone, address: str, attempts_left: int) -> None:
    _log("code_refused", phone=phones.mask(phone), address=address, attempts_left=attempts_left)


def password_refused(address: str) -> None:
    """At the admin site. Whose it was to be is not said: people type passwords into the wrong field."""
    _log("password_refused", logging.WARNING, address=address)


def signed_in(user_id: object, session_id: object, address: str, *, is_new: bool) -> None:
    _log("signed_in", user=str(user_id), session=str(session_id), address=address, is_new=is_new)


def signed_out(user_id: object, session_id: object) -> None:
    _log("signed_out", user=str(user_id), session=str(session_id))


def token_reused(user_id: object, session_id: object) -> None:
    """A refresh token came a second time: somebody has a copy. The session has been ended."""
    _log("token_reused", logging.WARNING, user=str(user_id), session=str(session_id))


def invite_activated(invitee_id: object, inviter_id: object) -> None:
    _log("invite_activated", user=str(invitee_id), inviter=str(inviter_id))


def account_deleted(user_id: object) -> None:
    _log("account_deleted", user=str(user_id))


def phone_changed(user_id: object) -> None:
    _log("phone_changed", user=str(user_id))


def notice_not_sent(user_id: object, why: str) -> None:
    _log("notice_not_sent", logging.WARNING, user=str(user_id), why=why)


def limit_reached(limit: str, *, by_everybody: bool) -> None:
    """A limit on everybody together is an alarm: either an attack or a setting that is too low."""
    _log("limit_reached", logging.ERROR if by_everybody else logging.INFO, limit=limit, alarm=by_everybody)


def guarded(scope: str, region: str, decision: str) -> None:
    """A code for somebody not at home, where hardly any code is used: somebody may be having messages paid for."""
    _log("sms_guard", logging.ERROR, scope=scope, region=region, decision=decision, alarm=True)


def alarm(name: str, **facts: object) -> None:
    """Something that somebody has to look at."""
    _log(name, logging.ERROR, alarm=True, **facts)


def service_called(key: str, call: str) -> None:
    """One's own backend, by the name of its key."""
    _log("service_called", key=key, call=call)


def service_refused(address: str) -> None:
    _log("service_refused", logging.WARNING, address=address)


def webhook_not_delivered(event_id: object, endpoint: str, outcome: str, attempts: int) -> None:
    """`endpoint` is a host: the rest of its URL may hold a secret."""
    _log("webhook_not_delivered", logging.WARNING, id=str(event_id), endpoint=endpoint, why=outcome, attempts=attempts)


def _log(event: str, level: int = logging.INFO, **facts: object) -> None:
    logger.log(level, event, extra={"facts": facts})
