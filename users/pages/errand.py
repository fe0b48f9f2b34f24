"""What a visitor came for, until they have signed in: where they were going, and by whose invitation.

They keep it themselves, in a signed cookie: whoever only looks around, previews of messengers among them, costs the
database nothing.
"""

from dataclasses import asdict, dataclass, replace

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "errand"
LASTS = 3600  # seconds
LONGEST_ADDRESS = 1000  # characters; browsers drop a cookie of more than 4096 bytes


@dataclass(frozen=True)
class Errand:
    next: str = ""
    invite: str = ""


def read(request: HttpRequest) -> Errand:
    """Nothing where there is no cookie, or one that is not ours or too old."""
    try:
        return Errand(**signing.loads(request.COOKIES.get(COOKIE, ""), salt=COOKIE, max_age=LASTS))
    except signing.BadSignature:
        return Errand()


def note(request: HttpRequest, response: HttpResponse, **changed: str) -> None:
    """Send the visitor away with the errand so changed, for another hour."""
    errand = replace(read(request), **changed)
    if errand == Errand():
        return forget(request, response)
    response.set_cookie(
        COOKIE,
        signing.dumps(asdict(errand), salt=COOKIE),
        max_age=LASTS,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return None


def forget(request: HttpRequest, response: HttpResponse) -> None:
    if COOKIE in request.COOKIES:
        response.delete_cookie(COOKIE, samesite="Lax")
