"""The REST door's own shape: what it reads, what it answers, and that every error is JSON with a code."""

import json
import re
from codecs import BOM_UTF8
from datetime import datetime

import pytest
from django.db import OperationalError
from rest_framework.test import APIClient

from tests.support.people import ALICE, BOB
from users import errors, services, tokens
from users.models import Activation, Challenge, Session, User

pytestmark = pytest.mark.django_db
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def send(api, phone=ALICE, **more):
    return api.post("/api/users/send_otp/", {"phone_number": phone, **more}, format="json")


def signed_in_as(user, browser) -> APIClient:
    api = APIClient(raise_request_exception=False)
    access = tokens.issue(tokens.open_session(user, browser)).access
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
    return api


@pytest.fixture
def as_alice(alice, browser):
    return signed_in_as(alice, browser)


@pytest.fixture
def as_bob(bob, browser):
    return signed_in_as(bob, browser)


def assert_refused(response, error: type[errors.DomainError], **extra) -> None:
    assert response.status_code == error.status, response.content
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert body.pop("detail")
    assert body == {"code": error.code, **extra}


# --- The whole way ---------------------------------------------------------------------------------------------


def test_two_people_go_the_whole_way(api, browser):
    sent = send(api, "8 913 674-00-00")
    assert sent.status_code == 200
    body = sent.json()
    assert re.fullmatch(UUID, body["challenge"])
    assert re.fullmatch("[0-9]{4}", body["otp"])
    assert body == {
        "phone_number": ALICE,
        "otp": body["otp"],
        "challenge": body["challenge"],
        "expires_in": 180,
        "channel": "sms",
        "resend_in": 0,
    }

    signed_in = api.post("/api/users/auth/", {"otp": body["otp"]}, format="json").json()
    assert set(signed_in) == {"phone_number", "token", "refresh_token", "token_type", "expires_in", "is_new_user"}
    assert (signed_in["phone_number"], signed_in["token_type"]) == (ALICE, "Bearer")
    assert (signed_in["expires_in"], signed_in["is_new_user"]) == (900, True)

    api.credentials(HTTP_AUTHORIZATION=f"Bearer {signed_in['token']}")
    me = api.get("/api/users/me/").json()
    assert me == {
        "id": str(User.objects.get().id),
        "phone_number": ALICE,
        "invite_code": User.objects.get().invite_code,
        "activated_invite_code": None,
        "refs": [],
        "refs_count": 0,
        "invite_opened": 0,
        "refs_next": None,
    }

    as_bob = signed_in_as(User.objects.get_or_register(BOB)[0], browser)
    activated = as_bob.post("/api/users/referal/", {"activated_invite_code": me["invite_code"].lower()}, format="json")
    assert (activated.status_code, activated.json()) == (
        200,
        {"phone_number": BOB, "activated_invite_code": me["invite_code"], "you_invited_by": "+7 913 ***-**-00"},
    )
    assert as_bob.get("/api/users/me/").json()["activated_invite_code"] == me["invite_code"]
    me = api.get("/api/users/me/").json()
    assert (me["refs"], me["refs_count"]) == ([BOB], 1)


@pytest.mark.parametrize("kind", ["json", "multipart", "form"])
def test_json_forms_and_multipart_say_the_same(api, kind):
    def post(path, fields):
        if kind == "form":
            from urllib.parse import urlencode

            return api.post(path, urlencode(fields), content_type="application/x-www-form-urlencoded")
        return api.post(path, fields, format=kind)

    sent = post("/api/users/send_otp/", {"phone_number": ALICE}).json()
    assert post("/api/users/auth/", {"otp": sent["otp"]}).status_code == 200


# --- The challenge ----------------------------------------------------------------------------------------------


def test_the_challenge_cookie_is_for_the_browser_alone(api):
    cookie = send(api).cookies["challenge"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")


def test_the_challenge_in_the_body_works_without_a_cookie(api):
    sent = send(api).json()
    stranger = APIClient()
    answer = stranger.post("/api/users/auth/", {"otp": sent["otp"], "challenge": sent["challenge"]}, format="json")
    assert answer.status_code == 200


def test_the_body_goes_before_the_cookie(api):
    first = send(api, ALICE).json()
    send(api, BOB)
    answer = api.post("/api/users/auth/", {"otp": first["otp"], "challenge": first["challenge"]}, format="json")
    assert answer.json()["code"] == "invalid_code"  # the cookie made the second send end the first
    third = send(APIClient(), ALICE).json()
    answer = api.post("/api/users/auth/", {"otp": third["otp"], "challenge": third["challenge"]}, format="json")
    assert answer.json()["phone_number"] == ALICE


def test_another_client_with_the_code_and_the_phone_gets_nowhere(api):
    sent = send(api).json()
    stranger = APIClient()
    answer = stranger.post("/api/users/auth/", {"otp": sent["otp"], "phone_number": ALICE}, format="json")
    assert_refused(answer, errors.ChallengeRequired)
    assert Challenge.objects.get().attempts == 0
    assert api.post("/api/users/auth/", {"otp": sent["otp"]}, format="json").status_code == 200


def test_a_used_code_is_a_wrong_code(api):
    sent = send(api).json()
    api.post("/api/users/auth/", {"otp": sent["otp"]}, format="json")
    assert_refused(
        api.post("/api/users/auth/", {"otp": sent["otp"]}, format="json"), errors.InvalidCode, attempts_left=0
    )


def test_an_old_token_in_the_header_is_in_nobodys_way(api):
    api.credentials(HTTP_AUTHORIZATION="Bearer old.and.broken")
    sent = send(api)
    assert sent.status_code == 200
    signed_in = api.post("/api/users/auth/", {"otp": sent.json()["otp"]}, format="json")
    assert signed_in.status_code == 200
    refreshed = api.post("/api/users/token/refresh/", {"refresh_token": signed_in.json()["refresh_token"]})
    assert refreshed.status_code == 200
    assert set(refreshed.json()) == {"phone_number", "token", "refresh_token", "token_type", "expires_in"}


# --- Errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["send_otp", "auth", "token/refresh"])
@pytest.mark.parametrize(
    "body", ["[]", '"text"', "1", "null", "{}", '{"phone_number": 1, "otp": 1234, "refresh_token": 1}']
)
def test_a_body_of_another_shape_is_invalid_input(api, path, body):
    answer = api.post(f"/api/users/{path}/", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_input"
    assert all(isinstance(reason, str) for reasons in answer.json()["fields"].values() for reason in reasons)
    assert not Challenge.objects.exists()


@pytest.mark.parametrize(
    "value", [None, True, 79136740000, 7.5, [], {}, ["+79136740000"], {"a": 1}], ids=lambda value: repr(value)
)
def test_a_phone_number_that_is_no_text_is_invalid_input(api, value):
    answer = send(api, value)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_input"
    assert list(answer.json()["fields"]) == ["phone_number"]


def test_null_in_the_place_of_what_may_be_left_out_is_nothing(api, bob, browser, sms_outbox):
    """As clients send it that a generator has made of types."""
    sent = send(api, challenge=None).json()
    right = {"otp": sent["otp"], "challenge": None, "phone_number": None, "start_afresh": None}
    token = api.post("/api/users/auth/", right, format="json").json()["token"]
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    entered = {"activated_invite_code": bob.invite_code, "phone_number": None}
    assert api.post("/api/users/referal/", entered, format="json").status_code == 200
    other = tokens.open_session(User.objects.get(phone=ALICE), browser)
    assert api.post("/api/users/logout/", {"everywhere": None}, format="json").status_code == 204
    assert [session.id for session in Session.objects.filter(ended_at=None)] == [other.id]


def test_a_byte_order_mark_before_json_is_overlooked(api):
    answer = api.generic(
        "POST", "/api/users/send_otp/", BOM_UTF8 + b'{"phone_number": "no"}', content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_phone")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"\x00", b'{"a": NaN}', b"[" * 60_000, b'"\\ud800"'])
def test_a_body_that_is_no_json_is_a_parse_error(api, body):
    answer = api.generic("POST", "/api/users/send_otp/", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] in ("parse_error", "invalid_input")


def test_a_body_of_another_type_is_refused(api):
    assert_refused(
        api.generic("POST", "/api/users/send_otp/", b"<a/>", content_type="text/xml"), errors.UnsupportedMediaType
    )


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_a_body_over_64_kib_is_refused_unread(api, content_type):
    answer = api.generic("POST", "/api/users/send_otp/", b"x" * (64 * 1024 + 1), content_type=content_type)
    assert_refused(answer, errors.PayloadTooLarge)


def test_another_method_is_refused(api):
    answer = api.get("/api/users/send_otp/")
    assert_refused(answer, errors.MethodNotAllowed)
    assert "POST" in answer["Allow"]


@pytest.mark.parametrize("path", ["/api/", "/api/nothing/", "/api/users/send_otp/x/", "/api/users/me/refs/x/"])
def test_an_unknown_address_is_json_too(api, path):
    assert_refused(api.get(path), errors.NotFound)


def test_a_post_without_the_final_slash_is_not_found(api):
    assert_refused(api.post("/api/users/send_otp", {"phone_number": ALICE}), errors.NotFound)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "me/"),
        ("put", "me/"),
        ("options", "me/"),
        ("get", "me/refs/"),
        ("get", "x/"),
        ("post", "referal/"),
        ("post", "logout/"),
        ("post", "me/delete/"),
    ],
)
def test_what_is_personal_needs_a_token(api, method, path):
    answer = getattr(api, method)(f"/api/users/{path}")
    assert_refused(answer, errors.NotAuthenticated)
    assert answer["WWW-Authenticate"] == 'Bearer realm="zovi"'
    api.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    answer = getattr(api, method)(f"/api/users/{path}")
    assert_refused(answer, errors.InvalidToken)
    assert answer["WWW-Authenticate"] == 'Bearer realm="zovi", error="invalid_token"'


def test_no_cookie_gives_identity(alice, browser):
    api = APIClient()
    access = tokens.issue(tokens.open_session(alice, browser)).access
    for name in ("JWT", "token", "sessionid", "access"):
        api.cookies[name] = access
    assert_refused(api.get("/api/users/me/"), errors.NotAuthenticated)
    api.force_login(alice)
    assert_refused(api.get("/api/users/me/"), errors.NotAuthenticated)


def test_a_wrong_code_says_how_many_tries_are_left(api):
    sent = send(api).json()
    wrong = "0000" if sent["otp"] != "0000" else "1111"
    for left in (2, 1, 0, 0):
        assert_refused(
            api.post("/api/users/auth/", {"otp": wrong}, format="json"), errors.InvalidCode, attempts_left=left
        )
    assert not User.objects.exists()


@pytest.mark.parametrize("otp", ["", "123", "१२३४", "123456789", "12 4", "\x00\x00\x00\x00"])
def test_what_cannot_be_a_code_names_the_field_as_it_is_called_here(api, otp):
    send(api)
    answer = api.post("/api/users/auth/", {"otp": otp}, format="json")
    assert_refused(answer, errors.InvalidInput, fields={"otp": ["A code is 4 to 8 digits."]})
    assert Challenge.objects.get().attempts == 0


def test_each_way_an_invite_can_be_wrong_has_its_code(as_alice, as_bob, alice, bob, charlie):
    def enter(code, **more):
        return as_bob.post("/api/users/referal/", {"activated_invite_code": code, **more}, format="json")

    unused = "222222" if alice.invite_code != "222222" else "333333"
    assert list(enter("nonsense").json()["fields"]) == ["activated_invite_code"]
    assert_refused(enter(unused), errors.InviteNotFound)
    assert_refused(enter(bob.invite_code), errors.OwnInvite)
    assert_refused(enter(alice.invite_code, phone_number=ALICE), errors.NotYourPhone)
    assert_refused(enter(alice.invite_code, phone_number="x"), errors.InvalidPhone)
    assert not Activation.objects.exists()
    assert enter(alice.invite_code, phone_number=BOB).status_code == 200
    assert enter(alice.invite_code).status_code == 200
    assert_refused(enter(charlie.invite_code), errors.InviteAlreadyActivated)


def test_a_wait_is_told_in_the_body_and_in_the_header(api, settings):
    settings.OTP_RESEND_COOLDOWN = 60
    assert send(api).json()["resend_in"] == 60
    answer = send(api)
    assert_refused(answer, errors.CodeRequestedTooSoon, retry_after=60)
    assert answer["Retry-After"] == "60"


def test_a_message_that_was_not_sent_is_503(api, refusing_gateway):
    with refusing_gateway:
        assert_refused(send(api), errors.SMSNotSent, retry_after=2)
    assert not Challenge.objects.filter(is_sent=True).exists()


def test_a_database_that_does_not_answer_is_503(api, as_alice, monkeypatch, caplog):
    def broken(**arguments):
        raise OperationalError(f"secret {ALICE}")

    monkeypatch.setattr(services, "request_code", broken)
    assert_refused(send(api), errors.ServiceUnavailable, retry_after=1)
    assert ALICE not in caplog.text


def test_an_unexpected_error_is_500_and_says_nothing(api, monkeypatch):
    def broken(**arguments):
        raise RuntimeError("the secret")

    monkeypatch.setattr(services, "request_code", broken)
    answer = send(api)
    assert_refused(answer, errors.ServerError)
    assert b"secret" not in answer.content


def test_texts_follow_the_language_and_codes_do_not(api):
    english = send(api, "x").json()
    answer = api.post(
        "/api/users/send_otp/", {"phone_number": "x"}, format="json", headers={"Accept-Language": "ru-RU,ru;q=0.9"}
    )
    assert answer["Content-Language"] == "ru"
    assert english["code"] == answer.json()["code"] == "invalid_phone"


# --- Profiles ---------------------------------------------------------------------------------------------------


def test_another_persons_page_is_masked(as_alice, as_bob, alice, bob):
    Activation.objects.create(invitee=bob, inviter=alice)
    own = as_alice.get(f"/api/users/{alice.id}/")
    assert own.json() == as_alice.get("/api/users/me/").json()
    seen = as_bob.get(f"/api/users/{alice.id}/").json()
    assert set(seen) == set(own.json())
    assert (seen["phone_number"], seen["refs"], seen["refs_next"]) == ("+7 913 ***-**-00", ["+7 913 ***-**-12"], None)
    for unknown in ("00000000-0000-4000-8000-000000000000", "nonsense", "%00", "%ff"):
        assert_refused(as_bob.get(f"/api/users/{unknown}/"), errors.NotFound)


def test_refs_come_a_hundred_a_page_with_urls_that_lead_on(as_alice, alice):
    invitees = [User(phone=f"+7913{number:07}", invite_code=f"{number:06}".translate(LETTERS)) for number in range(101)]
    User.objects.bulk_create(invitees)
    Activation.objects.bulk_create(Activation(invitee=invitee, inviter=alice) for invitee in invitees)

    me = as_alice.get("/api/users/me/").json()
    assert (len(me["refs"]), me["refs_count"], me["refs"][0]) == (100, 101, "+79130000100")
    assert me["refs_next"].startswith("http://testserver/api/users/me/refs/?cursor=")

    rest = as_alice.get(me["refs_next"]).json()
    assert [ref["phone_number"] for ref in rest["results"]] == ["+79130000000"]
    assert rest["next"] is None
    first = as_alice.get(rest["previous"]).json()
    assert [ref["phone_number"] for ref in first["results"]] == me["refs"]
    assert as_alice.get("/api/users/me/refs/").json()["results"] == first["results"]
    assert_refused(
        as_alice.get("/api/users/me/refs/?cursor=%00x"),
        errors.InvalidInput,
        fields={"cursor": ["This is not a cursor of ours."]},
    )


LETTERS = str.maketrans("0123456789", "ABCDEFGHJK")


# --- Sessions ---------------------------------------------------------------------------------------------------


def test_logout_answers_204_and_the_token_is_dead(as_alice):
    answer = as_alice.post("/api/users/logout/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert_refused(as_alice.get("/api/users/me/"), errors.InvalidToken)
    assert Session.objects.get().ended_at


@pytest.mark.parametrize("body", [{"everywhere": True}, {"everywhere": "true"}])
def test_logout_everywhere_ends_every_session(as_alice, alice, browser, body):
    tokens.open_session(alice, browser)
    assert as_alice.post("/api/users/logout/", body, format="json").status_code == 204
    assert not Session.objects.filter(ended_at=None).exists()


def test_logout_with_something_else_than_yes_or_no_ends_nothing(as_alice):
    refused = as_alice.post("/api/users/logout/", {"everywhere": "perhaps"}, format="json")
    assert_refused(refused, errors.InvalidInput, fields=refused.json()["fields"])
    assert list(refused.json()["fields"]) == ["everywhere"]
    assert Session.objects.get().ended_at is None


def test_my_sessions_come_in_slices_newest_first(as_alice, alice, browser):
    for _ in range(100):
        tokens.open_session(alice, browser)
    first = as_alice.get("/api/users/me/sessions/").json()
    second = as_alice.get(first["next"]).json()
    assert (len(first["results"]), first["previous"], second["next"]) == (100, None, None)
    assert as_alice.get(second["previous"]).json()["results"] == first["results"]
    row = Session.objects.order_by("created_at").first()
    [session] = second["results"]
    assert session == {
        "id": str(row.id),
        "browser": "Unknown browser",
        "address": browser.address,
        "signed_in_at": session["signed_in_at"],
        "last_seen_at": session["last_seen_at"],
        "current": True,
    }
    assert datetime.fromisoformat(session["signed_in_at"]) == row.created_at
    assert datetime.fromisoformat(session["last_seen_at"]) == row.seen_at


def test_a_session_of_mine_is_deleted_and_no_other(as_alice, alice, bob, browser):
    there, theirs = tokens.open_session(alice, browser), tokens.open_session(bob, browser)
    answer = as_alice.delete(f"/api/users/me/sessions/{there.id}/")
    assert (answer.status_code, answer.content) == (204, b"")
    for session_id in (there.id, theirs.id, "nonsense"):
        assert_refused(as_alice.delete(f"/api/users/me/sessions/{session_id}/"), errors.NotFound)
    assert list(Session.objects.filter(user=bob, ended_at=None)) == [theirs]


def test_a_dead_refresh_token_is_refused(api):
    assert_refused(api.post("/api/users/token/refresh/", {"refresh_token": "x"}), errors.InvalidToken)


def test_known_and_unknown_numbers_get_the_same_answer(api, alice):
    known, unknown = send(api, ALICE), send(APIClient(), BOB)
    assert known.status_code == unknown.status_code
    assert set(known.json()) == set(unknown.json())
    assert {name: known.json()[name] for name in ("expires_in", "resend_in")} == {
        name: unknown.json()[name] for name in ("expires_in", "resend_in")
    }


# --- Leaving ----------------------------------------------------------------------------------------------------


def test_deleting_the_account_takes_a_fresh_code(api, alice, browser):
    as_alice = signed_in_as(alice, browser)
    assert_refused(as_alice.post("/api/users/me/delete/", {"otp": "0000"}, format="json"), errors.ChallengeRequired)
    sent = send(as_alice).json()
    assert_refused(as_alice.delete("/api/users/me/", {"otp": sent["otp"]}, format="json"), errors.MethodNotAllowed)
    answer = as_alice.post("/api/users/me/delete/", {"otp": sent["otp"]}, format="json")
    assert (answer.status_code, answer.content) == (204, b"")
    assert_refused(as_alice.get("/api/users/me/"), errors.InvalidToken)
    assert User.objects.get().phone is None


def test_an_export_is_ones_own_data(as_alice, alice):
    answer = as_alice.get("/api/users/me/export/")
    assert answer.status_code == 200
    kept = json.loads(answer.getvalue())
    assert set(kept) == {
        "id",
        "phone_number",
        "invite_code",
        "registered_at",
        "seen_at",
        "activated",
        "invite_openings",
        "referrals",
        "sessions",
        "codes",
    }
    assert (kept["phone_number"], kept["activated"]) == (ALICE, None)


def test_the_description_can_be_read_again_and_again(api):
    first, second = (api.get("/api/schema/") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.content == second.content
