"""What every page shows of whoever runs this: the name, the address of the logo, the colours around it."""

from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from users import brand

FOR_EVER = "public, max-age=31536000, immutable"
# A picture runs nothing and fetches nothing, even when somebody opens it as a page.
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

_OUR_SHEET = Path(__file__).parent.parent / "static" / "users" / "zovi.css"
OURS = brand.colours(_OUR_SHEET.read_text(encoding="utf-8"))


class Shown:
    """For the templates, as `brand`."""

    @property
    def name(self) -> str:
        return settings.SITE_NAME

    @property
    def logo(self) -> str:
        return _address(brand.LOGO) or _address(brand.ICON) or static("users/icon.svg")

    @property
    def icon(self) -> str:
        """For home screens, which take no SVG. Beside a logo of theirs ours would be a stranger's."""
        ours = static("users/icon.png") if brand.LOGO not in settings.BRAND.files else ""
        return _address(brand.ICON) or ours

    @property
    def theme(self) -> str:
        return _address(brand.THEME)

    @property
    def light(self) -> dict[str, str]:
        return OURS.light | settings.BRAND.colours.light

    @property
    def dark(self) -> dict[str, str]:
        return OURS.dark | settings.BRAND.colours.dark


SHOWN = Shown()


def context(request: HttpRequest) -> dict[str, object]:
    """A context processor: templates of every door name the product by it, and know what is for a demo alone."""
    return {"brand": SHOWN, "is_demo": settings.DEMO}


@require_safe
def file(request: HttpRequest, version: str, name: str) -> HttpResponse:
    """A page of another version of the brand, as there are while servers are replaced, gets this one's, uncached."""
    found = settings.BRAND.files.get(name)
    if found is None:
        raise Http404
    etag = f'"{found.version}"'
    cached = FOR_EVER if version == found.version else "no-cache"
    whole = HttpResponse(found.content, found.content_type, headers={"Cache-Control": cached, "ETag": etag})
    response = get_conditional_response(request, etag=etag, response=whole)
    if name != brand.THEME:
        response["Content-Security-Policy"] = PICTURE_POLICY
    return response


def _address(name: str) -> str:
    found = settings.BRAND.files.get(name)
    return reverse("brand", args=[found.version, name]) if found else ""
