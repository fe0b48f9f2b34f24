"""Who is looking. Django's session holds the id of our own session's row, which decides; never a sign-in of Django's.

So a session that was won by SMS does not open the admin site, and one that is ended anywhere is ended here.
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from users import services, tokens
from users.errors import AdministratorsAccount
from users.models import Session, User
from users.pages import errand

SESSION_ID = "sid"


def identify(request: HttpRequest) -> User | None:
    """The signed-in visitor with `user.session` set, also as `request.visitor`, where the templates find it."""
    session_id = request.session.get(SESSION_ID)
    request.visitor = tokens.resume(session_id) if session_id else None
    if request.visitor:
        tokens.note_seen(request.visitor.session)
    elif session_id:
        forget(request)
        messages.info(request, _("This session has been ended. Sign in again."))
    return request.visitor


def admit(request: HttpRequest, session: Session) -> None:
    """Sign this browser in, under a new cookie: a planted one is worth nothing then (session fixation)."""
    request.session.cycle_key()
    request.session[SESSION_ID] = str(session.id)
    rotate_token(request)


def forget(request: HttpRequest) -> None:
    request.session.flush()


def onwards(request: HttpRequest) -> HttpResponse:
    """To where the visitor was going before the sign-in came in between."""
    response = redirect(_wanted(request) or errand.read(request).next or reverse("profile"))
    errand.forget(request, response)
    return response


def _wanted(request: HttpRequest) -> str:
    """`?next=`, if it leads to our own host; else empty."""
    wanted = request.GET.get("next", "")
    is_path = wanted.startswith("/")  # anything else `redirect` would take for the name of a view
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_path and is_ours and len(wanted) <= errand.LONGEST_ADDRESS else ""


class SignedOutOnly:
    """A view for those who are not signed in yet; the others are not asked again."""

    def dispatch(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if identify(request):
            return onwards(request)
        response = super().dispatch(request, *args, **kwargs)
        if wanted := _wanted(request):
            errand.note(request, response, next=wanted)
        return response


class SignedInOnly:
    """A view for those who are signed in; the others may do that first, and come back."""

    def dispatch(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if not identify(request):
            back = f"?next={request.path}" if request.method == "GET" else ""
            return redirect(reverse("page_send_code") + back)
        return super().dispatch(request, *args, **kwargs)


class GivesNumberUp:
    """After SignedInOnly: on the way to giving one's number up, who may not is told before a code is paid for."""

    def dispatch(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        try:
            services.require_may_give_number_up(user=request.visitor)
        except AdministratorsAccount as refusal:
            return render(request, "users/administrators_account.html", {"refusal": refusal}, status=refusal.status)
        return super().dispatch(request, *args, **kwargs)
