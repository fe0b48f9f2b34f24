"""Another number for an account, an administrator's most of all, which no code changes: by superusers."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext_lazy as _

from users import services
from users.errors import DomainError
from users.models import User
from users.services.arguments import normalise_phone


class PhoneForm(forms.Form):
    phone = forms.CharField(
        label=_("Another number"),
        max_length=60,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off", "autofocus": True}),
    )


class ChangesPhone(admin.ModelAdmin):
    def get_urls(self) -> list:
        change = self.admin_site.admin_view(self.change_phone)
        return [path("<uuid:user_id>/phone/", change, name="users_user_phone"), *super().get_urls()]

    def may_change_phone(self, request: HttpRequest, user: User) -> bool:
        """A number is what an administrator signs in with, so whoever may change it could lock them all out. Whoever
        has left gets none again, and tests keep theirs."""
        return request.user.is_superuser and not user.is_test and bool(user.phone or user.set_aside_at)

    def change_phone(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Holds no row meanwhile: who changes a number locks that first, as everybody does."""
        user = User.objects.filter(pk=user_id).first()
        if user is None:
            raise Http404
        if not self.may_change_phone(request, user):
            raise PermissionDenied
        form = PhoneForm(request.POST or None)
        if form.is_valid() and self._change(request, user, form):
            return redirect("admin:users_user_change", user.pk)
        shown = {
            "title": _("Another number"),
            "subtitle": f"{user} · {user.invite_code}",
            "form": form,
            "original": user,
        }
        context = {**self.admin_site.each_context(request), "opts": self.opts, **shown}
        return render(request, "admin/users/user/change_phone.html", context, status=400 if form.errors else 200)

    def _change(self, request: HttpRequest, user: User, form: PhoneForm) -> bool:
        try:
            services.set_phone(user=user, phone=normalise_phone(form.cleaned_data["phone"]))
        except DomainError as refusal:
            form.add_error("phone", refusal.detail)
            return False
        self.log_change(request, user, [{"changed": {"fields": ["phone"]}}])
        self.message_user(request, _("The number is changed; all sessions have ended."), messages.SUCCESS)
        return True
