"""Swagger UI and ReDoc from files of our own server, under a CSP as narrow as each of them allows."""

from csp.decorators import csp_update
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView

# Pictures of both are data: URLs in their style sheets. (csp_update adds to the policy of the settings.)
_PICTURES = ["data:"]
# ReDoc's styled-components put rules into <style> elements that are empty when they are made: this is the SHA-256 of
# nothing, so only an empty element passes.
_EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"

swagger = csp_update({"img-src": _PICTURES})(SpectacularSwaggerSplitView.as_view(url_name="schema"))
redoc = csp_update({"img-src": _PICTURES, "style-src": [_EMPTY_STYLE]})(
    SpectacularRedocView.as_view(url_name="schema")
)
