"""How the pages write numbers: phones, waits."""

import re

import phonenumbers
from django import template
from django.utils import formats
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

register = template.Library()

_PHONE = re.compile(r"\+[0-9][0-9* -]+[0-9]")

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
def unbroken(words: str) -> SafeString:
    """The words, with each phone number among them on one line."""
    return mark_safe(_PHONE.sub(r'<span class="nowrap">\g<0></span>', conditional_escape(words)))  # noqa: S308


@register.filter
def grouped(number: int) -> str:
    """`1000` → `1,000`, in Russian `1 000`."""
    return formats.number_format(number, force_grouping=True)


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
