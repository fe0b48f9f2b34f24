"""Swagger UI and ReDoc from files of our own server, under a CSP as narrow as each of them allows."""

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

from users.pages.brand import SHOWN

# Pictures of both are data: URLs in their style sheets. (csp_update adds to the policy of the settings.)
_PICTURES = ["data:"]
# ReDoc's styled-components put their rules into <style> elements that are empty when they are made: this is the
# SHA-256 of nothing, so only an empty element passes. The other is that of its scroll bar's style sheet, which it
# brings inline; a new version of the sidecar may change it, and the browser tests will say so.
_EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
_SCROLL_BAR = "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"

swagger = csp_update({"img-src": _PICTURES})(SpectacularSwaggerSplitView.as_view(url_name="schema"))
redoc = csp_update({"img-src": _PICTURES, "style-src": [_EMPTY_STYLE, _SCROLL_BAR]})(
    SpectacularRedocView.as_view(url_name="schema")
)


def favicon(request: HttpRequest) -> HttpResponse:
    """For what browsers ask for on their own, beside answers that are no pages."""
    return redirect(SHOWN.logo)
