"""A person's own page: the code to pass on, who invited them, who came, and where they are signed in."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views import View

from users import callers, services
from users.pages import pictures, visitor
from users.pages.form_page import FormPage
from users.pages.forms import ActivateForm

PEOPLE_SHOWN = 20
SESSIONS_SHOWN = 10


class Profile(visitor.SignedInOnly, FormPage):
    """The form activates an invite code."""

    form_class = ActivateForm
    template_name = "users/profile.html"

    def submit(self, given: dict[str, str]) -> HttpResponse:
        activated = services.activate_invite(user=self.request.visitor, invite_code=given["invite_code"])
        words = _("Done. %(phone)s invited you.")
        messages.success(self.request, words % {"phone": activated.inviter_phone})
        return redirect("profile")

    def context(self) -> dict[str, object]:
        user = self.request.visitor
        profile = services.profile_of(user=user)
        link = callers.invite_link(self.request, profile.invite_code)
        cursor = self.request.GET.get("cursor")
        return {
            "profile": profile,
            "inviter": profile.activated_invite_code and services.inviter_phone(user=user),
            "may_activate": not profile.activated_invite_code and services.may_activate(user=user),
            "link": link,
            "qr": pictures.qr(link),
            "arrivals": pictures.bars(services.arrivals(user=user)),
            "opened": sum(times for _, times in services.opened_links(user=user)),
            "people": services.referrals(user=user, cursor=cursor, first=PEOPLE_SHOWN),
            "sessions": services.sessions_of(user=user, cursor=self.request.GET.get("sessions"), first=SESSIONS_SHOWN),
        }


class EndSession(visitor.SignedInOnly, View):
    """Ends the `session` that is named, or all `others`."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("profile")

    def post(self, request: HttpRequest) -> HttpResponse:
        if "others" in request.POST:
            services.end_other_sessions(user=request.visitor)
            messages.success(request, _("You are signed out everywhere but here."))
        else:
            services.end_session(user=request.visitor, session_id=request.POST.get("session", ""))
            messages.success(request, _("That browser is signed out."))
        return redirect("profile")
