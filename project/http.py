"""What holds for every request, and what pages pass beside Django's own middleware. The API's layer: api_chain.py."""

import sys
from io import BytesIO
from urllib.parse import urlsplit

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware import common, csrf
from django.shortcuts import render
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin

from schema.http import refusal as graphql_error
from users import callers
from users.errors import (
    DomainError,
    Forbidden,
    NotFound,
    ParseError,
    PayloadTooLarge,
    StaleForm,
    UnsupportedMediaType,
)

HEALTH = {"/livez", "/readyz", "/metrics"}  # which machines ask for, by the address of a machine
_FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}
_UTF_8 = {"utf-8", "utf8"}  # as the Encoding Standard of browsers has it
_UNREADABLE = "unreadable"  # in the place of a content type


class Request(WSGIRequest):
    """Django's, which a content type of any kind can reach: its own fails over some before anybody can refuse them."""

    def _set_content_type_params(self, meta: dict) -> None:
        try:
            super()._set_content_type_params(meta)
        except (LookupError, ValueError, SuspiciousOperation):  # it tries the query string with a charset, too
            self.content_type, self._encoding = _UNREADABLE, None
            self.content_params: dict[str, str] = {}


def is_api(request: HttpRequest) -> bool:
    """By `path_info`: under a prefix (SCRIPT_NAME) the API is where it always is."""
    return request.path_info.startswith(("/api/", "/graphql"))


def json_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    """In the shape of the door that was knocked at."""
    if request.path_info.startswith("/graphql"):
        return graphql_error(request, error)
    return JsonResponse(error.body(), status=error.status, headers=error.headers())


def show_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    """JSON for programs; for people a page in their language, which touches neither session nor database."""
    if is_api(request):
        return json_error(request, error)
    with translation.override(translation.get_language_from_request(request)):
        response = render(request, "users/error.html", {"error": error}, status=error.status)
    for name, value in error.headers().items():
        response[name] = value
    return response


# --- Bodies --------------------------------------------------------------------------------------------------------


def settle_body(request: HttpRequest) -> None:
    """Make the body safe to read: within MAX_BODY_BYTES, in UTF-8, and its length known.

    Raises PayloadTooLarge, unread if its length was declared, UnsupportedMediaType, ParseError.
    """
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not declared.isdecimal() or int(declared) > settings.MAX_BODY_BYTES:
        raise PayloadTooLarge()
    if request.content_type == _UNREADABLE:
        raise UnsupportedMediaType()
    if request.content_type in _FORMS and request.content_params.get("charset", "utf-8").lower() not in _UTF_8:
        raise UnsupportedMediaType()
    if not request.META.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" in request.META:
        _take_undeclared(request)


def _take_undeclared(request: HttpRequest) -> None:
    """A chunked body, which the server has put together again; Django alone would read none of it."""
    body = request.META["wsgi.input"].read(settings.MAX_BODY_BYTES + 1)
    if not body and not request.META.get("wsgi.input_terminated"):
        raise ParseError()  # runserver hands over none of it
    if len(body) > settings.MAX_BODY_BYTES:
        raise PayloadTooLarge()
    request.META["CONTENT_LENGTH"], request._stream = str(len(body)), BytesIO(body)


def refuse_foreign_form(request: HttpRequest) -> None:
    """Any page can make its visitors post a form here, each from an address of their own; JSON it cannot, without
    CORS. Pages of other subdomains are no less foreign. Raises Forbidden unless the form comes from our own pages, an
    allowed origin, or from no browser at all."""
    if request.content_type in _FORMS and _is_foreign(request):
        raise Forbidden()


def _is_foreign(request: HttpRequest) -> bool:
    site, origin = request.META.get("HTTP_SEC_FETCH_SITE"), request.META.get("HTTP_ORIGIN")
    if site in {"same-origin", "none"}:
        return False
    return not _is_allowed(request, origin) if origin else site in {"cross-site", "same-site"}


def _is_allowed(request: HttpRequest, origin: str) -> bool:
    """As django-cors-headers and Django's CSRF check read their settings; the latter allows our own origin too."""
    try:
        written = urlsplit(origin)
    except ValueError:
        return False
    by_cors = settings.CORS_ALLOW_ALL_ORIGINS or _cors.origin_found_in_white_lists(origin, written)
    return by_cors or _csrf._origin_verified(request)


_cors, _csrf = CorsMiddleware(lambda request: HttpResponse()), csrf.CsrfViewMiddleware(lambda request: HttpResponse())


# --- What pages pass ------------------------------------------------------------------------------------------------


class HeadersMiddleware:
    """What every page carries beside what Django's SecurityMiddleware and django-csp add."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        add_headers(response)
        return without_body(request, response)


def add_headers(response: HttpResponse) -> None:
    response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
    # Nearly everything here is somebody's own; what is not says so itself, as static files do.
    response.headers.setdefault("Cache-Control", "no-store")


def without_body(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """After a HEAD. Its Content-Length stays; the server would drop a body, with a warning each time."""
    if request.method == "HEAD" and not response.streaming:
        response.content = b""
    return response


class BodyMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            settle_body(request)
        except DomainError as refusal:
            return show_error(request, refusal)
        return self.get_response(request)


class OldFormMiddleware:
    """Before Django's CSRF check, which refuses a form with an old token.

    A sign-in in another tab makes every form that is open elsewhere a stale one. Where the browser itself says that
    the form is of a page of ours, which no page of others can make it say, its token may be old.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.CSRF_COOKIE_NAME in request.COOKIES and _comes_from_our_page(request):
            request._dont_enforce_csrf_checks = True  # as Django's test client says it
        return self.get_response(request)


def _comes_from_our_page(request: HttpRequest) -> bool:
    """By Fetch Metadata; by the Origin where there is none, as over plain HTTP."""
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return site == "same-origin"
    return request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"


class CommonMiddleware(common.CommonMiddleware):
    """Adds a missing final slash for those who read; a POST would lose its body on the way."""

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        return request.method in {"GET", "HEAD"} and super().should_redirect_with_slash(request)


class RefusalMiddleware(MiddlewareMixin):
    """A refusal that no form took up becomes a page of its own."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, (DomainError, OperationalError, InterfaceError)):
            return show_error(request, callers.refusal_of(exception))
        return None


# --- Django's handlers of errors, see urls.py -----------------------------------------------------------------------


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
    return show_error(request, callers.refusal_of(sys.exc_info()[1]))
