"""The ways to a phone, as SMS_URL lists them: which serve a region, and which of them is asked first."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

import phonenumbers
from django.conf import settings

from users import waiting
from users.sms import gateways
from users.sms.message import AnyMessage
from users.webhooks import is_loopback

_REGIONS = re.compile(r"([A-Z]{2}(?:,[A-Z]{2})*)\|")


@dataclass(frozen=True)
class Route:
    """`number` is its place in SMS_URL, from 1; it serves any region when `regions` is empty."""

    number: int
    url: str = field(repr=False)
    regions: frozenset[str] = frozenset()

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0].lower()

    @property
    def is_hook(self) -> bool:
        return self.scheme in {"hook+https", "hook+http"}

    def serves(self, region: str | None) -> bool:
        return not self.regions or region in self.regions

    def ask(self, message: AnyMessage, deadline: float) -> gateways.Answer:
        if self.scheme == "simulated":
            return gateways.simulate(message)
        if self.is_hook:
            return waiting.result_of(gateways.call_hook, self.url.removeprefix("hook+"), message, deadline)
        return waiting.result_of(gateways.notify, self.url, message, deadline)


def all_of_them() -> tuple[Route, ...]:
    return _parse("simulated://" if settings.DEMO else settings.SMS_URL)


def for_message(message: AnyMessage) -> list[Route]:
    """Those that serve the phone's region, in the order they are asked: a resend begins one further."""
    region = region_of(message)
    serving = [route for route in all_of_them() if route.serves(region)]
    first = message.attempt % len(serving) if serving else 0
    return serving[first:] + serving[:first]


def region_of(message: AnyMessage) -> str | None:
    return message.region or phonenumbers.region_code_for_number(phonenumbers.parse(message.phone))


def require_routes() -> None:
    """Raises ValueError when SMS_URL holds a route that no message could take, or none for a region that is allowed."""
    for route in all_of_them():
        _require_gateway(route)
    for region in settings.PHONE_ALLOWED_REGIONS:
        if not any(route.serves(region) for route in all_of_them()):
            raise ValueError(f"PHONE_ALLOWED_REGIONS allows {region}, but no route of SMS_URL serves it")
    if settings.SMS_SUCCESS and not any(route.scheme in gateways.TITLED for route in all_of_them()):
        raise ValueError("SMS_SUCCESS is for json, form and xml gateways, and SMS_URL names none")


@lru_cache(maxsize=8)
def _parse(urls: str) -> tuple[Route, ...]:
    return tuple(_route(number, word) for number, word in enumerate(urls.split(), start=1))


def _route(number: int, word: str) -> Route:
    given = _REGIONS.match(word)
    regions = frozenset(given[1].split(",")) if given else frozenset()
    return Route(number, word[given.end() :] if given else word, regions)


def _require_gateway(route: Route) -> None:
    for region in route.regions:
        if region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f"SMS_URL: there is no region {region}")
    if route.scheme == "simulated":
        return
    (_require_hook if route.is_hook else _require_recipient)(route)


def _require_hook(route: Route) -> None:
    parts = urlsplit(route.url.removeprefix("hook+"))
    if not parts.hostname:
        raise ValueError("SMS_URL: a hook is an address such as hook+https://gate.example.com/send")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("SMS_URL: hook+http:// is for loopback only; elsewhere it must be hook+https://")
    if not settings.SMS_HOOK_SECRET:
        raise ValueError("SMS_HOOK_SECRET is missing: it signs what goes to a hook")


def _require_recipient(route: Route) -> None:
    """Some plugins drop what they do not expect in a place: they would send to nobody, or to the sender."""
    for region in route.regions or {settings.PHONE_DEFAULT_REGION}:
        if not _reaches(route, _example(region)):
            raise ValueError(
                "SMS_URL names no gateway that would know the recipient: each route must be one of apprise's URLs, with"
                " {phone} in its gateway's place for recipients"
            )


def _reaches(route: Route, phone: str) -> bool:
    is_titled = route.scheme in gateways.TITLED
    if "{phone}" not in route.url:
        return is_titled and gateways.apprise_plugin(route.url, phone) is not None
    plugin = gateways.apprise_plugin(route.url, phone)
    if plugin is None:
        return False
    return any(phone.removeprefix("+") in place for place in (_sent_by if is_titled else _recipients)(plugin))


def _sent_by(plugin) -> list[str]:
    """Where a gateway of one's own may look for the recipient: in the path, or as the value of a field or header."""
    parts = urlsplit(plugin.url())
    return [unquote(parts.path), *(value for _name, value in parse_qsl(parts.query))]


def _recipients(plugin) -> list[str]:
    """What apprise's plugins call `targets`, `phone` or `target_phones`, without those they found invalid. None where
    a plugin has no recipients that are phones: Slack would take a number for the name of a channel."""
    if not any(token.startswith(("target_phone", "target_sms")) for token in plugin.template_tokens):
        return []
    kept = {name: value for name, value in vars(plugin).items() if "invalid" not in name}
    return [str(value) for value in kept.values() if isinstance(value, list | tuple)]


def _example(region: str) -> str:
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    numbers = (phonenumbers.example_number_for_type(region, kind) for kind in kinds)
    return phonenumbers.format_number(next(filter(None, numbers)), phonenumbers.PhoneNumberFormat.E164)
