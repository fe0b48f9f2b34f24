"""The admin site: who comes in needs a password, and sees first what happened on each of the last days."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from users import callers, services
from users.services import bill


class LoginForm(AdminAuthenticationForm):
    """A phone number in any usual form, and a password."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs |= {"maxlength": 60, "type": "tel"}

    def clean(self) -> dict[str, Any]:
        with services.admitted_password(client=callers.client_of(self.request)):
            return super().clean()


class Site(admin.AdminSite):
    site_header = site_title = settings.SITE_NAME
    index_title = _("Administration")
    empty_value_display = "–"
    login_form = LoginForm
    index_template = "users/admin_index.html"

    def index(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        lines = bill.bill()
        days = bill.by_day(lines)
        shown = {
            "days": services.daily_counts(),
            "bill": lines,
            "bill_days": days,
            "fixed": services.fixed_numbers(),
            "bill_most": max((day.sent for day in days), default=0),
        }
        return super().index(request, {**shown, **(extra_context or {})})
