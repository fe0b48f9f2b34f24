"""The public keys, for whoever wants to check an access token without asking us."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from users import tokens

CACHED_SECONDS = 600  # a new key is to be published for so long before it signs


_HEADERS = {
    "Cache-Control": f"public, max-age={CACHED_SECONDS}",
    "Access-Control-Allow-Origin": "*",  # apps in browsers and workers at the edge check tokens too
}


@require_safe
def jwks(request: HttpRequest) -> JsonResponse:
    return JsonResponse(tokens.jwks(), headers=_HEADERS)
