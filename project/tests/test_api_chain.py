"""The one layer of the API: what it lets in, what it refuses, and that nothing else is skipped by it."""

import io
import json
from urllib.parse import urlencode

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import LimitedStream
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from project.api_chain import APIChain
from project.wsgi import application
from tests.support.people import ALICE
from users import services
from users.errors import Forbidden, ParseError, PayloadTooLarge, UnsupportedMediaType
from users.models import Challenge

pytestmark = pytest.mark.django_db
SEND_OTP, GRAPHQL, PAGE = "/api/users/send_otp/", "/graphql/", "/send-code/"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
APP, STRANGER = "https://app.example", "https://evil.example"


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def wsgi(address: str, body: bytes = b"", kind: str = JSON, **environ) -> HttpResponse:
    """The answer to what a server would hand over."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": address,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        **environ,
    }
    return application.get_response(application.request_class(environ))


def code_of(answer: HttpResponse) -> tuple[int, str]:
    body = json.loads(answer.content)
    return answer.status_code, body["errors"][0]["extensions"]["code"] if "errors" in body else body["code"]


# --- Nothing is skipped ---------------------------------------------------------------------------------------------


class Seen:
    """Middleware that leaves a mark."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response["X-Seen"] = "yes"
        return response


class Viewing(Seen):
    def process_view(self, request, view, args, kwargs):
        return None


def start(monkeypatch, settings, middleware: list[str]) -> APIChain:
    monkeypatch.setattr("project.health.Seen", Seen, raising=False)
    monkeypatch.setattr("project.health.Viewing", Viewing, raising=False)
    settings.MIDDLEWARE = middleware
    return APIChain(lambda request: None)


def test_a_middleware_before_the_layer_holds_for_api_and_pages(client, monkeypatch, settings):
    start(monkeypatch, settings, ["project.health.Seen", *settings.MIDDLEWARE])
    for address in ("/api/users/me/", "/graphql/", "/livez", "/"):
        assert client.get(address)["X-Seen"] == "yes"


def test_one_that_only_pages_would_pass_does_not_start(monkeypatch, settings):
    with pytest.raises(ImproperlyConfigured, match=r"project\.health\.Seen"):
        start(monkeypatch, settings, [*settings.MIDDLEWARE, "project.health.Seen"])


def test_one_whose_hooks_the_api_would_not_call_does_not_start(monkeypatch, settings):
    with pytest.raises(ImproperlyConfigured, match=r"project\.health\.Viewing"):
        start(monkeypatch, settings, ["project.health.Viewing", *settings.MIDDLEWARE])


def test_what_is_for_pages_says_so(client, monkeypatch, settings):
    settings.PAGE_MIDDLEWARE = [*settings.PAGE_MIDDLEWARE, "project.health.Viewing"]
    start(monkeypatch, settings, [settings.MIDDLEWARE[0], *settings.PAGE_MIDDLEWARE])
    assert client.get("/")["X-Seen"] == "yes"
    assert "X-Seen" not in client.get("/api/users/me/")


# --- Where the API is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/zovi", "/api"])
@pytest.mark.parametrize("address", ["/api/users/me/", "/api/nothing/", "/graphql/", "/graphql/nothing/"])
def test_under_a_prefix_the_api_still_refuses_in_json(prefix, address):
    answer = wsgi(address, REQUEST_METHOD="GET", SCRIPT_NAME=prefix)
    assert answer.status_code in {401, 404, 405}
    assert answer["Content-Type"] == JSON
    page = wsgi("/nothing/", REQUEST_METHOD="GET", SCRIPT_NAME=prefix)
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_what_leads_on_knows_the_prefix():
    assert wsgi("/api/users/me", REQUEST_METHOD="GET", SCRIPT_NAME="/zovi")["Location"] == "/zovi/api/users/me/"


@pytest.mark.parametrize(
    ("address", "kind"), [(SEND_OTP, JSON), ("/api/users/auth/", JSON), ("/dev/inbox/", "text/html; charset=utf-8")]
)
def test_a_database_that_is_away_is_told_by_every_door(client, monkeypatch, caplog, address, kind):
    def away(**_):
        raise OperationalError(ALICE)

    for name in ("request_code", "verify_code", "inbox"):
        monkeypatch.setattr(services, name, away)
    body = {"phone_number": ALICE, "otp": "0000"}
    answer = client.get(address) if kind != JSON else client.post(address, body, JSON)
    assert (answer.status_code, answer["Retry-After"], answer["Content-Type"]) == (503, "1", kind)
    assert ALICE not in answer.content.decode() + caplog.text


# --- Bodies ---------------------------------------------------------------------------------------------------------


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
PHONE = json.dumps({"phone_number": ALICE}).encode()


@pytest.mark.parametrize("length", [{}, {"CONTENT_LENGTH": ""}])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PHONE, JSON),
        (urlencode({"phone_number": ALICE}).encode(), FORM),
        (encode_multipart(BOUNDARY, {"phone_number": ALICE}), MULTIPART_CONTENT),
    ],
)
def test_a_body_may_come_without_its_length(body, kind, length):
    answer = wsgi(SEND_OTP, body, kind, **(CHUNKED | length if length else {}))
    assert (answer.status_code, json.loads(answer.content)["phone_number"]) == (200, ALICE)


@pytest.mark.parametrize("address", [SEND_OTP, GRAPHQL])
def test_one_of_undeclared_length_has_the_same_limit(settings, address):
    size = settings.MAX_BODY_BYTES
    assert code_of(wsgi(address, b" " * size, CONTENT_LENGTH="", **CHUNKED))[0] == 400
    too_large = code_of(wsgi(address, b" " * (size + 1), CONTENT_LENGTH="", **CHUNKED))
    assert too_large == (413, PayloadTooLarge.code)


def test_one_that_runserver_hides_is_not_taken_for_none():
    hidden = CHUNKED | {"wsgi.input_terminated": False, "wsgi.input": LimitedStream(io.BytesIO(PHONE), 0)}
    assert code_of(wsgi(SEND_OTP, CONTENT_LENGTH="", **hidden)) == (400, ParseError.code)


ODD_CHARSETS = [
    "utf-16",
    "latin-1",
    "windows-1251",
    "zlib",
    "idna",
    "undefined",
    "punycode",
    "unicode_escape",
    "utf-8\0",
    "nonsense",
]


@pytest.mark.parametrize("charset", ODD_CHARSETS)
@pytest.mark.parametrize("kind", [FORM, MULTIPART_CONTENT])
@pytest.mark.parametrize("address", [SEND_OTP, PAGE, GRAPHQL])
def test_a_form_in_another_charset_is_refused(address, kind, charset):
    fields = {"phone_number": ALICE, "phone": ALICE}
    body = urlencode(fields).encode() if kind == FORM else encode_multipart(BOUNDARY, fields)
    assert wsgi(address, body, f"{kind}; charset={charset}", QUERY_STRING="a=%FF").status_code == 415
    assert wsgi(address, body, f"{kind}; charset*=utf-8''{charset}%00").status_code == 415
    assert not Challenge.objects.exists()
    assert wsgi(address, body, f"{kind}; charset*={charset}''utf-8").status_code < 500
    assert wsgi(address, b"", f"text/plain; charset={charset}", QUERY_STRING="a=%FF").status_code < 500


def test_that_refusal_has_its_word():
    assert code_of(wsgi(SEND_OTP, b"", f"{FORM}; charset=zlib")) == (415, UnsupportedMediaType.code)
    odd = wsgi(GRAPHQL, b"", f"{JSON}; charset=zlib", QUERY_STRING="a=%FF")
    assert code_of(odd) == (415, UnsupportedMediaType.code)


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8", "UTF8"])
@pytest.mark.parametrize("kind", [JSON, FORM])
def test_utf_8_may_be_named(kind, charset):
    body = PHONE if kind == JSON else urlencode({"phone_number": ALICE}).encode()
    assert wsgi(SEND_OTP, body, f"{kind}; charset={charset}").status_code == 200


@pytest.mark.parametrize("head", ["name*=bogus''a", "name*=zlib''a%20", "name*=idna''a%ff", "filename*=x''y; name=a"])
@pytest.mark.parametrize("address", [SEND_OTP, PAGE])
def test_odd_names_of_fields_break_nothing(address, head):
    body = f"--x\r\nContent-Disposition: form-data; {head}\r\n\r\nv\r\n--x--\r\n".encode()
    assert wsgi(address, body, "multipart/form-data; boundary=x").status_code in {400, 403}


# --- Cookies and hosts ----------------------------------------------------------------------------------------------

ODD_VALUES = [
    '"aaaa\\000"',
    '"aaaaaaaa\\000bbbb"',
    '"\\377\\376aaaaaaaa"',
    "\xff\xfe\xfdaaaaaaaa",
    '"',
    "=;=",
    "a" * 4000,
]


@pytest.mark.parametrize("value", ODD_VALUES)
@pytest.mark.parametrize("name", ["sessionid", "challenge", "csrftoken", "django_language", "messages", "errand"])
def test_no_cookie_is_our_mistake(name, value):
    cookie = {"HTTP_COOKIE": f"{name}={value}; csrftoken={value}"}
    for address in ("/", "/profile/", "/verify-code/", "/admin/login/", "/i/ABCDEF/", "/api/users/me/"):
        assert wsgi(address, REQUEST_METHOD="GET", **cookie).status_code < 500, address
    code = json.dumps({"otp": "0000"}).encode()
    assert wsgi("/api/users/auth/", code, **cookie).status_code == 400
    mutation = {"query": 'mutation { verifyCode(code: "0000") { token } }'}
    assert wsgi(GRAPHQL, json.dumps(mutation).encode(), **cookie).status_code == 200
    for address in (PAGE, "/verify-code/", "/logout/", "/language/"):
        assert wsgi(address, b"phone=1&code=0000&language=ru", FORM, **cookie).status_code < 500, address


@pytest.mark.parametrize(
    ("host", "line"), [("[::1]", "@[::1]"), ("[::1]:8000", "@[::1]"), ("localhost:8000", "@localhost")]
)
def test_the_message_names_the_host_that_was_asked(client, sms_outbox, settings, host, line):
    settings.ALLOWED_HOSTS = ["localhost", "[::1]"]
    client.post(SEND_OTP, {"phone_number": ALICE}, JSON, headers={"Host": host})
    [(_, text)] = sms_outbox
    assert text.splitlines()[-1].split(" ")[0] == line


# --- Forms of other sites -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FORM, MULTIPART_CONTENT])
@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),  # no browser
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://testserver"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": APP}, True),
        ({"Origin": "https://shop.partner.example"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": STRANGER}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://other.testserver"}, False),
        ({"Origin": "https://testserver"}, False),
        ({"Origin": "http://[broken"}, False),
    ],
)
def test_a_form_comes_from_our_pages_or_an_allowed_one(client, settings, sms_outbox, kind, headers, allowed):
    settings.CORS_ALLOWED_ORIGINS = [APP]
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.partner.example"]
    fields = {"phone_number": ALICE}
    body = urlencode(fields) if kind == FORM else encode_multipart(BOUNDARY, fields)
    answer = client.generic("POST", SEND_OTP, body, kind, headers=headers)
    assert (answer.status_code, len(sms_outbox)) == ((200, 1) if allowed else (403, 0))
    if not allowed:
        assert answer.json() == Forbidden().body()


@pytest.mark.parametrize("headers", [{"Origin": APP}, {"Sec-Fetch-Site": "cross-site"}])
def test_json_goes_on_as_it_does(client, settings, headers):
    settings.CORS_ALLOWED_ORIGINS = [APP]
    assert client.post(SEND_OTP, {"phone_number": ALICE}, JSON, headers=headers).status_code == 200


def test_whoever_may_be_called_from_anywhere_is(client, settings):
    settings.CORS_ALLOW_ALL_ORIGINS = True
    form = urlencode({"phone_number": ALICE})
    assert client.post(SEND_OTP, form, FORM, headers={"Origin": STRANGER}).status_code == 200
