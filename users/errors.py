"""Every way a caller can be wrong: a stable code, an HTTP status, words for people, and what else the answer carries.

Services raise these; each door has one place that shows them.
"""

import math
from collections.abc import Iterable

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class DomainError(Exception):
    """A refusal. Its attributes are the public contract; its text never holds what the client sent."""

    code: str
    status: int
    detail: str | Promise

    def __init__(self, **extra: object):
        super().__init__(self.code)
        self.extra = extra

    def body(self) -> dict[str, object]:
        """`{"detail", "code", …}` as the REST API shows it."""
        return {"detail": str(self.detail), "code": self.code, **self.extra}

    def headers(self) -> dict[str, str]:
        return {}


class RetryLater(DomainError):
    """A refusal that ends by itself, after `retry_after` whole seconds (RFC 9110, 10.2.3)."""

    def __init__(self, *, retry_after: float, **extra: object):
        super().__init__(retry_after=max(1, math.ceil(retry_after)), **extra)

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.extra["retry_after"])}


class InvalidInput(DomainError):
    """`fields` maps each wrong argument to its list of reasons."""

    code = "invalid_input"
    status = 400
    detail = _("Some of what was sent cannot be right.")

    def __init__(self, *, fields: dict[str, list]):
        super().__init__(fields=fields)


class InvalidPhone(DomainError):
    code = "invalid_phone"
    status = 400
    detail = _("This is not a phone number. Write it like +7 913 674-00-00.")


class RegionNotAllowed(DomainError):
    code = "region_not_allowed"
    status = 400
    detail = _("We do not send codes to numbers of this country.")


class PhoneNotMobile(DomainError):
    code = "phone_not_mobile"
    status = 400
    detail = _("This number cannot get our messages. Give a mobile number.")


class ChallengeRequired(DomainError):
    code = "challenge_required"
    status = 400
    detail = _("Ask for a code first.")


class InvalidCode(DomainError):
    """Wrong, expired, used or meant for somebody else: one answer for all. `attempts_left` counts down to 0."""

    code = "invalid_code"
    status = 400
    detail = _("This code does not fit. Check it, or ask for a new one.")

    def __init__(self, *, attempts_left: int):
        super().__init__(attempts_left=attempts_left)


class OwnInvite(DomainError):
    code = "own_invite"
    status = 400
    detail = _("This is your own code. Enter the code of the person who invited you.")


class NotAuthenticated(DomainError):
    code = "not_authenticated"
    status = 401
    detail = _("Sign in first.")

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="zovi"'}


class InvalidToken(NotAuthenticated):
    code = "invalid_token"
    detail = _("This token is not valid, or not any more. Sign in again.")

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="zovi", error="invalid_token"'}  # RFC 6750, 3.1


class NoServiceKey(NotAuthenticated):
    detail = _("This takes a service key.")

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Service realm="zovi"'}


class InvalidServiceKey(NoServiceKey):
    code = "invalid_token"
    detail = _("This is not a key of this service.")


class Forbidden(DomainError):
    code = "forbidden"
    status = 403
    detail = _("This is not allowed.")


class StaleForm(Forbidden):
    """A form without the token that proves that it was ours (CSRF): an old tab, cookies switched off, or an attack."""

    code = "stale_form"
    detail = _("This form is too old, or your browser does not keep cookies. Go back, reload the page and try again.")


class NotYourPhone(Forbidden):
    code = "not_your_phone"
    detail = _("This is not the phone number you signed in with.")


class RecentSignInRequired(Forbidden):
    """So that a phone left unlocked, or a token somebody stole, is not enough to take an account over."""

    code = "recent_sign_in_required"
    detail = _("For this you must have signed in within the last ten minutes. Sign in again.")


class AdministratorsAccount(Forbidden):
    """Whoever has an administrator's number now could else take it, and them, away."""

    detail = _(
        "No code by SMS moves or deletes an administrator's account. Its number is changed in the admin; before it is "
        "deleted, its rights are taken away there."
    )


class AccountDisabled(Forbidden):
    code = "account_disabled"
    detail = _("This account has been switched off.")


class NotFound(DomainError):
    code = "not_found"
    status = 404
    detail = _("There is nothing here.")


class InviteNotFound(NotFound):
    code = "invite_not_found"
    detail = _("Nobody has this invite code.")


class PhoneTaken(DomainError):
    code = "phone_taken"
    status = 409
    detail = _("This number belongs to another account.")


class AccountIdle(DomainError):
    """The code was right and still is: it comes again with the answer."""

    code = "account_idle"
    status = 409
    detail = _("Nobody has used the account of this number for a long time. Say whether it is yours.")


class InviteAlreadyActivated(DomainError):
    code = "invite_already_activated"
    status = 409
    detail = _("You have activated an invite code already. It is done once and cannot be changed.")


class CodeRequestedTooSoon(RetryLater):
    code = "code_requested_too_soon"
    status = 429
    detail = _("A code is on its way. Wait a little before you ask for another.")


class TooManyRequests(RetryLater):
    code = "too_many_requests"
    status = 429
    detail = _("Too many requests. Wait a little.")


class TooManyAttempts(RetryLater):
    code = "too_many_attempts"
    status = 429
    detail = _("Too many wrong attempts. Wait a little.")


class SMSNotSent(RetryLater):
    code = "sms_not_sent"
    status = 503
    detail = _("The message could not be sent. Try again.")


class ServiceUnavailable(RetryLater):
    code = "service_unavailable"
    status = 503
    detail = _("We cannot answer right now. Try again in a moment.")


class ParseError(DomainError):
    code = "parse_error"
    status = 400
    detail = _("The request could not be read.")


class MethodNotAllowed(DomainError):
    code = "method_not_allowed"
    status = 405
    detail = _("This address does not take this method.")

    def __init__(self, *, allowed: Iterable[str] = ()):
        super().__init__()
        self.allowed = ", ".join(allowed)

    def headers(self) -> dict[str, str]:
        return {"Allow": self.allowed} if self.allowed else {}


class PayloadTooLarge(DomainError):
    code = "payload_too_large"
    status = 413
    detail = _("The request is too large.")


class HeadTooLarge(PayloadTooLarge):
    """Its address or headers are."""

    status = 431


class RequestTimeout(DomainError):
    code = "request_timeout"
    status = 408
    detail = _("The request did not come in time.")


class UnsupportedMediaType(DomainError):
    code = "unsupported_media_type"
    status = 415
    detail = _("Send JSON, a form or multipart data.")


class JSONOnly(UnsupportedMediaType):
    detail = _("Send JSON, with Content-Type: application/json.")


class GraphQLParseFailed(DomainError):
    code = "graphql_parse_failed"
    status = 400
    detail = _("This is not a GraphQL document.")


class GraphQLValidationFailed(DomainError):
    code = "graphql_validation_failed"
    status = 400
    detail = _("This GraphQL document does not fit the schema or its limits.")


class ServerError(DomainError):
    code = "server_error"
    status = 500
    detail = _("Something went wrong on our side.")
