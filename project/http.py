"""What holds for every request, whichever door it comes to."""

import logging
import sys

from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware import common, csrf
from django.views import defaults
from whitenoise import middleware as whitenoise

from schema.views import refusal as graphql_error
from users.errors import (
    DomainError,
    Forbidden,
    NotFound,
    ParseError,
    PayloadTooLarge,
    ServerError,
    ServiceUnavailable,
)

logger = logging.getLogger(__name__)


def wants_json(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/graphql"))


def json_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    """In the shape of the door that was knocked at."""
    if request.path.startswith("/graphql"):
        return graphql_error(error)
    return JsonResponse(error.body(), status=error.status, headers=error.headers())


class BodyLimitMiddleware:
    """Refuses a body over MAX_BODY_BYTES unread. (A body of undeclared length is never read: WSGI gives none.)"""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        declared = request.META.get("CONTENT_LENGTH") or "0"
        if not declared.isdecimal() or int(declared) > settings.MAX_BODY_BYTES:
            return json_error(request, PayloadTooLarge())
        return self.get_response(request)


class ForPages:
    """Mixed into what only pages need. The API has no session, no cookie that counts, no messages and no files."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request) if wants_json(request) else super().__call__(request)


class WhiteNoiseMiddleware(ForPages, whitenoise.WhiteNoiseMiddleware):
    pass


class SessionMiddleware(ForPages, sessions.SessionMiddleware):
    pass


class CsrfViewMiddleware(ForPages, csrf.CsrfViewMiddleware):
    """Its check of the view itself stays on everywhere: a view of the API must say that it is exempt."""


class AuthenticationMiddleware(ForPages, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(ForPages, messages.MessageMiddleware):
    pass


class CommonMiddleware(common.CommonMiddleware):
    """Adds a missing final slash for those who read; a POST would lose its body on the way."""

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return request.method in {"GET", "HEAD"} and super().should_redirect_with_slash(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return json_error(request, ParseError()) if wants_json(request) else defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return json_error(request, Forbidden()) if wants_json(request) else defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return json_error(request, NotFound()) if wants_json(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django has logged the exception already; the client learns its code and nothing else."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        return json_error(request, ServiceUnavailable(retry_after=1))
    return json_error(request, ServerError()) if wants_json(request) else defaults.server_error(request)
