"""What a person would call a browser or an app, out of what it calls itself. Pure."""

from functools import lru_cache

import ua_parser
from django.utils.translation import gettext as _

_SYSTEMS = {"Mac OS X": "macOS"}
_APPLE_DEVICES = {"iPhone", "iPad"}


def name_of(user_agent: str) -> str:
    """`Chrome, Android`, `Safari, iPhone`, `Telegram, Android`."""
    return _known(user_agent) or _("Unknown browser")


@lru_cache(maxsize=1024)
def _known(user_agent: str) -> str:
    found = ua_parser.parse(user_agent)
    browser = found.user_agent.family if found.user_agent else ""
    names = (" ".join(word for word in browser.split() if word != "Mobile"), _system(found))
    return ", ".join(name for name in names if name)


def _system(found: ua_parser.Result) -> str:
    """Apple's phones and tablets have names of their own, which people know better than that of their system."""
    if found.os is None:
        return ""
    if found.device and found.device.family in _APPLE_DEVICES:
        return found.device.family
    return _SYSTEMS.get(found.os.family, found.os.family)
