"""Leaving, and what we keep: the person's own data, and the end of it, confirmed by a fresh code."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views import View

from users import callers, services
from users.pages import sending, visitor
from users.pages.form_page import FormPage
from users.pages.forms import ResendCodeForm, VerifyCodeForm


class Export(visitor.SignedInOnly, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return StreamingHttpResponse(
            services.export_of(user=request.visitor),
            content_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="account.json"'},
        )


class DeleteAccount(visitor.SignedInOnly, visitor.GivesNumberUp, FormPage):
    form_class = VerifyCodeForm
    template_name = "users/delete_account.html"

    def submit(self, given: dict[str, str]) -> HttpResponse:
        services.delete_account(
            user=self.request.visitor, code=given["code"], challenge=callers.challenge_of(self.request, None)
        )
        visitor.forget(self.request)
        messages.success(self.request, _("Your account is deleted, and your number with it."))
        response = redirect("home")
        response.delete_cookie(settings.CHALLENGE_COOKIE_NAME)
        return response

    def context(self) -> dict[str, object]:
        awaited = sending.awaited(self.request)
        is_own = awaited is not None and awaited.phone == self.request.visitor.phone
        return {"awaited": awaited if is_own and awaited.is_open else None}


class SendConfirmation(DeleteAccount):
    """A fresh code, to the number of whoever is signed in."""

    form_class = ResendCodeForm

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("page_delete_account")

    def submit(self, given: dict[str, str]) -> HttpResponse:
        return sending.send(self.request, self.request.visitor.phone, then="page_delete_account")
