"""The way in: a phone number, a code, and out again."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views import View

from users import callers, services
from users.errors import AccountIdle, ChallengeRequired, DomainError
from users.pages import invitations, sending, visitor
from users.pages.form_page import FormPage
from users.pages.forms import PageForm, ResendCodeForm, SendCodeForm, SignInForm


class Start(visitor.SignedOutOnly, FormPage):
    """The front page. Its form goes to /send-code/."""

    http_method_names = ("get", "head", "options")
    form_class = SendCodeForm
    template_name = "users/home.html"

    def context(self) -> dict[str, object]:
        return {"pending": invitations.pending(self.request)}


class SendCode(visitor.SignedOutOnly, FormPage):
    form_class = SendCodeForm
    template_name = "users/send_code.html"

    def submit(self, given: dict[str, str]) -> HttpResponse:
        return sending.send(self.request, given["phone"], then="page_verify_code")

    def context(self) -> dict[str, object]:
        return {"pending": invitations.pending(self.request)}


class VerifyCode(visitor.SignedOutOnly, FormPage):
    form_class: type[PageForm] = SignInForm
    template_name = "users/verify_code.html"
    steps = {"start": "page_send_code", "verify": "page_verify_code", "resend": "page_resend_code"}

    def get(self, request: HttpRequest) -> HttpResponse:
        if sending.awaited(request) is None:
            return redirect("page_send_code")
        return super().get(request)

    def submit(self, given: dict[str, Any]) -> HttpResponse:
        signed_in = services.verify_code(
            code=given["code"],
            challenge=callers.challenge_of(self.request, None),
            client=callers.client_of(self.request),
            start_afresh=given["start_afresh"],
        )
        visitor.admit(self.request, signed_in.session)
        came_by_link = invitations.accept_pending(self.request, signed_in.user)
        if signed_in.is_new_user and not came_by_link:
            messages.success(self.request, _("You are in. This ticket is yours: pass it on."))
        response = visitor.onwards(self.request)
        response.delete_cookie(settings.CHALLENGE_COOKIE_NAME)
        return response

    def refuse(self, form: PageForm, error: DomainError) -> HttpResponse:
        """Whose account it is, a page of its own asks; it keeps the code to come back with."""
        if not isinstance(error, AccountIdle):
            return super().refuse(form, error)
        asked = {"code": form.cleaned_data["code"], "awaited": sending.awaited(self.request), "steps": self.steps}
        return render(self.request, "users/account_idle.html", asked, status=error.status)

    def context(self) -> dict[str, object]:
        return {
            "awaited": sending.awaited(self.request),
            "steps": self.steps,
            "pending": invitations.pending(self.request),
        }


class ResendCode(VerifyCode):
    """Another code to the number the last one went to; the number need not travel again."""

    form_class = ResendCodeForm

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("page_verify_code")

    def submit(self, given: dict[str, str]) -> HttpResponse:
        awaited = sending.awaited(self.request)
        if awaited is None:
            raise ChallengeRequired()
        return sending.send(self.request, awaited.phone, then="page_verify_code")


class Logout(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        """Asks first: a link that signs out could be put anywhere."""
        return render(request, "users/logout.html") if visitor.identify(request) else redirect("home")

    def post(self, request: HttpRequest) -> HttpResponse:
        user = visitor.identify(request)
        if user:
            services.logout(user=user)
            visitor.forget(request)
            messages.success(request, _("You are signed out."))
        return redirect("home")
