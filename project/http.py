"""What holds for every request, whichever door it comes to."""

import logging
import sys
from collections.abc import Callable

from corsheaders import middleware as cors
from csp import middleware as csp
from csp.constants import HEADER as CSP_HEADER
from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware import common, csrf, locale
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin
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
    StaleForm,
)

logger = logging.getLogger(__name__)
HEALTH = {"/livez", "/readyz"}


def wants_json(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/graphql"))


def json_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    """In the shape of the door that was knocked at."""
    if request.path.startswith("/graphql"):
        return graphql_error(error)
    return JsonResponse(error.body(), status=error.status, headers=error.headers())


def show_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    """JSON for programs; for people a page in their language, which touches neither session nor database."""
    if wants_json(request):
        return json_error(request, error)
    with translation.override(translation.get_language_from_request(request)):
        response = render(request, "users/error.html", {"error": error}, status=error.status)
    for name, value in error.headers().items():
        response[name] = value
    return response


class HeadersMiddleware:
    """What every response carries beside what Django's SecurityMiddleware and django-csp add."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        # Nearly everything here is somebody's own; what is not says so itself, as static files do.
        response.headers.setdefault("Cache-Control", "no-store")
        if request.method == "HEAD" and not response.streaming:
            response.content = b""  # its Content-Length stays; the server would drop a body, with a warning each time
        return response


class CSPMiddleware(csp.CSPMiddleware):
    """JSON gets the policy of the settings ready-made: writing it out took a ninth of a request's time. A page
    gets its own from django-csp, because it may add to the policy (`csp_update`)."""

    def __init__(self, get_response):
        super().__init__(get_response)
        self.ready_made = build_policy()

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.headers.get("Content-Type") != "application/json":
            return super().process_response(request, response)
        response.headers.setdefault(CSP_HEADER, self.ready_made)
        return response


class BodyLimitMiddleware:
    """Refuses a body over MAX_BODY_BYTES unread. (A body of undeclared length is never read: WSGI gives none.)"""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        declared = request.META.get("CONTENT_LENGTH") or "0"
        if not declared.isdecimal() or int(declared) > settings.MAX_BODY_BYTES:
            return show_error(request, PayloadTooLarge())
        return self.get_response(request)


class ForPages:
    """Mixed into what only pages need. The API has no session, no cookie that counts, no messages and no files, so it
    passes all such layers that lie together in one step."""

    for_api: Callable[[HttpRequest], HttpResponse]

    def __init__(self, get_response):
        super().__init__(get_response)  # type: ignore[call-arg]
        behind = getattr(get_response, "__wrapped__", None)  # Django wraps each layer
        self.for_api = behind.for_api if isinstance(behind, ForPages) else get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.for_api(request) if wants_json(request) else super().__call__(request)


class WhiteNoiseMiddleware(ForPages, whitenoise.WhiteNoiseMiddleware):
    pass


class SessionMiddleware(ForPages, sessions.SessionMiddleware):
    pass


class CsrfViewMiddleware(ForPages, csrf.CsrfViewMiddleware):
    """Its check of the view itself stays on everywhere: a view of the API must say that it is exempt.

    A sign-in in another tab makes every form that is open elsewhere a stale one. Where the browser itself says that
    the form is of a page of ours, which no page of others can make it say, its token may be old.
    """

    def process_view(self, request: HttpRequest, *view) -> HttpResponse | None:
        if settings.CSRF_COOKIE_NAME in request.COOKIES and _comes_from_our_page(request):
            request._dont_enforce_csrf_checks = True  # as Django's test client says it
        return super().process_view(request, *view)


def _comes_from_our_page(request: HttpRequest) -> bool:
    """By Fetch Metadata; by the Origin where there is none, as over plain HTTP."""
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return site == "same-origin"
    return request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"


class AuthenticationMiddleware(ForPages, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(ForPages, messages.MessageMiddleware):
    pass


class RefusalMiddleware(ForPages, MiddlewareMixin):
    """A refusal that no form took up becomes a page of its own."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return show_error(request, exception) if isinstance(exception, DomainError) else None


class CorsMiddleware(cors.CorsMiddleware):
    """Only a browser on another site names an origin; for everybody else there is nothing to decide."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_ORIGIN" in request.META or not wants_json(request):
            return super().__call__(request)
        response = self.get_response(request)
        patch_vary_headers(response, ("origin",))
        return response


class LocaleMiddleware(locale.LocaleMiddleware):
    """No address here begins with a language, so none is looked for in it."""

    def process_request(self, request: HttpRequest) -> None:
        translation.activate(translation.get_language_from_request(request))
        request.LANGUAGE_CODE = translation.get_language()

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        patch_vary_headers(response, ("Accept-Language",))
        response.headers.setdefault("Content-Language", translation.get_language())
        return response


class CommonMiddleware(common.CommonMiddleware):
    """Adds a missing final slash for those who read; a POST would lose its body on the way."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if request.path in HEALTH:  # who asks for it knows the machine's address, not the site's name
            return None
        return super().process_request(request)

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return request.method in {"GET", "HEAD"} and super().should_redirect_with_slash(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return show_error(request, ParseError())


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return show_error(request, Forbidden())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return show_error(request, StaleForm())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return show_error(request, NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """Django has logged the exception already; the client learns its code and nothing else."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        return show_error(request, ServiceUnavailable(retry_after=1))
    return show_error(request, ServerError())
