"""How the pages write numbers: phones, waits, browsers."""

import phonenumbers
from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

register = template.Library()

# The first that occurs wins: every browser also claims to be the ones below it.
_BROWSERS = {
    "YaBrowser": "Yandex",
    "Edg": "Edge",
    "OPR": "Opera",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "Chrome": "Chrome",
    "CriOS": "Chrome",
    "Safari": "Safari",
    "Postman": "Postman",
    "curl": "curl",
    "python": "Python",
}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Mac OS X": "macOS",
    "Windows": "Windows",
    "Linux": "Linux",
}


_MESSENGERS = {
    "max": "MAX",
    "signal": "Signal",
    "telegram": "Telegram",
    "viber": "Viber",
    "vk": "VK",
    "whatsapp": "WhatsApp",
}


@register.filter
def messenger(channel: str) -> str:
    """`telegram` → `Telegram`; empty for what is none we know."""
    return _MESSENGERS.get(channel, "")


@register.filter
def phone(e164: str) -> str:
    """`+79136740012` → `+7 913 674-00-12`; what is no number stands for somebody who has left."""
    if not e164.startswith("+"):
        return _("somebody who has left")
    return phonenumbers.format_number(phonenumbers.parse(e164), phonenumbers.PhoneNumberFormat.INTERNATIONAL)


@register.filter
def wait(seconds: int) -> str:
    """`42` → `42 seconds`, `1800` → `30 minutes`: rounded up, in one unit."""
    if seconds < 120:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    minutes = -(-seconds // 60)
    if minutes < 120:
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    hours = -(-minutes // 60)
    return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}


@register.filter
def browser(user_agent: str) -> str:
    """`Chrome, Android` out of what the browser calls itself."""
    known = [
        next((name for sign, name in names.items() if sign in user_agent), None) for names in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(name for name in known if name) or _("Unknown browser")
