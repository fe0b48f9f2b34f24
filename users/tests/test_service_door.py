"""The door for one's own backend: who may open it, and what is behind it."""

import pytest
from django.conf import settings as configuration

from tests.support.people import ALICE
from users import events, services, tokens
from users.models import AddressFailure, Session, User
from users.rates import parse
from users.webhooks import EventType

pytestmark = pytest.mark.django_db
SECRET, OTHER = "s" * 40, "t" * 40


@pytest.fixture(autouse=True)
def keys(settings):
    settings.SERVICE_KEYS = {"crm": SECRET, "bi": OTHER}
    settings.EVENTS_ARE_RECORDED = True


@pytest.fixture
def call(api):
    def send(method: str, path: str, body=None, *, key=SECRET, **options):
        options.setdefault("format", "json")
        headers = {"Authorization": f"Service {key}"} if key else {}
        return getattr(api, method)(f"/api/service/{path}", body, headers=headers, **options)

    return send


# --- Who ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "not_authenticated"),
        ("Basic YTpi", "not_authenticated"),
        ("Service", "invalid_token"),
        (f"Service {SECRET}x", "invalid_token"),
        (f"Service {SECRET[:-1]}", "invalid_token"),
        ("Service é", "invalid_token"),
        ("Service crm", "invalid_token"),
    ],
)
def test_without_a_key_the_door_stays_shut(api, alice, authorization, code):
    headers = {"Authorization": authorization} if authorization else {}
    answer = api.get(f"/api/service/users/{alice.id}/", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Service")


def test_a_users_token_does_not_open_it_and_a_key_opens_nothing_else(api, alice, browser, call):
    token = tokens.issue(tokens.open_session(alice, browser)).access
    answer = api.get(f"/api/service/users/{alice.id}/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    answer = api.get("/api/users/me/", headers={"Authorization": f"Service {SECRET}"})
    assert answer.status_code == 401
    assert AddressFailure.objects.count() == 0


def test_without_keys_every_secret_is_wrong(call, alice, settings):
    settings.SERVICE_KEYS = {}
    assert call("get", f"users/{alice.id}/").status_code == 401
    assert call("get", f"users/{alice.id}/", key="").status_code == 401


def test_every_key_is_compared_whichever_is_right(monkeypatch):
    from users.services import backend

    compared = []
    digest_of = backend.hmac.compare_digest
    monkeypatch.setattr(backend.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or digest_of(a, b))
    for secret, name in ((SECRET, "crm"), (OTHER, "bi")):
        compared.clear()
        assert services.service_of(secret=secret, address="203.0.113.5").name == name
        assert len(compared) == 2
        assert {len(one) for pair in compared for one in pair} == {32}


def test_wrong_keys_are_counted_by_address_and_never_stop_a_right_one(call, alice, settings, caplog):
    settings.SERVICE_FAILURES_PER_IP = parse("3/h")
    codes = [call("get", f"users/{alice.id}/", key="wrong").json()["code"] for _ in range(5)]
    assert codes == ["invalid_token"] * 3 + ["too_many_attempts"] * 2
    assert AddressFailure.objects.filter(door="service", address="127.0.0.1").count() == 3
    assert call("get", f"users/{alice.id}/").status_code == 200
    elsewhere = call("get", f"users/{alice.id}/", key="wrong", REMOTE_ADDR="203.0.113.7")
    assert elsewhere.json()["code"] == "invalid_token"
    assert "wrong" not in caplog.text


def test_the_log_names_the_key_and_holds_no_secret(call, alice, caplog):
    caplog.set_level("INFO", "zovi")
    call("get", f"users/{alice.id}/", key=OTHER)
    [record] = [record for record in caplog.records if record.getMessage() == "service_called"]
    assert record.facts == {"key": "bi", "call": "Member"}
    assert OTHER not in caplog.text


# --- What ---------------------------------------------------------------------------------------------------------


def shown(user: User, **changed) -> dict:
    return {
        "id": str(user.id),
        "phone_number": user.phone,
        "invite_code": user.invite_code,
        "activated_invite_code": None,
        "refs": [],
        "refs_count": 0,
        "invite_opened": 0,
        "refs_next": None,
        "is_active": True,
        "created_at": user.created_at.isoformat().replace("+00:00", "Z"),
    } | changed


def as_it_is_told(answer: dict) -> dict:
    return answer | {"created_at": answer["created_at"].replace("+00:00", "Z")}


def test_a_user_is_shown_with_full_numbers(call, alice, bob):
    services.activate_invite(user=bob, invite_code=alice.invite_code)
    answer = call("get", f"users/{alice.id}/")
    assert as_it_is_told(answer.json()) == shown(alice, refs=[bob.phone], refs_count=1)
    refs = call("get", f"users/{alice.id}/refs/").json()
    assert [ref["phone_number"] for ref in refs["results"]] == [bob.phone]


@pytest.mark.parametrize("body", [{"phone_number": "8 (913) 674-00-00"}, {"invite_code": None}])
def test_a_user_is_found_by_number_or_code(call, alice, body):
    body = {name: value or f"{alice.invite_code[:3]}-{alice.invite_code[3:]}".lower() for name, value in body.items()}
    assert as_it_is_told(call("post", "users/find/", body).json()) == shown(alice)
    form = call(
        "post",
        "users/find/",
        "&".join(f"{k}={v}" for k, v in body.items()),
        format=None,
        content_type="application/x-www-form-urlencoded",
    )
    assert form.status_code == 200


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({}, "invalid_input", 400),
        ({"phone_number": ALICE, "invite_code": "K7WQ2M"}, "invalid_input", 400),
        ({"phone_number": "+79136740099"}, "not_found", 404),
        ({"phone_number": "nonsense"}, "invalid_phone", 400),
        ({"invite_code": "222222"}, "not_found", 404),
        ({"invite_code": "!"}, "invalid_input", 400),
    ],
)
def test_nobody_is_found_by_anything_else(call, alice, body, code, status):
    answer = call("post", "users/find/", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "field"), [({"invite_code": "!"}, "invite_code"), ({"invite_code": 7}, "invite_code")]
)
def test_a_refusal_names_the_field_as_it_is_called_here(call, body, field):
    assert list(call("post", "users/find/", body).json()["fields"]) == [field]


@pytest.mark.parametrize("call_", ["", "disable/", "enable/", "refs/"])
def test_nobody_is_not_found(call, alice, call_):
    method = "post" if call_.endswith("able/") else "get"
    User.objects.filter(id=alice.id).update(phone=None, is_active=False)
    for user_id in (alice.id, "3b9f4c52-8a55-4f0e-9a3c-0d6f1b7e2c11", "nonsense"):
        answer = call(method, f"users/{user_id}/{call_}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not User.objects.get(id=alice.id).is_active


def test_disabling_ends_the_sessions_and_enabling_brings_none_back(call, alice, browser):
    session = tokens.open_session(alice, browser)
    token = tokens.issue(session).access
    for _ in range(2):
        answer = call("post", f"users/{alice.id}/disable/")
        assert (answer.status_code, as_it_is_told(answer.json())) == (200, shown(alice, is_active=False))
    assert Session.objects.get().ended_at
    for _ in range(2):
        assert as_it_is_told(call("post", f"users/{alice.id}/enable/").json()) == shown(alice)
    assert call("post", "introspect/", {"token": token}).json() == {"active": False}
    told = [event.type for event in events.after(0, limit=10)[0]]
    assert told == ["user.disabled", "session.ended", "user.enabled"]


def test_introspection_sees_a_logout_at_once(call, alice, browser):
    session = tokens.open_session(alice, browser)
    issued = tokens.issue(session)
    form = {"format": None, "content_type": "application/x-www-form-urlencoded"}
    for answer in (
        call("post", "introspect/", {"token": issued.access, "token_type_hint": "access_token"}),
        call("post", "introspect/", f"token={issued.access}&token_type_hint=access_token", **form),
    ):
        told = answer.json()
        assert told.pop("exp") - told.pop("iat") == configuration.ACCESS_TOKEN_TTL
        assert told == {
            "active": True,
            "sub": str(alice.id),
            "sid": str(session.id),
            "client_id": "zovi",
            "token_type": "Bearer",
        }
    tokens.end_session(session)
    assert call("post", "introspect/", {"token": issued.access}).json() == {"active": False}


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "\x00", "x" * 5000])
def test_a_token_that_is_none_is_not_active(call, token):
    answer = call("post", "introspect/", {"token": token})
    assert (answer.status_code, answer.json()) == (200, {"active": False})
    assert call("post", "introspect/", {}).json()["code"] == "invalid_input"


def test_a_refresh_token_is_not_active(call, alice, browser):
    refresh = tokens.issue(tokens.open_session(alice, browser)).refresh
    assert call("post", "introspect/", {"token": refresh}).json() == {"active": False}


def test_the_feed_is_read_on_from_next(call):
    for number in range(3):
        events.record(EventType.USER_ENABLED, {"user_id": number})
    first = call("get", "events/?limit=2").json()
    rest = call("get", f"events/?after={first['next']}").json()
    assert [event["data"]["user_id"] for event in first["results"] + rest["results"]] == [0, 1, 2]
    assert set(first["results"][0]) == {"id", "type", "timestamp", "data"}
    assert first["results"][0]["timestamp"].endswith("Z")
    nothing = call("get", f"events/?after={rest['next']}").json()
    assert nothing == {"results": [], "next": rest["next"]}
    assert call("get", "events/?type=user.deleted").json() == {"results": [], "next": rest["next"]}


@pytest.mark.parametrize(
    "query", ["after=x", "after=-1", "after=99999", "after=1e3", "after=" + "9" * 30, "limit=0", "limit=1001", "type=x"]
)
def test_what_cannot_be_asked_of_the_feed_is_said(call, query):
    answer = call("get", f"events/?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert list(answer.json()["fields"]) == [query.partition("=")[0]]
