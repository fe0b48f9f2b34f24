"""What every response carries, and what an error looks like on a page."""

import json
import re

import pytest
import yaml
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils.translation import get_language

from project import docs, http
from users.errors import NotFound, TooManyRequests
from users.pages import inbox

pytestmark = pytest.mark.django_db
ADDRESSES = [
    "/",
    "/send-code/",
    "/dev/inbox/",
    "/nothing/",
    "/i/ZZZZZZ/",
    "/admin/login/",
    "/api/docs/swagger/",
    "/api/docs/swagger/?script=",
    "/redoc/",
    "/api/users/me/",
    "/api/nothing/",
    "/livez",
]


@pytest.fixture
def page() -> Client:
    return Client(raise_request_exception=False)


def policy_of(response) -> dict[str, list[str]]:
    parts = [part.split() for part in response.headers["Content-Security-Policy"].split(";")]
    return {name: sources for name, *sources in parts}


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_response_carries_the_headers(page, address):
    carries_the_headers(page.get(address))


def carries_the_headers(response) -> None:
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response.headers["Permissions-Policy"]
    assert "no-store" in response.headers["Cache-Control"]
    policy = policy_of(response)
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert policy["script-src"] == policy["connect-src"] == policy["form-action"] == ["'self'"]
    assert not re.search(r"unsafe|https?:|\*", response.headers["Content-Security-Policy"])


def test_a_head_goes_out_without_the_body_it_tells_the_length_of():
    answer = http.HeadersMiddleware(lambda request: HttpResponse("abc", headers={"Content-Length": "3"}))
    assert answer(RequestFactory().get("/")).content == b"abc"
    head = answer(RequestFactory().head("/"))
    assert (head.content, head.headers["Content-Length"]) == (b"", "3")


def test_the_documentation_pages_alone_may_have_more(page):
    plain = policy_of(page.get("/"))
    assert plain["style-src"] == plain["img-src"] == ["'self'"]
    for address, more in (("/api/docs/swagger/", {"img-src"}), ("/redoc/", {"img-src", "style-src"})):
        policy = policy_of(page.get(address))
        assert {name for name in policy if policy[name] != plain[name]} == more


@pytest.mark.parametrize("address", ["/send-code/", "/api/users/auth/", "/graphql/"])
def test_a_body_that_is_too_large_is_refused_like_everything_else(page, address):
    refused = page.post(address, {"phone": "1" * 70_000}, headers={"Accept-Language": "ru"})
    assert refused.status_code == 413
    words = refused.content.decode()
    assert "Запрос слишком большой." in (words if address == "/send-code/" else str(refused.json()))
    assert refused.headers["Content-Language"] == "ru"
    carries_the_headers(refused)


def test_a_page_of_another_site_may_read_why_its_body_was_refused(page, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    refused = page.post("/api/users/auth/", {"otp": "1" * 70_000}, headers={"Origin": "https://app.example"})
    assert refused.status_code == 413
    assert refused.headers["Access-Control-Allow-Origin"] == "https://app.example"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (SuspiciousOperation, 400, "The request could not be read."),
        (PermissionDenied, 403, "This is not allowed."),
        (NotFound, 404, "There is nothing here."),
        (ValueError("a secret"), 500, "Something went wrong on our side."),
        (OperationalError("a secret"), 503, "We cannot answer right now."),
    ],
)
def test_an_error_is_a_page_of_ours(page, monkeypatch, error, status, words):
    def fails(**_):
        raise error

    monkeypatch.setattr(inbox.services, "inbox", fails)
    response = page.get("/dev/inbox/")
    assert response.status_code == status
    html = response.content.decode()
    assert words in html
    assert "users/zovi.css" in html
    assert html.count("<h1") == 1
    assert "secret" not in html


def test_a_page_that_is_asked_for_too_often_says_how_long_to_wait(page, monkeypatch):
    def fails(**_):
        raise TooManyRequests(retry_after=1801)

    monkeypatch.setattr(inbox.services, "inbox", fails)
    response = page.get("/dev/inbox/")
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "1801"
    assert '<span data-left="1801">31 minutes</span>' in response.content.decode()


def test_the_description_is_made_once_for_each_format_and_language(page, monkeypatch):
    docs._made.cache_clear()
    made = []
    monkeypatch.setattr(docs.SchemaGenerator, "get_schema", lambda self, **_: made.append(get_language()) or {})
    for _ in range(3):
        for language in ("en", "ru"):
            for accept in ("*/*", "application/json"):
                page.get("/api/schema/", headers={"Accept": accept, "Accept-Language": language})
    assert made == ["en", "en", "ru", "ru"]
    docs._made.cache_clear()


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("*/*", "", "application/vnd.oai.openapi"),
        ("text/html,*/*;q=0.8", "", "application/vnd.oai.openapi"),
        ("text/html", "", "application/vnd.oai.openapi"),
        ("application/json", "", "application/vnd.oai.openapi+json"),
        ("application/vnd.oai.openapi+json", "", "application/vnd.oai.openapi+json"),
        ("*/*", "?format=json", "application/vnd.oai.openapi+json"),
    ],
)
def test_the_description_comes_in_json_for_those_who_ask(page, accept, query, kind):
    response = page.get(f"/api/schema/{query}", headers={"Accept": accept})
    assert response.headers["Content-Type"] == f"{kind}; charset=utf-8"
    read = json.loads if "json" in kind else yaml.safe_load
    assert read(response.content)["paths"]["/api/users/me/"]["get"]["operationId"] == "me"


def test_whoever_has_the_description_is_told_that_it_is_still_the_same(page):
    first = page.get("/api/schema/")
    assert first.headers["Cache-Control"] == "no-cache"
    again = page.get("/api/schema/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert page.get("/api/schema/", headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize("version", ["%00", "%0a", "%22", "9"])
def test_nobody_writes_into_a_header_of_the_schema(page, version):
    response = page.get(f"/api/schema/?version={version}")
    assert response.status_code == 200
    assert response.headers["Content-Disposition"] == 'inline; filename="Zovi.yaml"'


@pytest.mark.parametrize("address", ["/api/schema/", "/api/docs/swagger/"])
def test_the_documentation_refuses_in_json_too(page, address):
    refused = page.post(address)
    assert refused.status_code == 405
    assert refused.headers["Content-Type"] == "application/json"
    assert refused.json()["code"] == "method_not_allowed"
