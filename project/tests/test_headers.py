"""Every header of every kind of answer, whichever door gives it."""

import pytest
from django.contrib.sessions.models import Session as BrowserSession
from django.db import OperationalError
from django.test import Client

from project import docs
from project import settings as ours
from schema import graphiql
from tests.support.people import ALICE
from users import brand, services, tokens
from users.errors import TooManyRequests

pytestmark = pytest.mark.django_db
APP = "https://app.example"  # a page of another site that may call the API
STRANGER = "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
BROWSER = {"Accept": "text/html"}
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
ME = '{"query": "{ me { id } }"}'
CODE = '{"query": "mutation { requestCode(phoneNumber: \\"+79136740000\\") { resendIn } }"}'
MARK = brand.File(b"<svg/>", "image/svg+xml")
LARGE = "x" * (ours.MAX_BODY_BYTES + 1)


def fail(**_):
    raise OperationalError("gone")


def break_down(**_):
    raise ValueError("a bug")


def hold_off(**_):
    raise TooManyRequests(retry_after=7)


# What is asked: method, address, and what of it is out of the ordinary.
ASKED = {
    # pages
    "page": ("GET", "/", {}),
    "page, head": ("HEAD", "/", {}),
    "page in Russian": ("GET", "/", {"headers": {"Accept-Language": "ru"}}),
    "page over TLS": ("GET", "/", {"secure": True, "public": True}),
    "page without TLS": ("GET", "/", {"public": True}),
    "page from another site": ("GET", "/", {"headers": {"Origin": APP}}),
    "page with a form": ("GET", "/send-code/", {}),
    "page, redirect": ("GET", "/profile/", {}),
    "page, missing slash": ("GET", "/send-code", {}),
    "page, posted without the slash": ("POST", "/send-code", {}),
    "page, done": ("POST", "/send-code/", {"body": {"phone": ALICE}}),
    "page, form refused": ("POST", "/send-code/", {"body": {"phone": "x"}}),
    "page, other site's form": ("POST", "/send-code/", {"body": {"phone": ALICE}, "csrf": True}),
    "page, wrong method": ("POST", "/", {}),
    "page, not found": ("GET", "/nothing/", {}),
    "page, too large": ("POST", "/send-code/", {"body": LARGE, "type": FORM}),
    "page, wrong host": ("GET", "/", {"headers": {"Host": "evil.example"}}),
    "page, error": ("GET", "/dev/inbox/", {"inbox": break_down}),
    "page, wait": ("GET", "/dev/inbox/", {"inbox": hold_off}),
    "page, no database": ("GET", "/dev/inbox/", {"inbox": fail}),
    "page, no database for sessions": ("GET", "/profile/", {"cookies": {"sessionid": "x" * 32}, "sessions": fail}),
    "admin": ("GET", "/admin/login/", {}),
    "static file": ("GET", "/static/users/zovi.css", {}),
    "static file, head": ("HEAD", "/static/users/zovi.css", {}),
    "static file, unchanged": ("GET", "/static/users/zovi.css", {"again": True}),
    "static file, not found": ("GET", "/static/nothing.css", {}),
    "brand": ("GET", f"/brand/{MARK.version}/logo.svg", {}),
    "brand, unchanged": ("GET", f"/brand/{MARK.version}/logo.svg", {"again": True}),
    "card": ("GET", "/i/{code}/card.png", {}),
    "card, not found": ("GET", "/i/ZZZZZZ/card.png", {}),
    "app links": ("GET", "/.well-known/apple-app-site-association", {}),
    # documentation
    "description": ("GET", "/api/schema/", {}),
    "description, unchanged": ("GET", "/api/schema/", {"again": True}),
    "description, wrong method": ("POST", "/api/schema/", {}),
    "swagger": ("GET", "/api/docs/swagger/", {}),
    "swagger, wrong method": ("POST", "/api/docs/swagger/", {}),
    "redoc": ("GET", "/redoc/", {}),
    "redoc, wrong method": ("POST", "/redoc/", {}),
    # REST
    "rest": ("GET", "/api/users/me/", {"token": True}),
    "rest, head": ("HEAD", "/api/users/me/", {"token": True}),
    "rest in Russian": ("GET", "/api/users/me/", {"token": True, "headers": {"Accept-Language": "ru"}}),
    "rest over TLS": ("GET", "/api/users/me/", {"token": True, "secure": True, "public": True}),
    "rest without TLS": ("GET", "/api/users/me/", {"public": True}),
    "rest from another site": ("GET", "/api/users/me/", {"token": True, "headers": {"Origin": APP}}),
    "rest from a strange site": ("GET", "/api/users/me/", {"token": True, "headers": {"Origin": STRANGER}}),
    "rest, other calls": ("GET", "/api/users/me/refs/", {"token": True}),
    "rest, cookie": ("POST", "/api/users/send_otp/", {"body": '{"phone_number": "+79136740000"}'}),
    "rest, nothing to say": ("POST", "/api/users/logout/", {"token": True}),
    "rest, missing slash": ("GET", "/api/users/me", {}),
    "rest, posted without the slash": ("POST", "/api/users/send_otp", {}),
    "rest, invalid": ("POST", "/api/users/send_otp/", {"body": "{}"}),
    "rest, unreadable": ("POST", "/api/users/send_otp/", {"body": "{"}),
    "rest, no token": ("GET", "/api/users/me/", {}),
    "rest, bad token": ("GET", "/api/users/me/export/", {"headers": {"Authorization": "Bearer x"}}),
    "rest, no such person": ("GET", "/api/users/x/", {"token": True}),
    "rest, no such address": ("GET", "/api/nothing/", {}),
    "rest, wrong method": ("GET", "/api/users/send_otp/", {}),
    "rest, wrong method on me": ("PUT", "/api/users/me/", {"token": True}),
    "rest, options": ("OPTIONS", "/api/users/send_otp/", {}),
    "rest, too large": ("POST", "/api/users/auth/", {"body": LARGE}),
    "rest, too large from another site": ("POST", "/api/users/auth/", {"body": LARGE, "headers": {"Origin": APP}}),
    "rest, wrong type": ("POST", "/api/users/auth/", {"body": "<a/>", "type": "text/xml"}),
    "rest, wait": ("POST", "/api/users/send_otp/", {"body": '{"phone_number": "+79136740000"}', "code": hold_off}),
    "rest, error": ("POST", "/api/users/send_otp/", {"body": '{"phone_number": "+79136740000"}', "code": break_down}),
    "rest, no database": ("POST", "/api/users/send_otp/", {"body": '{"phone_number": "+79136740000"}', "code": fail}),
    "rest, wrong host": ("GET", "/api/users/me/", {"headers": {"Host": "evil.example"}}),
    "rest, preflight": ("OPTIONS", "/api/users/me/", {"headers": {"Origin": APP, **PREFLIGHT}}),
    "rest, preflight of a strange site": (
        "OPTIONS", "/api/users/me/", {"headers": {"Origin": STRANGER, **PREFLIGHT}},
    ),
    # GraphQL
    "graphql": ("POST", "/graphql/", {"token": True, "body": ME}),
    "graphql from another site": ("POST", "/graphql/", {"token": True, "body": ME, "headers": {"Origin": APP}}),
    "graphql, cookie": ("POST", "/graphql/", {"body": CODE}),
    "graphql, no token": ("POST", "/graphql/", {"body": ME}),
    "graphql, unreadable": ("POST", "/graphql/", {"body": "{"}),
    "graphql, wrong method": ("PUT", "/graphql/", {}),
    "graphql, wrong type": ("POST", "/graphql/", {"body": "a=b", "type": FORM}),
    "graphql, too large": ("POST", "/graphql/", {"body": LARGE}),
    "graphql, no such address": ("POST", "/graphql/nothing/", {}),
    "graphql, missing slash": ("GET", "/graphql", {}),
    "graphql, wrong host": ("POST", "/graphql/", {"body": ME, "headers": {"Host": "evil.example"}}),
    "graphql, no database": ("POST", "/graphql/", {"body": CODE, "code": fail}),
    "graphql, preflight": ("OPTIONS", "/graphql/", {"headers": {"Origin": APP, **PREFLIGHT}}),
    "graphiql": ("GET", "/graphql/", {"headers": BROWSER}),
    # health
    "livez": ("GET", "/livez", {}),
    "livez, head": ("HEAD", "/livez", {}),
    "livez, wrong method": ("POST", "/livez", {}),
    "livez, any host": ("GET", "/livez", {"headers": {"Host": "10.0.0.7"}}),
    "livez without TLS": ("GET", "/livez", {"public": True}),
    "readyz": ("GET", "/readyz", {}),
}  # fmt: skip

# What is answered: status, headers. None stands for a header that is not there.
HTML_TYPE = "text/html; charset=utf-8"
NEVER_CACHED = "max-age=0, no-cache, no-store, must-revalidate, private"
CHALLENGE = "httponly=True; path=/; samesite=Lax"
POLICY = (
    "base-uri 'none'; connect-src 'self'; default-src 'none'; font-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SCRIPTS = "manifest-src 'self'; script-src 'self'"
SWAGGER_POLICY = f"{POLICY}; img-src 'self' data:; {SCRIPTS}; style-src 'self'"
REDOC_POLICY = f"{SWAGGER_POLICY} {docs._EMPTY_STYLE.lower()} {docs._SCROLL_BAR.lower()}"
GRAPHIQL_POLICY = (
    "base-uri 'none'; connect-src 'self'; default-src 'none'; font-src data:; form-action 'none'; "
    "frame-ancestors 'none'; img-src 'self' data:; script-src 'self'; "
    f"style-src {graphiql._POLICY['style-src'].lower()}"
)
EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "permissions-policy": ours.PERMISSIONS_POLICY,
    "content-security-policy": f"{POLICY}; img-src 'self'; {SCRIPTS}; style-src 'self'",
    "cache-control": "no-store",
    "content-language": "en",
    "content-length": "n",
}
HTML = EVERYWHERE | {"content-type": HTML_TYPE}
PAGE = HTML | {"vary": "accept-language, cookie"}
FORM_PAGE = PAGE | {"set-cookie csrftoken": "max-age=31449600; path=/; samesite=Lax"}
TO_TLS = HTML | {"content-language": None, "content-length": None}
JSON_ANSWER = EVERYWHERE | {"content-type": "application/json", "vary": "accept-language"}
API = JSON_ANSWER | {"vary": "accept-language, origin"}
READ, WRITE = {"allow": "GET, HEAD, OPTIONS"}, {"allow": "POST, OPTIONS"}  # as DRF puts it on every answer
OPEN = API | {"access-control-allow-origin": APP, "access-control-expose-headers": "Retry-After"}
ALLOWED = OPEN | {
    "access-control-allow-headers": "accept, authorization, baggage, content-type, sentry-trace, traceparent, "
    "tracestate, user-agent, x-csrftoken, x-requested-with",
    "access-control-allow-methods": "DELETE, GET, OPTIONS, PATCH, POST, PUT",
    "access-control-max-age": "86400",
    "content-type": HTML_TYPE,
    "content-length": "0",
    "content-language": None,
    "vary": "origin",
}
FRESH = JSON_ANSWER | {"cache-control": NEVER_CACHED, "expires": "…"}
DESCRIPTION = EVERYWHERE | {
    "content-type": "application/vnd.oai.openapi; charset=utf-8",
    "content-disposition": 'inline; filename="Zovi.yaml"',
    "cache-control": "no-cache",
    "etag": "…",
    "vary": "accept, accept-language, origin",
}
FILE = EVERYWHERE | {
    "cache-control": "max-age=60, public",
    "etag": "…",
    "content-language": None,
}
STYLES = FILE | {"access-control-allow-origin": "*", "content-type": 'text/css; charset="utf-8"', "last-modified": "…"}
MARKED = EVERYWHERE | {
    "cache-control": "public, max-age=31536000, immutable",
    "content-length": None,
    "content-security-policy": "default-src 'none'; sandbox; style-src 'unsafe-inline'",
    "etag": "…",
    "vary": "accept-language",
}
ANSWERED: dict[str, tuple[int, dict]] = {
    "page": (200, FORM_PAGE),
    "page, head": (200, FORM_PAGE),
    "page in Russian": (200, FORM_PAGE | {"content-language": "ru"}),
    "page over TLS": (200, FORM_PAGE | {"strict-transport-security": "max-age=60"}),
    "page without TLS": (301, TO_TLS | {"location": "https://testserver/", "x-frame-options": None}),
    "page from another site": (200, FORM_PAGE),
    "page with a form": (200, FORM_PAGE),
    "page, redirect": (302, PAGE | {"location": "/send-code/?next=/profile/", "content-length": "0"}),
    "page, missing slash": (301, HTML | {"location": "/send-code/", "vary": "accept-language", "content-length": None}),
    "page, posted without the slash": (404, FORM_PAGE),
    "page, done": (302, PAGE | {"location": "/verify-code/", "content-length": "0", "set-cookie challenge": CHALLENGE}),
    "page, form refused": (400, FORM_PAGE),
    "page, other site's form": (403, FORM_PAGE),
    "page, wrong method": (405, PAGE | {"allow": "GET, HEAD, OPTIONS", "content-length": "0"}),
    "page, not found": (404, FORM_PAGE),
    "page, too large": (413, HTML | {"vary": "accept-language"}),
    "page, wrong host": (400, HTML | {"vary": "accept-language", "content-length": None}),
    "page, error": (500, FORM_PAGE),
    "page, wait": (429, FORM_PAGE | {"retry-after": "7"}),
    "page, no database": (503, FORM_PAGE | {"retry-after": "1"}),
    "page, no database for sessions": (503, FORM_PAGE | {"retry-after": "1"}),
    "admin": (
        200,
        FORM_PAGE | {"expires": "…", "cache-control": NEVER_CACHED},
    ),
    "static file": (200, STYLES),
    "static file, head": (200, STYLES),
    "static file, unchanged": (304, FILE | {"content-length": None}),
    "static file, not found": (404, FORM_PAGE),
    "brand": (200, MARKED | {"content-type": "image/svg+xml", "content-length": "n"}),
    "brand, unchanged": (304, MARKED | {"content-length": "0"}),
    "card": (
        200,
        EVERYWHERE
        | {
            "content-type": "image/png",
            "etag": "…",
            "vary": "accept-language",
            "cache-control": "public, max-age=86400",
        },
    ),
    "card, not found": (404, FORM_PAGE),
    "app links": (200, JSON_ANSWER | {"cache-control": "public, max-age=3600"}),
    "description": (200, DESCRIPTION),
    "description, unchanged": (
        304,
        DESCRIPTION | {"content-type": None, "content-disposition": None, "content-length": "0"},
    ),
    "description, wrong method": (405, API | READ),
    "swagger": (
        200,
        HTML
        | {
            "allow": "GET, HEAD, OPTIONS",
            "vary": "accept-language, origin",
            "content-security-policy": SWAGGER_POLICY,
        },
    ),
    "swagger, wrong method": (405, API | READ | {"content-security-policy": SWAGGER_POLICY}),
    "redoc": (
        200,
        HTML
        | {
            "allow": "GET, HEAD, OPTIONS",
            "vary": "accept-language",
            "content-security-policy": REDOC_POLICY,
        },
    ),
    "redoc, wrong method": (405, JSON_ANSWER | READ | {"content-security-policy": REDOC_POLICY}),
    "rest": (200, API),
    "rest, head": (200, API),
    "rest in Russian": (200, API | {"content-language": "ru"}),
    "rest over TLS": (200, API | {"strict-transport-security": "max-age=60"}),
    "rest without TLS": (301, TO_TLS | {"location": "https://testserver/api/users/me/"}),
    "rest from another site": (200, OPEN),
    "rest from a strange site": (200, API),
    "rest, other calls": (200, API | READ),
    "rest, cookie": (200, API | WRITE | {"set-cookie challenge": CHALLENGE}),
    "rest, nothing to say": (204, API | WRITE | {"content-length": "0", "content-type": None}),
    "rest, missing slash": (
        301,
        HTML | {"location": "/api/users/me/", "vary": "accept-language, origin", "content-length": None},
    ),
    "rest, posted without the slash": (404, API),
    "rest, invalid": (400, API | WRITE),
    "rest, unreadable": (400, API | WRITE),
    "rest, no token": (401, API | {"www-authenticate": 'Bearer realm="zovi"'}),
    "rest, bad token": (
        401,
        API | {"www-authenticate": 'Bearer realm="zovi", error="invalid_token"', "allow": "GET, HEAD, OPTIONS"},
    ),
    "rest, no such person": (404, API | READ),
    "rest, no such address": (404, API),
    "rest, wrong method": (405, API | WRITE),
    "rest, wrong method on me": (405, API | READ),
    "rest, options": (405, API | WRITE),
    "rest, too large": (413, API),
    "rest, too large from another site": (413, OPEN),
    "rest, wrong type": (415, API | WRITE),
    "rest, wait": (429, API | WRITE | {"retry-after": "7"}),
    "rest, error": (500, API),
    "rest, no database": (503, API | {"retry-after": "1"}),
    "rest, wrong host": (400, API),
    "rest, preflight": (200, ALLOWED),
    "rest, preflight of a strange site": (
        200,
        HTML | {"content-length": "0", "vary": "origin", "content-language": None},
    ),
    "graphql": (200, API),
    "graphql from another site": (200, OPEN),
    "graphql, cookie": (200, API | {"set-cookie challenge": CHALLENGE}),
    "graphql, no token": (200, API),
    "graphql, unreadable": (400, API),
    "graphql, wrong method": (405, API | {"allow": "GET, POST"}),
    "graphql, wrong type": (415, API),
    "graphql, too large": (413, API),
    "graphql, no such address": (404, API),
    "graphql, missing slash": (
        301,
        HTML | {"location": "/graphql/", "vary": "accept-language", "content-length": None},
    ),
    "graphql, wrong host": (400, API),
    "graphql, no database": (200, API),
    "graphql, preflight": (200, ALLOWED),
    "graphiql": (
        200,
        HTML
        | {
            "content-security-policy": GRAPHIQL_POLICY,
            "vary": "accept-language, origin",
        },
    ),
    "livez": (200, FRESH),
    "livez, head": (200, FRESH),
    "livez, wrong method": (405, FRESH | {"content-type": HTML_TYPE, "allow": "GET, HEAD", "content-length": "0"}),
    "livez, any host": (200, FRESH),
    "livez without TLS": (200, FRESH),
    "readyz": (200, FRESH),
}


@pytest.fixture
def answer(settings, monkeypatch, alice, browser):
    """answer(method, address, …): what comes back, its headers as they are told below."""

    def ask(method, address, *, public=False, again=False, token=False, csrf=False, **how):
        settings.CORS_ALLOWED_ORIGINS = [APP]
        settings.ALLOWED_HOSTS = ["testserver"]
        if public:
            settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 60
        for name, target in {"inbox": services, "code": services, "sessions": BrowserSession.objects}.items():
            if name in how:
                service = {"inbox": "inbox", "code": "request_code", "sessions": "get"}[name]
                monkeypatch.setattr(target, service, how[name])
        settings.BRAND = brand.Brand({"logo.svg": MARK})
        settings.APP_LINKS_IOS = ["ABCDE12345.com.example.app"]
        address = address.format(code=alice.invite_code)
        headers = dict(how.get("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {tokens.issue(tokens.open_session(alice, browser)).access}"
        client = Client(raise_request_exception=False, enforce_csrf_checks=csrf)
        client.cookies.load(how.get("cookies", {}))
        body = how.get("body", "")
        kind = {} if isinstance(body, dict) else {"content_type": how.get("type", JSON)}
        if method not in {"POST", "PUT"}:
            body, kind = None, {}
        if again:
            first = client.get(address)
            first.close()
            headers["If-None-Match"] = first.headers["ETag"]
        send = getattr(client, method.lower())
        return send(address, body, headers=headers, secure=how.get("secure", False), **kind)

    return ask


def told(response) -> dict[str, str]:
    """The headers, without what differs from one time to the next."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    if headers.get("content-length", "0") != "0":
        headers["content-length"] = "n"
    for name in {"last-modified", "expires", "etag"} & set(headers):
        headers[name] = "…"
    for name, separator in {"vary": ",", "content-security-policy": ";"}.items():
        if name in headers:  # in any order
            parts = [part.lower().split() for part in headers[name].split(separator)]
            headers[name] = f"{separator} ".join(sorted(" ".join([word, *sorted(more)]) for word, *more in parts))
    for cookie in response.cookies.values():
        attributes = "; ".join(
            f"{name}={value}" for name, value in sorted(cookie.items()) if value and name != "expires"
        )
        headers[f"set-cookie {cookie.key}"] = attributes
    return headers


@pytest.mark.parametrize("name", ASKED)
def test_every_answer_has_its_headers_and_no_others(answer, name):
    method, address, how = ASKED[name]
    response = answer(method, address, **how)
    response.close()
    status, headers = ANSWERED[name]
    assert response.status_code == status
    assert sorted(told(response).items()) == sorted((key, value) for key, value in headers.items() if value)
