"""What every request of the API passes: one layer, outside of those for pages.

The API has no session, no cookie that counts, no messages and no files. What it shares with pages is done here by
Django's and the packages' own middleware, called in a row: as fourteen layers they took 85 µs more of each request,
of which `me` has 208 now.
"""

from functools import lru_cache

from corsheaders.middleware import CorsMiddleware
from csp.constants import HEADER as CSP_HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.exception import convert_exception_to_response
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import ResolverMatch, get_resolver
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string

from project import http
from users import callers
from users.errors import DomainError

_HOOKS = ("process_view", "process_exception", "process_template_response")


class APIChain:
    """Middleware. For a page it is not there; a request of the API goes no further than to its view.

    So a layer behind it must be one for pages, and one before it must not count on hooks around the view: both refuse
    to start instead of being skipped.
    """

    def __init__(self, get_response):
        _refuse_skipped_middleware()
        self.pages = get_response
        self.security = SecurityMiddleware(get_response)
        self.frames = XFrameOptionsMiddleware(get_response)
        self.csp = CSPMiddleware(get_response)
        self.common = http.CommonMiddleware(get_response)
        self.policy = build_policy()
        self.answer = convert_exception_to_response(self._answer)
        self.across_origins = CorsMiddleware(self._in_their_language)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not (http.is_api(request) or request.path_info in http.HEALTH):
            return self.pages(request)
        response = self.security.process_request(request) or self.across_origins(request)
        self._secure(request, response)
        return http.without_body(request, response)

    def _secure(self, request: HttpRequest, response: HttpResponse) -> None:
        self.frames.process_response(request, response)
        self.security.process_response(request, response)
        http.add_headers(response)
        is_plain = response.headers.get("Content-Type") == "application/json" and not _is_decorated(response)
        if is_plain:
            response.headers.setdefault(CSP_HEADER, self.policy)  # to write it out takes 30 µs
        else:
            self.csp.process_response(request, response)

    def _in_their_language(self, request: HttpRequest) -> HttpResponse:
        translation.activate(translation.get_language_from_request(request))
        response = self.common.process_response(request, self.answer(request))
        patch_vary_headers(response, ("Accept-Language",))
        response.headers.setdefault("Content-Language", translation.get_language())
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        """The view's answer, or a refusal in the shape of its door: here a database that is away is told."""
        try:
            return self._refuse_or_redirect(request) or _ask_view(request)
        except (DomainError, OperationalError, InterfaceError) as failure:
            return http.json_error(request, callers.refusal_of(failure))

    def _refuse_or_redirect(self, request: HttpRequest) -> HttpResponse | None:
        if request.path_info in http.HEALTH:  # who asks for it knows the machine's address, not the site's name
            return None
        redirect = self.common.process_request(request)
        http.settle_body(request)
        http.refuse_foreign_form(request)
        return redirect


def _is_decorated(response: HttpResponse) -> bool:
    """By `csp_update` and its like."""
    return any(name.startswith("_csp") for name in vars(response))


def _ask_view(request: HttpRequest) -> HttpResponse:
    request.resolver_match = match = _resolve(request.path_info, settings.ROOT_URLCONF)
    response = match.func(request, *match.args, **match.kwargs)
    return response.render() if hasattr(response, "render") else response


@lru_cache(128)  # addresses may be long, and anybody may write them
def _resolve(path: str, urlconf: str) -> ResolverMatch:
    return get_resolver(urlconf).resolve(path)


def _refuse_skipped_middleware() -> None:
    position = settings.MIDDLEWARE.index(f"{__name__}.{APIChain.__name__}")
    before, behind = settings.MIDDLEWARE[:position], settings.MIDDLEWARE[position + 1 :]
    skipped = [name for name in behind if name not in settings.PAGE_MIDDLEWARE]
    skipped += [name for name in before if any(hasattr(import_string(name), hook) for hook in _HOOKS)]
    if skipped:
        raise ImproperlyConfigured(
            f"requests of the API would not pass {', '.join(skipped)}: put it before {__name__}, without hooks around "
            "the view, or into PAGE_MIDDLEWARE if it is for pages alone"
        )
