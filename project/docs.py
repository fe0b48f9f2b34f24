"""The API's description; Swagger UI and ReDoc from files of our own server, under a CSP as narrow as each allows."""

import hashlib
from functools import lru_cache
from typing import NamedTuple

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.http import content_disposition_header
from django.utils.translation import get_language
from django.views import View
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

from users.errors import MethodNotAllowed
from users.pages.brand import SHOWN

# Pictures of both are data: URLs in their style sheets. (csp_update adds to the policy of the settings.)
_PICTURES = ["data:"]
# ReDoc's styled-components put their rules into <style> elements that are empty when they are made: this is the
# SHA-256 of nothing, so only an empty element passes. The other is that of its scroll bar's style sheet, which it
# brings inline; a new version of the sidecar may change it, and the browser tests will say so.
_EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
_SCROLL_BAR = "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"


class Made(NamedTuple):
    text: bytes
    etag: str


@lru_cache
def _made(renderer: type[OpenApiYamlRenderer | OpenApiJsonRenderer], language: str) -> Made:
    """Once for each format and language: it takes as long as a hundred requests, and anybody may ask for it."""
    text = renderer().render(SchemaGenerator().get_schema(public=True), renderer_context={})
    return Made(text, f'"{hashlib.sha256(text).hexdigest()[:32]}"')


class Description(View):
    """OpenAPI 3 in YAML, or in JSON for whoever asks for that, by Accept or by `?format=json`."""

    def get(self, request: HttpRequest) -> HttpResponse:
        renderer = OpenApiJsonRenderer if _wants_json(request) else OpenApiYamlRenderer
        made = _made(renderer, get_language())
        response = HttpResponse(made.text, f"{renderer.media_type}; charset=utf-8")
        name = f"{spectacular_settings.TITLE}.{renderer.format}"  # in any language
        response["Content-Disposition"] = content_disposition_header(as_attachment=False, filename=name)
        response["Cache-Control"] = "no-cache"  # it may be kept, and is asked after by its ETag
        response["ETag"] = made.etag
        patch_vary_headers(response, ("Accept",))
        return get_conditional_response(request, made.etag, response=response)

    def http_method_not_allowed(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        raise MethodNotAllowed(allowed=self._allowed_methods())

    options = http_method_not_allowed


def _wants_json(request: HttpRequest) -> bool:
    offered = {OpenApiYamlRenderer.media_type: False, OpenApiJsonRenderer.media_type: True, "application/json": True}
    return request.GET.get("format") == "json" or offered.get(request.get_preferred_type(list(offered)), False)


swagger = csp_update({"img-src": _PICTURES})(SpectacularSwaggerSplitView.as_view(url_name="schema"))
redoc = csp_update({"img-src": _PICTURES, "style-src": [_EMPTY_STYLE, _SCROLL_BAR]})(
    SpectacularRedocView.as_view(url_name="schema")
)


def favicon(request: HttpRequest) -> HttpResponse:
    """For what browsers ask for on their own, beside answers that are no pages."""
    return redirect(SHOWN.logo)
