"""What a browser is told, what it must not be talked into, and bodies of every wrong kind."""

import http.client
import json
import os
import subprocess
import sys
from contextlib import suppress

import pytest
import requests

from project import env
from tests.support import live
from tests.support.gateways import gateway_stand_in
from tests.support.people import ALICE
from tests.support.servers import Zovi

PUBLIC = {"ALLOWED_HOSTS": "zovi.example", "TRUSTED_PROXY_COUNT": "1", **live.SECRETS}
BEHIND_TLS = {"Host": "zovi.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "198.18.0.1"}
PATHS = [
    "/",
    "/send-code/",
    "/verify-code/",
    "/profile/",
    "/i/AAAAAA/",
    "/logout/",
    "/dev/inbox/",
    "/nothing/",
    "/favicon.ico",
    "/api/users/me/",
    "/api/users/me/export/",
    "/api/users/nothing/",
    "/api/nothing/",
    "/api/schema/",
    "/api/docs/swagger/",
    "/redoc/",
    "/graphql/",
    "/admin/",
    "/admin/login/",
    "/livez",
    "/readyz",
]
SCRIPT = "<script>alert(1)</script>"


class Public(Zovi):
    def is_ready(self) -> bool:
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        with suppress(requests.ConnectionError):
            return requests.get(f"{self.base}/readyz", headers=BEHIND_TLS, timeout=2).status_code == 200
        return False


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """The production configuration as it would face the world, behind a proxy that ends TLS."""
    with gateway_stand_in() as gateway:
        sms_url = f"json://127.0.0.1:{gateway.server_port}/sms/{{phone}}"
        zovi = Public(tmp_path_factory.mktemp("public"), DEMO="", SMS_URL=sms_url, **PUBLIC)
        with live.running(zovi):
            zovi.gateway = gateway
            yield zovi


def get(zovi, path, **kwargs):
    headers = BEHIND_TLS | kwargs.pop("headers", {})
    return requests.request(
        kwargs.pop("method", "GET"), zovi.base + path, headers=headers, allow_redirects=False, timeout=120, **kwargs
    )


@pytest.mark.row("H1")
def test_the_production_configuration_passes_djangos_own_check(figure):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DEMO", "OTP_", "PLAIN"))}
    configuration = {"SMS_URL": "json://localhost/{phone}", "DATABASE_URL": "postgres://localhost/zovi", **PUBLIC}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"],
        env=inherited | {"DEMO": ""} | configuration,
        cwd=env.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr
    figure("0 issues")


def policy(response) -> dict[str, list[str]]:
    directives = response.headers["Content-Security-Policy"].split(";")
    return {words[0]: words[1:] for words in (directive.split() for directive in directives) if words}


@pytest.mark.row("H2")
def test_every_answer_carries_every_header(public, figure):
    missing = []
    for path in PATHS:
        for method in ("GET", "POST"):
            answer = get(public, path, method=method)
            told = answer.headers
            csp = policy(answer) if "Content-Security-Policy" in told else {}
            sources = [source for name in csp for source in csp[name]]
            right = {
                "HSTS": "max-age=31536000" in told.get("Strict-Transport-Security", ""),
                "nosniff": told.get("X-Content-Type-Options") == "nosniff",
                "Referrer-Policy": told.get("Referrer-Policy") in {"same-origin", "no-referrer", "strict-origin"},
                "COOP": told.get("Cross-Origin-Opener-Policy") == "same-origin",
                "frames": csp.get("frame-ancestors") == ["'none'"] and told.get("X-Frame-Options") == "DENY",
                "CSP": csp.get("default-src") == ["'none'"] and "script-src" in csp,
                "no inline script": not any("unsafe" in source for source in csp.get("script-src", ["unsafe"])),
                "no unsafe style": not any("unsafe" in source for source in csp.get("style-src", ["unsafe"])),
                "no third party": not any("//" in source or "." in source for source in sources),
                "no-store": "no-store" in told.get("Cache-Control", "") or path in {"/favicon.ico", "/api/schema/"},
                "no version": "/" not in told.get("Server", ""),
            }
            missing += [(path, method, name) for name, is_right in right.items() if not is_right]
    assert missing == []
    figure(f"{2 * len(PATHS)} answers, 11 points each: 0 missing")


@pytest.mark.row("H3")
def test_every_cookie_is_http_only_same_site_and_secure(public):
    session = requests.Session()
    cookies = []
    session.hooks["response"].append(lambda answer, *_, **__: cookies.extend(answer.raw.headers.getlist("Set-Cookie")))
    for path in ("/send-code/", "/i/AAAAAA/", "/admin/login/"):
        session.get(public.base + path, headers=BEHIND_TLS, timeout=120)
    body = {"phone_number": ALICE}
    session.post(f"{public.base}/api/users/send_otp/", json=body, headers=BEHIND_TLS, timeout=120)
    assert {cookie.partition("=")[0] for cookie in cookies} >= {"challenge", "csrftoken"}
    for cookie in cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert "secure" in attributes, cookie
        assert attributes & {"samesite=lax", "samesite=strict"}, cookie
        if not cookie.startswith(("csrftoken=", "django_language=")):
            assert "httponly" in attributes, cookie


@pytest.mark.row("H4")
@pytest.mark.parametrize("path", ["/api/users/send_otp/", "/graphql/"])
def test_a_foreign_origin_may_read_nothing(public, path):
    foreign = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "POST"):
        answer = get(public, path, method=method, headers=foreign, json={})
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.row("H4")
@pytest.mark.parametrize("host", ["evil.example", "zovi.example.evil.example", "zovi.example@evil.example", "a b", ""])
def test_a_foreign_host_is_refused_and_never_echoed(public, host):
    for path in ("/", "/api/users/me/", "/graphql/", "/admin/login/"):
        answer = get(public, path, headers={"Host": host, "X-Forwarded-Host": "evil.example"})
        assert answer.status_code == 400, path
        assert "evil" not in answer.text + str(answer.headers)


@pytest.mark.row("H4")
@pytest.mark.parametrize(
    "path", ["/send-code/", "/verify-code/", "/resend-code/", "/profile/", "/logout/", "/i/AAAAAA/"]
)
def test_a_form_from_elsewhere_is_refused(public, path):
    before = len(public.gateway.received)
    form = {"phone": ALICE, "phone_number": ALICE, "code": "0000", "choice": "accept"}
    for headers in ({"Origin": "https://evil.example"}, {"Referer": "https://evil.example/"}, {}):
        answer = get(public, path, method="POST", data=form, headers=headers)
        assert answer.status_code == 403, headers
    assert len(public.gateway.received) == before


def raw(zovi, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """As written: no client in between that would put anything right."""
    connection = http.client.HTTPConnection("127.0.0.1", int(zovi.base.rpartition(":")[2]), timeout=120)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in (BEHIND_TLS | headers).items():
            connection.putheader(name, value)
        connection.endheaders()
        with suppress(BrokenPipeError, ConnectionResetError):  # it was refused unread
            connection.send(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.row("H5")
@pytest.mark.parametrize(
    "path", ["/api/users/send_otp/", "/api/users/auth/", "/graphql/", "/send-code/", "/admin/login/"]
)
def test_a_body_over_64_kib_is_refused_unread(public, path):
    headers = {"Content-Type": "application/json", "Content-Length": str(10**9)}
    assert raw(public, "POST", path, b"", headers)[0] == 413  # nothing of it had to be sent
    headers["Content-Length"] = str(64 * 1024 + 1)
    assert raw(public, "POST", path, b" " * (64 * 1024 + 1), headers)[0] == 413
    chunked = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    assert raw(public, "POST", path, b"0\r\n\r\n", chunked)[0] < 500


BODIES: list[object] = [
    b"",
    b"{",
    b"\x00" * 100,
    b"\xff\xfe{}",
    b'{"phone_number": "\\ud800"}',
    b'{"phone_number": "\\u0000+79136740000"}',
    b"[" * 30_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"phone_number": 1e999}',
    b'{"otp": NaN}',
    b'{"phone_number": "+79136740000", "phone_number": {}}',
    b"%00=%00&%ff=%fe",
    b"a=" + b"&a=" * 5_000,
    *[
        {"phone_number": value, "otp": value, "refresh_token": value, "activated_invite_code": value, "query": value}
        for value in (
            None,
            0,
            -1,
            1.5,
            True,
            [],
            {},
            "",
            " ",
            "٠١٢٣",
            "\x00",
            "\ud800".encode("utf-16", "surrogatepass").decode("latin-1"),
            "+" + "9" * 60_000,
            "' OR 1=1 --",
            "${jndi:ldap://evil}",
            "{{7*7}}",
            "../../etc/passwd",
            SCRIPT,
            "+7 913 674 00 00\r\nX-Injected: 1",
        )
    ],
    {"phone_number": ALICE, "challenge": "\x00"},
    {"otp": "0000", "challenge": "' OR 1=1 --"},
    {"otp": "0000", "challenge": {"$ne": None}},
    {"query": "{ me { id } }", "variables": [1], "operationName": {}},
    {"query": "query($i: ID!) { user(id: $i) { id } }", "variables": {"i": "\x00"}},
    {"query": 'mutation { verifyCode(code: "\\u0000", challenge: "\\ud800") { token } }'},
]
CALLS = [
    "send_otp/",
    "auth/",
    "token/refresh/",
    "referal/",
    "logout/",
    "me/",
    "me/refs/?cursor=%00",
    "%00/",
    "%F0%9F%92%A9/",
]


@pytest.mark.row("H6")
@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_nothing_malformed_is_a_500_or_anything_but_json(tmp_path_factory, kind, demo_server, figure):
    zovi, token = demo_server
    answered = 0
    for path in [*(f"/api/users/{call}" for call in CALLS), "/graphql/"]:
        for body in BODIES:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers = {"Content-Type": kind, "Authorization": token, "Cookie": "challenge=%00; sessionid=%00"}
            answer = requests.post(zovi.base + path, data=data, headers=headers, timeout=120)
            assert answer.status_code < 500, (path, body)
            assert answer.status_code == 204 or answer.headers["Content-Type"] == "application/json", (path, body)
            assert "X-Injected" not in answer.headers
            answered += 1
    figure(f"{answered} malformed bodies as {kind.partition(';')[0]}: 0 × 5xx")


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory):
    with live.demo(tmp_path_factory.mktemp("malformed")) as zovi:
        yield zovi, zovi.sign_in().headers["Authorization"]


PAYLOADS = [
    SCRIPT,
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "</title><script>alert(1)</script>",
    "{{ 7|add:7 }}{% debug %}",
]


@pytest.mark.row("H7")
@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_planted_script_comes_back_as_text(demo_server, payload):
    zovi, _ = demo_server
    browser = requests.Session()
    browser.headers["User-Agent"] = payload  # kept with the session, and shown to its owner
    browser.headers["Accept-Language"] = payload
    pages = [browser.get(f"{zovi.base}/send-code/", params={"next": payload, "phone": payload}, timeout=120)]
    token = {"csrfmiddlewaretoken": browser.cookies.get("csrftoken", "")}
    for path in ("/send-code/", "/verify-code/", "/profile/", "/admin/login/", "/language/"):
        form = dict.fromkeys(("phone", "phone_number", "code", "invite_code", "username", "language", "next"), payload)
        pages.append(browser.post(zovi.base + path, data=form | token, timeout=120, allow_redirects=False))
    pages.append(browser.get(f"{zovi.base}/i/{requests.utils.quote(payload, safe='')}/", timeout=120))
    pages.append(browser.get(f"{zovi.base}/{requests.utils.quote(payload, safe='')}/", timeout=120))
    browser.post(f"{zovi.base}/send-code/", data={"phone": ALICE, "phone_number": ALICE} | token, timeout=120)
    pages.append(browser.get(f"{zovi.base}/verify-code/", timeout=120))
    code = {"code": live.code_on(pages[-1].text)}
    pages.append(browser.post(f"{zovi.base}/verify-code/", data=code | token, timeout=120))
    assert pages[-1].url.endswith("/profile/")
    for page in pages:
        assert page.status_code < 500
        if "html" in page.headers.get("Content-Type", ""):
            planted = [tag for tag in ("<script>alert", "<img src=x", 'href="javascript:') if tag in page.text]
            assert planted == [], page.url


@pytest.mark.row("H7")
@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "\thttps://evil.example",
    ],
)
def test_next_leads_to_nobody_else(demo_server, wanted):
    zovi, _ = demo_server
    browser = requests.Session()
    browser.get(f"{zovi.base}/send-code/", params={"next": wanted}, timeout=120)
    token = {"csrfmiddlewaretoken": browser.cookies.get("csrftoken", "")}
    locations = []
    browser.hooks["response"].append(lambda answer, *_, **__: locations.append(answer.headers.get("Location", "")))
    browser.post(f"{zovi.base}/send-code/", data={"phone": ALICE, "phone_number": ALICE} | token, timeout=120)
    code = {"code": live.code_on(browser.get(f"{zovi.base}/verify-code/", timeout=120).text)}
    assert browser.post(f"{zovi.base}/verify-code/", data=code | token, timeout=120).url.endswith("/profile/")
    token = {"csrfmiddlewaretoken": browser.cookies.get("csrftoken", "")}
    language = {"language": "ru", "next": wanted} | token
    browser.post(f"{zovi.base}/language/", data=language, timeout=120)
    browser.get(f"{zovi.base}/admin/login/", params={"next": wanted}, timeout=120)
    assert not any("evil" in location or location.startswith("javascript") for location in locations), locations
