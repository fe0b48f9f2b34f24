"""What tells a phone that an invite link may open the operator's own app instead of a browser."""

from django.conf import settings
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

INVITE_LINKS = "/i/*"
_HANDLE_LINKS = "delegate_permission/common.handle_all_urls"
_CACHED = {"Cache-Control": "public, max-age=3600"}


@require_safe
def apple(request: HttpRequest) -> JsonResponse:
    """Apple's associated domains: which apps, for which links."""
    if not settings.APP_LINKS_IOS:
        raise Http404
    detail = {"appIDs": settings.APP_LINKS_IOS, "components": [{"/": INVITE_LINKS}]}
    return JsonResponse({"applinks": {"details": [detail]}}, headers=_CACHED)


@require_safe
def android(request: HttpRequest) -> JsonResponse:
    """Digital Asset Links: which apps, by their signing certificates. Android 15 reads the paths, too; before it an
    app's own manifest names them."""
    if not settings.APP_LINKS_ANDROID:
        raise Http404
    statements = [_statement(package, fingerprints) for package, fingerprints in settings.APP_LINKS_ANDROID.items()]
    return JsonResponse(statements, safe=False, headers=_CACHED)


def _statement(package: str, fingerprints: list[str]) -> dict[str, object]:
    paths = [{"/": INVITE_LINKS}, {"/": "*", "exclude": True}]
    return {
        "relation": [_HANDLE_LINKS],
        "target": {
            "namespace": "android_app",
            "package_name": package,
            "sha256_cert_fingerprints": fingerprints,
        },
        "relation_extensions": {_HANDLE_LINKS: {"dynamic_app_link_components": paths}},
    }
