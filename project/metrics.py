"""For Prometheus: what PostgreSQL has counted, asked anew each time, to whoever shows METRICS_TOKEN."""

import hmac
import threading
import time
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from users import callers
from users.errors import NotAuthenticated, NotFound
from users.services import gauges

KEPT_SECONDS = 5.0  # less than any Prometheus waits between two questions, so none sees a count go back

_CODES = {
    "zovi_codes_asked": ("asked", "Codes that were asked for today (UTC)."),
    "zovi_codes_sent": ("sent", "Of these, messages that left, or may have."),
    "zovi_codes_refused": ("refused", "Of these, messages that no gateway took."),
    "zovi_codes_verified": ("verified", "Of these, codes that somebody used."),
    "zovi_sms_cost": ("spent", "What they cost, in the unit of SMS_COST."),
    "zovi_sms_cost_wasted": ("wasted", "What was paid for codes that nobody used."),
}
_COUNTERS = {
    "zovi_sign_ins": ("sign_ins", "Codes that let somebody in today (UTC), or moved them to another number."),
    "zovi_registrations": ("registrations", "People who came for the first time today (UTC)."),
    "zovi_activations": ("activations", "Invite codes entered today (UTC)."),
    "zovi_code_failures": ("failures", "Wrong codes today (UTC)."),
}
_GAUGES = {
    "zovi_sessions_live": ("live_sessions", "Sessions that have neither ended nor expired."),
    "zovi_events_waiting": ("events_waiting", "Events that a webhook has not taken yet."),
    "zovi_events_oldest_seconds": ("oldest_event_seconds", "How long the oldest of them has waited."),
}


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """404 unless METRICS_TOKEN is set, 401 without it."""
    if not settings.METRICS_TOKEN:
        raise NotFound()
    scheme, _, given = callers.authorization_of(request).strip().partition(" ")
    is_right = hmac.compare_digest(given.strip().encode(), settings.METRICS_TOKEN.encode())
    if scheme.lower() != "bearer" or not is_right:
        raise NotAuthenticated()
    return HttpResponse(_answer(), content_type=CONTENT_TYPE_LATEST)


def _answer() -> bytes:
    """The last one, for KEPT_SECONDS: whoever asks often, or many at once, costs PostgreSQL no more than one does."""
    with _asking:
        if _last.at is None or time.monotonic() - _last.at > KEPT_SECONDS:
            _last.at, _last.content = time.monotonic(), generate_latest(_registry)
        return _last.content


class _Database(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from _codes()
        yield _guarded()
        totals = gauges.totals()
        for name, (field, words) in _COUNTERS.items():
            yield CounterMetricFamily(name, words, value=getattr(totals, field))
        for name, (field, words) in _GAUGES.items():
            yield GaugeMetricFamily(name, words, value=float(getattr(totals, field)))


def _codes() -> Iterator[Metric]:
    rows = list(gauges.codes_today())
    for name, (field, words) in _CODES.items():
        family = CounterMetricFamily(name, words, labels=("region", "channel", "route"))
        for row in rows:
            family.add_metric((row.region, row.channel, row.route), float(getattr(row, field)))
        yield family


def _guarded() -> Metric:
    words = "Codes to strangers that SMS_GUARD doubted today (UTC)."
    family = CounterMetricFamily("zovi_guard_decisions", words, labels=("region", "scope", "decision"))
    for row in gauges.guarded_today():
        family.add_metric((row.region, row.scope, row.decision), float(row.codes))
    return family


class _Last:
    at: float | None = None
    content = b""


_last, _asking = _Last(), threading.Lock()
_registry = CollectorRegistry(auto_describe=False)
_registry.register(_Database())
