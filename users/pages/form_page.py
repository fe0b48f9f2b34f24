"""A page with one form, and the one place where a refusal becomes words beside a field."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import View

from users.errors import DomainError
from users.pages.forms import PageForm


class FormPage(View):
    """Subclasses name their form and template, and `submit` calls one service with what the form holds."""

    form_class: type[PageForm]
    template_name: str

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(self.form_class())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self.form_class(request.POST)
        if not form.is_valid():
            return self.show(form, status=400)
        try:
            return self.submit(form.cleaned_data)
        except DomainError as error:
            return self.refuse(form, error)

    def refuse(self, form: PageForm, error: DomainError) -> HttpResponse:
        form.refuse(error)
        return self.show(form, status=error.status, headers=error.headers())

    def submit(self, given: dict[str, Any]) -> HttpResponse:
        raise NotImplementedError

    def show(self, form: PageForm, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
        response = render(self.request, self.template_name, {"form": form, **self.context()}, status=status)
        for name, value in (headers or {}).items():
            response[name] = value
        return response

    def context(self) -> dict[str, object]:
        return {}
