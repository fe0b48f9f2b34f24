"""A hook: the message it is posted, the signature on it, and what it may answer."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.gateways import dripping, gateway_stand_in
from tests.support.people import ALICE
from users import errors, sms

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CHALLENGE = "0a5d8e0c-6b1f-4a3e-9d2b-7c1e5f8a9b30"


@pytest.fixture
def hook(settings):
    with gateway_stand_in() as server:
        settings.DEMO, settings.SMS_HOOK_SECRET = False, SECRET
        settings.SMS_URL = f"hook+http://{server.address}/send?from=zovi"
        yield server


@pytest.fixture
def behind(settings, hook):
    """A second route, which takes everything."""
    with gateway_stand_in() as server:
        settings.SMS_URL += f" {server.url}"
        yield server


def send(code="0421", **different):
    given = {"phone": ALICE, "code": code, "challenge": CHALLENGE, "host": "zovi.example", "language": "ru"}
    return sms.send(sms.Message(**(given | different)))


# --- What it is posted ---------------------------------------------------------------------------------------------


def test_a_hook_is_posted_all_it_needs(hook):
    assert send(attempt=2) == sms.Delivered("hook+http", "sms")
    [post] = hook.posts
    sent = post.json()
    age = datetime.now(UTC) - datetime.fromisoformat(sent.pop("timestamp"))
    assert timedelta(0) <= age < timedelta(minutes=5)
    assert post.path == "/send?from=zovi"
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["webhook-id"] == f"msg_{CHALLENGE}"
    assert sent == {
        "type": "code.send",
        "data": {
            "challenge": CHALLENGE,
            "phone": ALICE,
            "code": "0421",
            "digits": 4,
            "text": "Zovi: код 0421. Никому его не сообщайте.\n\n@zovi.example #0421",
            "language": "ru",
            "ttl": 180,
            "attempt": 2,
        },
    }


def test_the_reference_verifier_takes_what_is_ours_and_nothing_else(hook):
    send()
    [post] = hook.posts
    verifier = Webhook(SECRET)
    assert verifier.verify(post.body, post.headers) == post.json()

    def refused(body=post.body, by=verifier, **headers):
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in (post.headers | changed).items() if value is not None}
        with pytest.raises(WebhookVerificationError):
            by.verify(body, given)

    at = int(post.headers["webhook-timestamp"])
    refused(body=post.body.replace(b"+79136740000", b"+79136740001"))
    refused(body=post.body + b" ")
    refused(webhook_id="msg_another")
    refused(webhook_timestamp=str(at + 1))
    refused(webhook_timestamp=str(at - 301))
    refused(webhook_signature=None)
    refused(webhook_signature=Webhook("whsec_" + "A" * 32).sign("msg_x", datetime.now(UTC), post.body.decode()))
    refused(by=Webhook("whsec_" + "A" * 32))


def test_a_message_that_was_signed_long_ago_is_refused(hook):
    send()
    [post] = hook.posts
    before = datetime.now(UTC) - timedelta(minutes=6)
    name = post.headers["webhook-id"]
    old = {
        "webhook-id": name,
        "webhook-timestamp": str(int(before.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(name, before, post.body.decode()),
    }
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(post.body, old)


# --- What it answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_is_sent(hook, status):
    hook.status = status
    assert send() == sms.Delivered("hook+http", "sms")


@pytest.mark.parametrize(
    ("said", "delivered"),
    [
        ({}, {}),
        ({"channel": "telegram"}, {"channel": "telegram"}),
        ({"channel": "call", "code": "7788", "cost": 0.7}, {"channel": "call", "code": "7788", "cost": Decimal("0.7")}),
        ({"code": "0421", "cost": "12"}, {"cost": 12}),
        ({"channel": None, "code": None, "cost": None, "id": 5}, {}),
    ],
)
def test_its_answer_says_how_it_was_sent(hook, said, delivered):
    hook.body = json.dumps(said).encode()
    assert send() == sms.Delivered("hook+http", **delivered)


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense",
        b"<html>Sign in</html>",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"call"',
        b'{"channel": 5}',
        b'{"channel": ""}',
        b'{"channel": "Look into Telegram"}',
        b'{"channel": "a-word-that-is-much-too-long"}',
        b'{"code": 7788}',
        b'{"code": "778"}',
        b'{"code": "77889"}',
        b'{"code": "77a8"}',
        b'{"code": "\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4"}',  # digits, but Arabic ones
        b'{"cost": true}',
        b'{"cost": "free"}',
        b'{"cost": -1}',
        b'{"cost": 1e9}',
        b'{"cost": NaN}',
        b'{"cost": []}',
        b"[" * 30_000,
    ],
)
def test_one_that_answers_nonsense_has_failed_and_the_next_is_asked(hook, behind, said, caplog):
    hook.body = said
    assert send() == sms.Delivered("json")
    assert (len(hook.posts), len(behind.posts)) == (1, 1)
    failed = next(record.facts for record in caplog.records if record.msg == "route_answered")
    assert (failed["outcome"], failed["why"], failed["status"]) == ("refused", "wrong_answer", 200)


def test_nonsense_alone_is_not_sent(hook):
    hook.body = b"nonsense"
    with pytest.raises(errors.SMSNotSent):
        send()


def test_a_phone_that_is_guessed_at_gets_no_code_of_a_provider(hook, behind):
    hook.body = b'{"channel": "call", "code": "778899"}'
    assert send("042137") == sms.Delivered("json")
    hook.body = b'{"channel": "telegram"}'
    assert send("042137") == sms.Delivered("hook+http", "telegram")


@pytest.mark.parametrize("status", [302, 307, 400, 404, 500])
def test_one_that_refuses_hands_over(hook, behind, status):
    hook.status, hook.headers = status, {"Location": f"http://{behind.address}/"}
    assert send() == sms.Delivered("json")
    assert [post.json()["message"].partition("\n")[0] for post in behind.posts] == [
        "Zovi: код 0421. Никому его не сообщайте."
    ]
    assert behind.other_requests == []


def test_one_that_leaves_us_in_doubt_has_sent_it(hook, behind, monkeypatch):
    monkeypatch.setattr(sms, "SECONDS", 1.0)
    hook.manner = dripping()
    assert send() == sms.Delivered("hook+http")
    assert behind.posts == []


def test_a_notice_is_a_message_without_a_code(hook, behind):
    assert sms.send(sms.Notice(ALICE, "Your number has changed.", language="en")) == sms.Delivered("hook+http")
    [post] = hook.posts
    sent = Webhook(SECRET).verify(post.body, post.headers)
    del sent["timestamp"]
    told = {"phone": ALICE, "text": "Your number has changed.", "language": "en"}
    assert sent == {"type": "notice.send", "data": told}
    hook.body = b'{"code": "7788"}'
    assert sms.send(sms.Notice(ALICE, "Your number has changed.")) == sms.Delivered("json")
    assert behind.posts[0].json()["message"] == "Your number has changed."
