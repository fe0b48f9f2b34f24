from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst


class Titled(admin.ModelAdmin):
    """Pages are called what they show: Django's "Select session to view" fits no language that declines its nouns."""

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, title | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        title = {"title": capfirst(self.opts.verbose_name)}
        return super().change_view(request, object_id, form_url, title | (extra_context or {}))
