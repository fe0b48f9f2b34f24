"""One function over the SMS gateway: the simulated one of a demo, or whatever SMS_URL names."""

import random
import threading
import time
from urllib.parse import quote

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from users.errors import ServiceUnavailable, SMSNotSent
from users.models import Message

CONNECT_SECONDS = 3
READ_SECONDS = 5
# A home-made HTTP gateway may read the recipient from the title; anything else needs its place in the URL.
_TITLED_SCHEMES = ("json://", "jsons://", "form://", "forms://", "xml://", "xmls://")

_sending = threading.BoundedSemaphore(settings.SMS_MAX_SENDING)


def send(phone: str, text: str) -> None:
    """Blocks until the gateway has taken the message; a few seconds at most.

    Holds no database connection meanwhile. Raises SMSNotSent, or ServiceUnavailable when too many are being sent.
    """
    if not _sending.acquire(blocking=False):
        raise ServiceUnavailable(retry_after=2)
    try:
        if not connection.in_atomic_block:
            connection.close()  # back to the pool: others may use it while we wait
        deliver = _simulate if settings.DEMO else _notify
        deliver(phone, text)
    finally:
        _sending.release()


def code_text(code: str, host: str) -> str:
    """The message. Its last line lets the browser of that host fill the code in (WebOTP, origin-bound codes)."""
    words = _("Zovi: %(code)s is your sign-in code. Tell it to nobody.") % {"code": code}
    return f"{words}\n\n@{host} #{code}"


def require_gateway() -> None:
    """Raises ValueError when SMS_URL names no gateway we could send through."""
    if settings.SMS_URL and _gateway("+79136740000") is None:
        raise ValueError("SMS_URL names no gateway: it must be one of apprise's URLs, with {phone} for the recipient")


def _simulate(phone: str, text: str) -> None:
    time.sleep(random.uniform(*settings.SMS_SIMULATED_DELAY))
    Message.objects.deliver(phone, text)


def _notify(phone: str, text: str) -> None:
    gateway = _gateway(phone)
    title = "" if "{phone}" in settings.SMS_URL else phone
    if gateway is None or not gateway.notify(body=text, title=title):
        raise SMSNotSent(retry_after=1)


def _gateway(phone: str):
    from apprise import Apprise  # takes a second to import, and a demo never needs it

    if "{phone}" not in settings.SMS_URL and not settings.SMS_URL.lower().startswith(_TITLED_SCHEMES):
        return None
    url = settings.SMS_URL.replace("{phone}", quote(phone, safe=""))
    url += ("&" if "?" in url else "?") + f"cto={CONNECT_SECONDS}&rto={READ_SECONDS}"
    return Apprise.instantiate(url, suppress_exceptions=True)
