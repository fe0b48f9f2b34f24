"""/metrics: closed without its token, and read by Prometheus' own parser."""

import subprocess
from datetime import UTC, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now, TruncDay
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from project import metrics
from tests import needs
from tests.support.people import ALICE, BOB, wrong
from users import errors, services
from users.models import Challenge, GuardDecision
from users.services import gauges
from users.sms import gateways, routes

pytestmark = pytest.mark.django_db
TOKEN = "a-token-for-prometheus"
LABELS = ("region", "scope", "channel", "route", "decision")


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch):
    monkeypatch.setattr(metrics, "_last", metrics._Last())


@pytest.fixture
def scrape(client, settings, monkeypatch):
    settings.METRICS_TOKEN = TOKEN
    monkeypatch.setattr(metrics, "KEPT_SECONDS", -1)

    def read() -> dict[str, dict[tuple, float]]:
        response = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}", "host": "10.0.0.7:8000"})
        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/plain; version=")
        assert "no-store" in response["Cache-Control"]
        families = text_string_to_metric_families(response.content.decode())
        samples = [sample for family in families for sample in family.samples]
        found: dict[str, dict[tuple, float]] = {}
        for sample in samples:
            labels = tuple(sample.labels[name] for name in LABELS if name in sample.labels)
            found.setdefault(sample.name, {})[labels] = sample.value
        return found

    return read


def test_there_is_none_without_a_token_in_the_settings(client):
    assert client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize(
    "given",
    ["", "Bearer ", "Bearer other", TOKEN, f"Bearer {TOKEN}x", f"Basic {TOKEN}", f"Bearer {TOKEN.upper()}", "Bearer é"],
)
def test_it_is_closed_to_whoever_has_not_the_token(client, settings, given):
    settings.METRICS_TOKEN = TOKEN
    response = client.get("/metrics", headers={"authorization": given})
    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("given", [f"bearer {TOKEN}", f"BEARER  {TOKEN} "])
def test_a_scheme_has_no_case(client, settings, given):
    settings.METRICS_TOKEN = TOKEN
    assert client.get("/metrics", headers={"authorization": given}).status_code == 200


def test_it_counts_codes_by_region_channel_and_route(scrape, settings, browser, real_outbox, refusing_gateway):
    settings.SMS_COST, settings.SMS_TEXT = {"RU": Decimal("3.5")}, "{code}"
    sent = services.request_code(phone=ALICE, client=browser)
    code = real_outbox[-1][1].split()[0]
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=wrong(code), challenge=sent.challenge, client=browser)
    services.verify_code(code=code, challenge=sent.challenge, client=browser)
    unused = services.request_code(phone="+447911123456", client=browser)
    Challenge.objects.filter(id=unused.challenge).update(cost=8, expires_at=F("created_at"))
    with refusing_gateway, pytest.raises(errors.SMSNotSent):
        services.request_code(phone=BOB, client=browser)
    Challenge.objects.filter(id=unused.challenge).update(region="GB")

    found = scrape()
    ru, gb, nowhere = ("RU", "sms", "json"), ("GB", "sms", "json"), ("RU", "", "")
    assert found["zovi_codes_asked_total"] == {ru: 1, gb: 1, nowhere: 1}
    assert found["zovi_codes_sent_total"] == {ru: 1, gb: 1, nowhere: 0}
    assert found["zovi_codes_refused_total"] == {ru: 0, gb: 0, nowhere: 1}
    assert found["zovi_codes_verified_total"] == {ru: 1, gb: 0, nowhere: 0}
    assert found["zovi_sms_cost_total"] == {ru: 3.5, gb: 8, nowhere: 0}
    assert found["zovi_sms_cost_wasted_total"] == {ru: 0, gb: 8, nowhere: 0}
    assert found["zovi_sign_ins_total"] == found["zovi_registrations_total"] == {(): 1}
    assert found["zovi_code_failures_total"] == found["zovi_sessions_live"] == {(): 1}


def test_no_count_goes_back_while_a_gateway_takes_its_time_and_refuses(scrape, browser, monkeypatch):
    """Prometheus takes that for a restart and counts the whole day once more."""
    during = []

    def refuse(route, message, deadline):
        during.append(scrape())
        return gateways.Answer(gateways.Outcome.REFUSED, "http_error", 500)

    services.request_code(phone=ALICE, client=browser)
    before = scrape()
    monkeypatch.setattr(routes.Route, "ask", refuse)
    with pytest.raises(errors.SMSNotSent):
        services.request_code(phone=BOB, client=browser)
    after = scrape()
    assert before == during[0]
    assert sum(after["zovi_codes_asked_total"].values()) == 2
    assert sum(after["zovi_codes_sent_total"].values()) == sum(after["zovi_codes_refused_total"].values()) == 1


def test_what_was_broken_off_is_counted_as_sent(scrape, browser, sms_outbox, monkeypatch):
    """After a minute; here at once, for just after midnight a minute ago was yesterday."""
    sent = services.request_code(phone=ALICE, client=browser)
    Challenge.objects.filter(id=sent.challenge).update(code_hash="", route="", channel="")
    assert "zovi_codes_asked_total" not in scrape()
    monkeypatch.setattr(gauges, "_CODES", gauges._CODES.replace("1 minute", "0 minutes"))
    assert scrape()["zovi_codes_sent_total"] == {("RU", "", ""): 1}


def test_whoever_leaves_takes_no_sign_in_back(scrape, settings, sms_outbox, browser):
    settings.OTP_RESEND_COOLDOWN = 0
    sent = services.request_code(phone=ALICE, client=browser)
    alice = services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser).user
    sent = services.request_code(phone=ALICE, client=browser)
    services.delete_account(user=alice, code=sent.otp, challenge=sent.challenge)
    found = scrape()
    assert found["zovi_sign_ins_total"] == found["zovi_registrations_total"] == {(): 1}
    assert found["zovi_sessions_live"] == {(): 0}


def test_a_sign_in_after_midnight_is_one_of_the_day(scrape, browser, sms_outbox):
    sent = services.request_code(phone=ALICE, client=browser)
    services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser)
    Challenge.objects.update(created_at=TruncDay(Now(), tzinfo=UTC) - timedelta(minutes=2))
    assert scrape()["zovi_sign_ins_total"] == {(): 1}
    Challenge.objects.update(used_at=TruncDay(Now(), tzinfo=UTC) - timedelta(minutes=1))
    assert scrape()["zovi_sign_ins_total"] == {(): 0}


def test_it_counts_the_rest(scrape, alice, bob, settings):
    settings.EVENTS_ARE_RECORDED = True
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    GuardDecision.objects.create(hour=alice.created_at, region="RU", scope="region", decision="denied", codes=3)
    found = scrape()
    assert found["zovi_activations_total"] == {(): 1}
    assert found["zovi_guard_decisions_total"] == {("RU", "region", "denied"): 3}
    assert found["zovi_events_waiting"] == found["zovi_events_oldest_seconds"] == {(): 0}


def test_whoever_asks_often_costs_postgresql_no_more(client, settings, browser):
    settings.METRICS_TOKEN = TOKEN
    answers = []
    for statements in (3, 0, 0):
        with CaptureQueriesContext(connection) as captured:
            answers.append(client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).content)
        read = [query for query in captured.captured_queries if not query["sql"].startswith("PREPARE")]
        assert len(read) == statements
        services.request_code(phone=f"+7913674{len(answers):04}", client=browser)
    assert len(set(answers)) == 1
    metrics._last.at -= metrics.KEPT_SECONDS
    assert client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).content != answers[0]


def test_prometheus_own_program_finds_nothing_wrong(client, settings, browser):
    settings.METRICS_TOKEN = TOKEN
    services.request_code(phone=ALICE, client=browser)
    said = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).content
    command = [needs.program("promtool", "apt install prometheus"), "check", "metrics"]
    checked = subprocess.run(command, input=said, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_it_begins_anew_each_day(scrape, browser):
    services.request_code(phone=ALICE, client=browser)
    assert sum(scrape()["zovi_codes_asked_total"].values()) == 1
    Challenge.objects.update(created_at=F("created_at") - timedelta(days=1))
    assert "zovi_codes_asked_total" not in scrape()


def test_no_number_and_no_address_is_in_it(client, settings, browser, alice):
    settings.METRICS_TOKEN = TOKEN
    services.request_code(phone=ALICE, client=browser)
    said = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).content.decode()
    for hidden in (ALICE, ALICE[2:], browser.address, alice.invite_code, str(alice.id)):
        assert hidden not in said
