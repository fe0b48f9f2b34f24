"""What Django is told about this room, and what must hold before anything starts."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.utils.translation import gettext_lazy as _


class UsersConfig(AppConfig):
    name = "users"
    verbose_name = _("Users and invitations")

    def ready(self) -> None:
        from users import sms
        from users.rest import openapi, openapi_service  # noqa: F401 -- drf-spectacular finds their extensions

        try:
            sms.require_gateway()
        except ValueError as error:
            raise SystemExit(f"zovi: refusing to start: {error}") from None


class AdminConfig(admin.AdminConfig):
    default = False  # of the two in this file, "users" means the other
    default_site = "users.admin_site.Site"
