"""The invite link: it greets, waits until its visitor has signed in, and is taken up or declined.

Opening it changes nothing for somebody who is signed in. It asks: otherwise any page could send people here, burn
their one activation and hand their number to whoever owns the code.
"""

import hashlib

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.http import require_safe

from users import callers, services
from users.errors import DomainError
from users.models import User
from users.pages import errand, visitor
from users.pages.forms import SendCodeForm

CARD_CACHED = "public, max-age=86400"


class Invite(View):
    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        """Messengers take the full stop after a link for a part of it: such an address leads to the right one."""
        user = visitor.identify(request)
        invitation = services.invitation(invite_code=request.path, viewer=user, client=callers.client_of(request))
        address = reverse("invite", args=[invitation.code])
        if request.path != address:
            return redirect(address)
        if _is_looked_at(request) and errand.read(request).invite != invitation.code:
            services.note_opening(invitation=invitation, client=callers.client_of(request))
        shown = {"invitation": invitation, "link": callers.invite_link(request, invitation.code)}
        response = render(request, "users/invite.html", {**shown, "form": SendCodeForm()})
        if user is None:
            errand.note(request, response, invite=invitation.code)
        return response

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        """`choice`: accept or decline."""
        user = visitor.identify(request)
        if request.POST.get("choice") == "accept" and user:
            accept(request, user, code)
        elif request.POST.get("choice") == "decline":
            messages.info(request, _("The invitation is declined. Nobody will see your number."))
        response = redirect("profile" if user else "home")
        errand.note(request, response, invite="")
        return response


def _is_looked_at(request: HttpRequest) -> bool:
    """Neither asked for the headers alone, nor fetched by a browser before anybody wants to see it."""
    return request.method == "GET" and not request.headers.get("Sec-Purpose")


@require_safe
def card(request: HttpRequest, code: str) -> HttpResponse:
    """The picture for whoever shows the link, a messenger most of all. It is the same for everybody."""
    from users.pages import cards  # Pillow takes 20 MB, and time, which a server spends when the first link is shown

    invitation = services.invitation(invite_code=request.path, viewer=None, client=callers.client_of(request))
    picture = cards.png(invitation.code, callers.invite_link(request, invitation.code))
    etag = f'"{hashlib.sha256(picture).hexdigest()[:16]}"'
    headers = {"Cache-Control": CARD_CACHED, "ETag": etag}
    response = HttpResponse(picture, content_type="image/png", headers=headers)
    return get_conditional_response(request, etag=etag, response=response)


def pending(request: HttpRequest) -> services.Invitation | None:
    """The invitation this visitor came by and has not declined, if its owner is still there."""
    code = errand.read(request).invite
    return services.noted_invitation(invite_code=code) if code else None


def accept_pending(request: HttpRequest, user: User) -> bool:
    """Accept the invitation this visitor came by; False when there is none."""
    code = errand.read(request).invite
    if code:
        accept(request, user, code)
    return bool(code)


def accept(request: HttpRequest, user: User, code: str) -> None:
    """Activate the code and say so on the next page, or say there why not."""
    try:
        activated = services.activate_invite(user=user, invite_code=code)
    except DomainError as error:
        messages.warning(request, error.detail)
    else:
        words = _("Welcome! You came by the invitation of %(phone)s.")
        messages.success(request, words % {"phone": activated.inviter_phone})
