"""What every door reads from a request, leaves with its caller, and tells them of a failure, in the same way."""

import logging
from codecs import BOM_UTF8

import orjson
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.urls import reverse

from users import clients
from users.errors import DomainError, ParseError, ServerError, ServiceUnavailable

logger = logging.getLogger(__name__)


def client_of(request: HttpRequest) -> clients.Client:
    return clients.identify(
        request.META, host=split_domain_port(request.get_host())[0], trusted_proxies=settings.TRUSTED_PROXY_COUNT
    )


def site_url(request: HttpRequest) -> str:
    """Where people find us, whichever host this call came to."""
    return settings.SITE_URL or f"{request.scheme}://{request.get_host()}"


def invite_link(request: HttpRequest, code: str) -> str:
    """What is passed on: as a link, as a QR code, on a card."""
    return site_url(request) + reverse("invite", args=[code])


def authorization_of(request: HttpRequest) -> str:
    """The header that says who is asking; empty without one."""
    return request.META.get("HTTP_AUTHORIZATION", "")


def json_of(body: bytes) -> object:
    """What a body says. Programs of Windows put a byte order mark before it, which RFC 8259 (8.1) lets a reader
    overlook. Raises ParseError."""
    try:
        return orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError:
        raise ParseError() from None


def challenge_of(request: HttpRequest, given: str | None) -> str | None:
    """The challenge a caller presents: what they sent along, else what their cookie keeps."""
    return given or request.COOKIES.get(settings.CHALLENGE_COOKIE_NAME)


def keep_challenge(response: HttpResponse, challenge: str) -> None:
    """Leave the challenge in a cookie, so that the code alone is enough to come back with."""
    response.set_cookie(
        settings.CHALLENGE_COOKIE_NAME,
        challenge,
        httponly=True,
        samesite="Lax",
        secure=settings.CHALLENGE_COOKIE_SECURE,
    )


def refusal_of(failure: BaseException | None) -> DomainError:
    """What a failure means to a caller. A database that does not answer may be back in a moment."""
    if isinstance(failure, DomainError):
        return failure
    if isinstance(failure, (OperationalError, InterfaceError)):
        logger.error("the database does not answer: %s", type(failure).__name__)
        return ServiceUnavailable(retry_after=1)
    return ServerError()
