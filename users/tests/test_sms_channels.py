"""What a provider says of its message is told on: which channel, and which code it chose instead of ours."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client as Page

from tests.support.gateways import gateway_stand_in
from tests.support.people import ALICE, BOB, wrong
from users import errors, services
from users.models import Challenge
from users.rates import parse
from users.tests.test_pages import text_of
from users.tests.test_sms_hook import SECRET

pytestmark = pytest.mark.django_db


@pytest.fixture
def hook(settings):
    with gateway_stand_in() as server:
        settings.DEMO, settings.SMS_HOOK_SECRET = False, SECRET
        settings.SMS_URL = f"hook+http://{server.address}/"
        yield server


def calls_with(hook, code: str) -> None:
    hook.body = json.dumps({"channel": "call", "code": code, "cost": 0.75}).encode()


def posted(hook) -> dict:
    return hook.posts[-1].json()["data"]


def test_the_code_a_provider_chose_signs_in_and_ours_does_not(hook, browser):
    calls_with(hook, "7788")
    sent = services.request_code(phone=ALICE, client=browser)
    assert (sent.channel, sent.otp) == ("call", None)
    row = Challenge.objects.get()
    assert (row.route, row.channel, float(row.cost)) == ("hook+http", "call", 0.75)
    assert posted(hook)["code"] != "7788"
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code=posted(hook)["code"], challenge=sent.challenge, client=browser)
    assert services.verify_code(code="7788", challenge=sent.challenge, client=browser).user.phone == ALICE


def test_while_strangers_codes_are_longer_a_call_does_not_tell_who_is_at_home(hook, browser, settings):
    """At home the code has four digits, which a provider may choose otherwise; elsewhere six, which it may not."""
    stranger = replace(browser, address="198.51.100.7")
    calls_with(hook, "7788")
    sent = services.request_code(phone=ALICE, client=browser)
    services.verify_code(code="7788", challenge=sent.challenge, client=browser)
    settings.OTP_FAILURES_GLOBAL = parse("1/d")
    sent = services.request_code(phone=BOB, client=stranger)
    with pytest.raises(errors.InvalidCode):
        services.verify_code(code="7789", challenge=sent.challenge, client=stranger)
    outcomes = []
    for client, code in ((browser, "7788"), (stranger, "778899")):
        calls_with(hook, code)
        with pytest.raises(errors.SMSNotSent) as refused:
            services.request_code(phone=ALICE, client=client)
        outcomes.append((posted(hook)["digits"], refused.value.body()))
        Challenge.objects.update(created_at=F("created_at") - timedelta(seconds=3))
    assert [digits for digits, _ in outcomes] == [4, 6]
    assert outcomes[0][1] == outcomes[1][1]


def test_a_flash_call_signs_in_by_rest(hook, api):
    calls_with(hook, "0007")
    sent = api.post("/api/users/send_otp/", {"phone_number": ALICE}, format="json").json()
    assert (sent["channel"], sent["otp"]) == ("call", None)
    assert api.post("/api/users/auth/", {"otp": wrong("0007")}, format="json").json()["attempts_left"] == 2
    assert api.post("/api/users/auth/", {"otp": "0007"}, format="json").json()["phone_number"] == ALICE


def test_graphql_tells_the_channel(hook, api):
    hook.body = b'{"channel": "telegram"}'
    query = f'mutation {{ requestCode(phoneNumber: "{ALICE}") {{ channel }} }}'
    answer = api.post("/graphql/", {"query": query}, format="json").json()
    assert answer == {"data": {"requestCode": {"channel": "telegram"}}}


@pytest.mark.parametrize(
    ("channel", "language", "words"),
    [
        ("sms", "en", "It is on its way to +7 913 674-00-00."),
        ("rcs", "en", "It is on its way to +7 913 674-00-00."),
        ("call", "en", "We are calling +7 913 674-00-00. The code is the last 4 digits of the number that calls"),
        ("telegram", "en", "Look into Telegram on +7 913 674-00-00: the code is there."),
        ("max", "en", "Look into MAX on"),
        (
            "call",
            "ru",
            "Звоним на +7 913 674-00-00. Код — последние цифры номера, с которого поступит звонок (всего цифр: 4).",
        ),
        ("whatsapp", "ru", "Код отправлен в WhatsApp на номер +7 913 674-00-00."),
    ],
)
def test_the_page_says_where_to_look(hook, channel, language, words):
    hook.body = json.dumps({"channel": channel}).encode()
    page = Page(headers={"Accept-Language": language})
    page.post("/send-code/", {"phone": ALICE})
    assert words in re.sub(r" ([.:])", r"\1", text_of(page.get("/verify-code/")))


def test_a_resend_begins_one_further_until_a_code_was_entered(hook, browser):
    sent = [services.request_code(phone=ALICE, client=browser)]
    sent.append(services.request_code(phone=ALICE, challenge=sent[0].challenge, client=browser))
    sent.append(services.request_code(phone=ALICE, client=browser))
    assert [post.json()["data"]["attempt"] for post in hook.posts] == [0, 1, 2]
    Challenge.objects.exclude(id=sent[2].challenge).delete()
    services.verify_code(code=posted(hook)["code"], challenge=sent[2].challenge, client=browser)
    services.request_code(phone=ALICE, client=browser)
    assert posted(hook)["attempt"] == 0


def test_a_message_by_the_second_route_is_one_message(hook, browser, settings):
    settings.OTP_RESEND_COOLDOWN, hook.status = 60, 500
    with gateway_stand_in() as second:
        settings.SMS_URL += f" {second.url}"
        assert services.request_code(phone=ALICE, client=browser).channel == "sms"
        with pytest.raises(errors.CodeRequestedTooSoon):
            services.request_code(phone=ALICE, client=browser)
        assert (len(hook.posts), len(second.posts)) == (1, 1)
    assert [row.route for row in Challenge.objects.all()] == ["json"]
