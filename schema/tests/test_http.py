"""What is a GraphQL request at all, and what every other one is told."""

import re
from codecs import BOM_UTF8

import orjson
import pytest
from django.conf import settings as django_settings

from tests.support.people import ALICE
from users.models import Challenge, User

ANYTHING = {"query": "{ me { id } }"}
MUTATION = 'mutation { requestCode(phoneNumber: "+79136740000") { otp } }'


def refusal(response) -> tuple[int, str]:
    """Every error of this door has one shape."""
    assert response.headers["Content-Type"] == "application/json"
    [error] = response.json()["errors"]
    assert set(error) <= {"message", "extensions", "locations", "path"}
    assert error["extensions"]["status"] == response.status_code
    assert error["message"]
    return response.status_code, error["extensions"]["code"]


@pytest.mark.parametrize("method", ["put", "patch", "delete", "head", "options", "trace"])
def test_operations_come_by_post_and_get_alone(graphql, method):
    response = getattr(graphql.client, method)("/graphql/", query_params={"query": "{ me { id } }"})
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, POST"
    if method != "head":
        assert refusal(response) == (405, "method_not_allowed")


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_a_get_that_asks_for_nothing_gets_nothing(graphql, accept):
    assert refusal(graphql.client.get("/graphql/", headers={"Accept": accept})) == (405, "method_not_allowed")


# --- A query in the address (GraphQL over HTTP, 6.2.2) --------------------------------------------------------------


def get(graphql, **asked):
    return graphql.client.get("/graphql/", asked, headers=graphql.headers)


@pytest.mark.django_db
def test_a_query_may_come_in_the_address(as_user, alice):
    document = "query A($id: ID!) { user(id: $id) { phoneNumber } } query B { me { phoneNumber inviteCode } }"
    as_alice = as_user(alice)
    found = get(as_alice, query=document, operationName="A", variables=f'{{"id": "{alice.id}"}}', extensions="{}")
    assert (found.status_code, found.json()) == (200, {"data": {"user": {"phoneNumber": ALICE}}})
    found = get(as_alice, query="{ me { phoneNumber } }", operationName="", variables="")
    assert (found.status_code, found.json()) == (200, {"data": {"me": {"phoneNumber": ALICE}}})
    assert found.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", "Named"])
def test_a_mutation_in_the_address_does_nothing(graphql, sms_outbox, name):
    response = get(graphql, query=MUTATION.replace("{", f"{name} {{", 1), operationName=name)
    assert refusal(response) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "POST"
    assert (sms_outbox, Challenge.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"query": ""}, (400, "invalid_input")),
        ({"query": "{ me { id } }", "variables": "{"}, (400, "parse_error")),
        ({"query": "{ me { id } }", "variables": "[]"}, (400, "invalid_input")),
        ({"query": "{"}, (400, "graphql_parse_failed")),
        ({"query": "{ nothing }"}, (400, "graphql_validation_failed")),
        ({"query": "{ me { id } }", "operationName": "Other"}, (400, "graphql_validation_failed")),
    ],
)
def test_what_is_wrong_with_a_query_in_the_address_is_told_as_by_post(graphql, asked, told):
    response = get(graphql, **asked)
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == told


# --- The media type of GraphQL (GraphQL over HTTP, 6.4) -------------------------------------------------------------

OF_GRAPHQL = "application/graphql-response+json"
APOLLO_4 = f"{OF_GRAPHQL},application/json;q=0.9"
URQL_6 = f"{OF_GRAPHQL}, application/graphql+json, application/json, text/event-stream, multipart/mixed"


@pytest.mark.django_db
@pytest.mark.parametrize("accept", [OF_GRAPHQL, APOLLO_4, URQL_6])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ANYTHING, 200),
        ({"query": "{ me { id } nothing: user(id: 1) { id } }"}, 200),
        ({"query": "{"}, 400),
        ({"query": "{ nothing }"}, 400),
        ({"query": "query Q($id: ID!) { user(id: $id) { id } }"}, 400),
        ({"query": 1}, 400),
        ([], 400),
        ({"query": " " * 70_000}, 413),
    ],
)
def test_whoever_names_its_media_type_gets_it(graphql, accept, body, status):
    response = graphql.post(body, Accept=accept)
    assert (response.status_code, response.headers["Content-Type"]) == (status, OF_GRAPHQL)
    assert ("data" in response.json()) == (status == 200)  # a partial answer is an answer


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["*/*", "application/json", f"application/json, {OF_GRAPHQL};q=0", ""])
def test_everybody_else_gets_json(graphql, accept):
    assert graphql.post(ANYTHING, Accept=accept).headers["Content-Type"] == "application/json"


def test_there_is_no_page_outside_a_demo(graphql, settings):
    settings.DEMO = False
    assert refusal(graphql.client.get("/graphql/", headers={"Accept": "text/html"})) == (405, "method_not_allowed")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql", ""],
)
def test_what_another_sites_form_could_send_is_refused(graphql, sms_outbox, content_type):
    response = graphql.post(orjson.dumps({"query": MUTATION}), content_type)
    assert refusal(response) == (415, "unsupported_media_type")
    assert sms_outbox == []


@pytest.mark.django_db
def test_json_may_name_its_charset_and_needs_no_csrf_token(graphql):
    response = graphql.post(orjson.dumps({"query": MUTATION}), "application/json; charset=utf-8")
    assert response.status_code == 200


@pytest.mark.django_db
def test_a_byte_order_mark_before_json_is_overlooked(graphql):
    assert graphql.post(BOM_UTF8 + orjson.dumps({"query": MUTATION})).status_code == 200


@pytest.mark.django_db
def test_an_empty_operation_name_is_none(as_user, alice):
    as_alice = as_user(alice)
    document = "query A { me { inviteCode } } mutation B { logout { ok } }"
    assert as_alice.post({"query": "{ me { inviteCode } }", "operationName": ""}).json() == {
        "data": {"me": {"inviteCode": alice.invite_code}}
    }
    assert refusal(as_alice.post({"query": document, "operationName": ""})) == (400, "graphql_validation_failed")


@pytest.mark.django_db
@pytest.mark.parametrize("length", [1, 2, 100])
def test_a_batch_is_refused_and_nothing_of_it_is_done(graphql, sms_outbox, length):
    assert refusal(graphql.post([{"query": MUTATION}] * length)) == (400, "parse_error")
    assert sms_outbox == []


@pytest.mark.parametrize("body", [b" ", b"{", b"\xff", b"null", b"1", b'"{ me { id } }"', b'{"query": "\\ud800"}'])
def test_what_is_not_a_json_object_is_a_parse_error(graphql, body):
    assert refusal(graphql.post(body)) == (400, "parse_error")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": None}, "query"),
        ({"query": 1}, "query"),
        (ANYTHING | {"variables": []}, "variables"),
        (ANYTHING | {"variables": "{}"}, "variables"),
        (ANYTHING | {"operationName": 1}, "operationName"),
    ],
)
def test_members_of_a_wrong_type_are_named(graphql, body, field):
    response = graphql.post(body)
    assert refusal(response) == (400, "invalid_input")
    assert list(response.json()["errors"][0]["extensions"]["fields"]) == [field]


def test_a_large_body_is_refused_in_the_same_shape(graphql):
    body = orjson.dumps({"query": "{ me { id } }" + " " * django_settings.MAX_BODY_BYTES})
    assert refusal(graphql.post(body)) == (413, "payload_too_large")


def test_an_address_below_the_door_is_not_found_in_the_same_shape(graphql):
    assert refusal(graphql.client.post("/graphql/nothing/")) == (404, "not_found")


def test_a_wrong_host_is_refused_in_the_same_shape(graphql):
    assert refusal(graphql.post(ANYTHING, Host="evil.example")) == (400, "parse_error")


def test_our_own_mistakes_are_told_in_the_same_shape_and_without_their_text(graphql, monkeypatch):
    monkeypatch.setattr("schema.views.Context", lambda request: 1 / 0)
    response = graphql.post(ANYTHING)
    assert refusal(response) == (500, "server_error")
    assert "division" not in response.content.decode()


@pytest.mark.django_db
def test_answers_are_not_kept_by_anybody(as_user, alice):
    assert as_user(alice).post(ANYTHING).headers["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_the_challenge_cookie_is_kept_from_scripts(graphql):
    challenge = graphql.data('mutation { requestCode(phoneNumber: "89136740000") { challenge } }')["requestCode"]
    cookie = graphql.client.cookies["challenge"]
    assert cookie.value == challenge["challenge"] == str(Challenge.objects.get().id)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")


@pytest.mark.django_db
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "JWT", "Token"])
def test_three_words_may_stand_before_a_token(as_user, alice, scheme):
    caller = as_user(alice)
    caller.headers = {"Authorization": caller.headers["Authorization"].replace("Bearer", scheme)}
    assert caller.data("{ me { phoneNumber } }") == {"me": {"phoneNumber": ALICE}}


@pytest.mark.django_db
def test_a_session_cookie_gives_no_identity(graphql, alice):
    graphql.client.force_login(alice)
    assert graphql.error("{ me { id } }") == {"code": "not_authenticated", "status": 401}


@pytest.mark.django_db
def test_a_jwt_cookie_gives_no_identity(graphql, as_user, alice):
    graphql.client.cookies["JWT"] = as_user(alice).headers["Authorization"].split()[1]
    assert graphql.error("{ me { id } }") == {"code": "not_authenticated", "status": 401}


@pytest.mark.django_db
def test_texts_follow_accept_language_and_codes_do_not(graphql, settings):
    from django.utils.translation import gettext, override

    with override("ru"):
        in_russian = gettext("Sign in first.")
    response = graphql.post(ANYTHING, **{"Accept-Language": "ru"})
    [error] = response.json()["errors"]
    assert (error["message"], error["extensions"]["code"]) == (in_russian, "not_authenticated")
    assert response.headers["Content-Language"] == "ru"


@pytest.mark.django_db
def test_many_users_at_once_are_not_one_users_business(as_user, alice, bob):
    assert as_user(alice).data("{ me { phoneNumber } }") != as_user(bob).data("{ me { phoneNumber } }")
    assert User.objects.count() == 2


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_browser_in_a_demo_sees_graphiql(graphql):
    response = graphql.client.get("/graphql/", headers=BROWSER)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    html = response.content.decode()
    assert "/static/schema/graphiql.js" in html
    assert "<script>" not in html
    assert "style=" not in html


def test_where_npm_is_missing_the_page_says_so_and_asks_nobody_else(graphql, monkeypatch):
    monkeypatch.setattr("schema.graphiql._FILES", "schema/absent")
    response = graphql.client.get("/graphql/", headers=BROWSER)
    html = response.content.decode()
    assert "<h1>GraphiQL is not here yet</h1>" in html
    assert "make graphiql" in html
    assert re.findall(r'(?:src|href)="(?!/)', html) == []
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src")


def test_the_page_may_run_our_scripts_only(graphql, monkeypatch):
    monkeypatch.setattr("schema.graphiql.finders.find", lambda path: path)
    policy = graphql.client.get("/graphql/", headers=BROWSER).headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert "unsafe" not in " ".join(policy)
