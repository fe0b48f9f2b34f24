"""The admin site's own front page: what happened on each of the last days."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from users import services


class Site(admin.AdminSite):
    site_header = site_title = "Zovi"
    index_title = _("Administration")
    index_template = "users/admin_index.html"

    def index(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        return super().index(request, {"days": services.daily_counts(), **(extra_context or {})})
