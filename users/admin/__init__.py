"""For those who keep the service running. Lists show phones masked; nothing is deleted here."""

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from users import phones, services
from users.admin import events  # noqa: F401 -- which registers its pages
from users.admin.base import Base
from users.admin.look_only import LookOnly
from users.admin.numbers import ChangesPhone
from users.models import Activation, Challenge, GuardDecision, Session, User

admin.site.unregister(Group)


@admin.register(User)
class Users(ChangesPhone, Base, UserAdmin):
    list_display = ("masked_phone", "invite_code", "created_at", "is_active", "is_staff")
    list_display_links = ("masked_phone", "invite_code")
    list_filter = ("is_active", "is_staff", "is_test")
    ordering = ("-created_at",)
    search_fields = ("phone", "invite_code")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("phone", "is_test", "set_aside_at", "invite_code", "invited_by", "people", "created_at")}),
        (_("Access"), {"fields": ("is_active", "is_staff", "is_superuser", "password", "last_login")}),
    )
    readonly_fields = (*fieldsets[0][1]["fields"], "last_login")
    actions = ("switch_off", "switch_on")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # people register themselves; `manage.py createsuperuser` makes administrators

    def has_delete_permission(self, request: HttpRequest, obj=None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever has left is for looking only: there is nothing to switch on."""
        return super().has_change_permission(request, obj) and (obj is None or obj.phone is not None)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """A fixed code is no secret, so whoever signs in by one is no administrator."""
        return (*self.readonly_fields, *(("is_staff", "is_superuser") if obj and obj.is_test else ()))

    def get_object(self, request: HttpRequest, *which) -> User | None:
        """Locked while it is changed: what is saved is the whole row, and nobody may leave or be counted meanwhile."""
        user = super().get_object(request, *which)
        if user and request.method == "POST":
            user = User.objects.select_for_update().get(pk=user.pk)
        return user

    def save_model(self, request: HttpRequest, user: User, form: ModelForm, change: bool) -> None:
        user.save(update_fields=[name for name in form.changed_data if name != "is_active"])
        if "is_active" in form.changed_data:
            services.switch_users(users=User.objects.filter(pk=user.pk), active=user.is_active)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    def render_change_form(self, request: HttpRequest, context: dict, *args, **kwargs) -> HttpResponse:
        user = context["original"]
        context |= {"subtitle": _who(user), "may_change_phone": self.may_change_phone(request, user)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list:
        return [path("find/", self.admin_site.admin_view(self.find), name="users_user_find"), *super().get_urls()]

    def find(self, request: HttpRequest) -> HttpResponse:
        """The search form posts, because what it holds must not stand in an address."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        user = services.find_user(phone_or_code=request.POST.get("q", ""))
        if user:
            return redirect("admin:users_user_change", user.pk)
        self.message_user(request, _("Nobody has this phone number or invite code."), messages.WARNING)
        return redirect("admin:users_user_changelist")

    @admin.display(description=_("phone"), ordering="phone")
    def masked_phone(self, user: User) -> str:
        return str(user)

    @admin.display(description=_("who invited"))
    def invited_by(self, user: User) -> str:
        activation = Activation.objects.select_related("inviter").filter(invitee=user).first()
        return _who(activation.inviter) if activation else "–"

    @admin.display(description=_("who came"))
    def people(self, user: User) -> int:
        return user.referrals.count()

    @admin.action(description=_("Switch off: no sign-in, all sessions ended"), permissions=["change"])
    def switch_off(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        count = services.switch_users(users=chosen.exclude(pk=request.user.pk), active=False)
        self._tell(request, count)

    @admin.action(description=_("Switch on again"), permissions=["change"])
    def switch_on(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        self._tell(request, services.switch_users(users=chosen, active=True))

    def _tell(self, request: HttpRequest, count: int) -> None:
        self.message_user(request, ngettext("%(count)d changed.", "%(count)d changed.", count) % {"count": count})


@admin.register(Activation)
class Activations(LookOnly):
    list_display = ("who_invited", "who_came", "created_at")
    list_select_related = ("inviter", "invitee")
    search_fields = ("=inviter__invite_code", "=invitee__invite_code")
    search_help_text = _("Invite code of either of the two")
    ordering = ("-id",)
    fields = ("who_invited", "who_came", "created_at")

    @admin.display(description=_("who invited"))
    def who_invited(self, activation: Activation) -> str:
        return _who(activation.inviter)

    @admin.display(description=_("who came"))
    def who_came(self, activation: Activation) -> str:
        return _who(activation.invitee)


@admin.register(Challenge)
class Challenges(LookOnly):
    list_display = (
        "masked_phone",
        "region",
        "route",
        "channel",
        "cost",
        "created_at",
        "attempts",
        "used_at",
        "address",
    )
    ordering = ("-created_at",)
    show_full_result_count = False
    fields = (
        *("masked_phone", "region", "route", "channel", "cost", "slot", "attempts", "address"),
        *("created_at", "expires_at", "used_at"),
    )

    @admin.display(description=_("phone"))
    def masked_phone(self, challenge: Challenge) -> str:
        return phones.mask(challenge.phone) if challenge.phone else "–"  # whoever had it has left


@admin.register(GuardDecision)
class GuardDecisions(LookOnly):
    list_display = ("hour", "region", "scope", "decision", "codes")
    list_display_links = None
    ordering = ("-hour", "region")


@admin.register(Session)
class Sessions(LookOnly):
    list_display = ("whose", "user_agent", "address", "created_at", "seen_at", "ended_at")
    list_select_related = ("user",)
    search_fields = ("=user__invite_code",)
    search_help_text = _("Invite code of the user")
    ordering = ("-created_at",)
    fields = ("whose", "user_agent", "address", "created_at", "seen_at", "expires_at", "ended_at")
    actions = ("end",)

    @admin.display(description=_("user"))
    def whose(self, session: Session) -> str:
        return _who(session.user)

    @admin.action(description=_("End the chosen sessions"), permissions=["end"])
    def end(self, request: HttpRequest, chosen: QuerySet[Session]) -> None:
        count = services.end_sessions(sessions=chosen)
        words = ngettext("%(count)d session ended.", "%(count)d sessions ended.", count)
        self.message_user(request, words % {"count": count})

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("users.change_session")


def _who(user: User) -> str:
    return f"{user} · {user.invite_code}"
