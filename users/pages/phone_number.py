"""Another number for the account: the new one is entered, then the code that was sent to it."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from users import callers, services
from users.errors import ChallengeRequired
from users.pages import sending, visitor
from users.pages.form_page import FormPage
from users.pages.forms import NewPhoneForm, ResendCodeForm, VerifyCodeForm


class ChangePhone(visitor.SignedInOnly, visitor.GivesNumberUp, FormPage):
    form_class = NewPhoneForm
    template_name = "users/change_phone.html"

    def submit(self, given: dict[str, str]) -> HttpResponse:
        services.require_may_change_phone(user=self.request.visitor)
        return sending.send(self.request, given["phone"], then="page_confirm_phone")

    def context(self) -> dict[str, object]:
        return {"signed_in_recently": services.signed_in_recently(user=self.request.visitor)}


class ConfirmPhone(visitor.SignedInOnly, visitor.GivesNumberUp, FormPage):
    form_class = VerifyCodeForm
    template_name = "users/confirm_phone.html"
    steps = {"start": "page_change_phone", "verify": "page_confirm_phone", "resend": "page_resend_to_new_phone"}

    def get(self, request: HttpRequest) -> HttpResponse:
        return super().get(request) if sending.awaited(request) else redirect("page_change_phone")

    def submit(self, given: dict[str, str]) -> HttpResponse:
        services.change_phone(
            user=self.request.visitor,
            code=given["code"],
            challenge=callers.challenge_of(self.request, None),
            client=callers.client_of(self.request),
        )
        messages.success(self.request, _("Your number is changed. Your other sessions have ended."))
        response = redirect("profile")
        response.delete_cookie(settings.CHALLENGE_COOKIE_NAME)
        return response

    def context(self) -> dict[str, object]:
        return {"awaited": sending.awaited(self.request), "steps": self.steps}


class ResendToNewPhone(ConfirmPhone):
    form_class = ResendCodeForm

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("page_confirm_phone")

    def submit(self, given: dict[str, str]) -> HttpResponse:
        awaited = sending.awaited(self.request)
        if awaited is None:
            raise ChallengeRequired()
        services.require_may_change_phone(user=self.request.visitor)
        return sending.send(self.request, awaited.phone, then="page_confirm_phone")


class SignInAgain(visitor.SignedInOnly, View):
    """For those whose session is older than what they are about to do allows. They come back afterwards."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("page_change_phone")

    def post(self, request: HttpRequest) -> HttpResponse:
        services.logout(user=request.visitor)
        visitor.forget(request)
        return redirect(f"{reverse('page_send_code')}?next={reverse('page_change_phone')}")
