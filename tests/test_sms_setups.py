"""The set-ups of docs/sms.md, as they stand there: only the addresses are those of stand-ins."""

import json
import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest
import requests
from apprise.plugins.smsc import NotifySMSC

from project import dotenv, env
from tests.support import live
from tests.support.gateways import Gateway, gateway_stand_in
from tests.support.people import ALICE, BOB, CHARLIE
from tests.support.servers import Zovi, free_port, wait_until
from users import services

DOCUMENT = (env.ROOT / "docs" / "sms.md").read_text()
IN_GERMANY = "+4915112345678"


def section(title: str) -> str:
    return next(part for part in re.split(r"(?m)^## ", DOCUMENT) if part.startswith(title))


def block(title: str, language: str) -> str:
    [found] = re.findall(rf"(?ms)^```{language}\n(.*?)^```", section(title))
    return found


def configuration(title: str, folder) -> dict[str, str]:
    path = folder / ".env"
    path.write_text(block(title, "ini"))
    return dotenv.read(path, env.NAMES)


@contextmanager
def hook(title: str, folder, port: int, api: Gateway, secret: str):
    """The section's program in a process of its own, listening on `port` and calling `api`."""
    program = block(title, "python")
    program, places = re.subn(r"https://\w+\.example\.com", f"http://{api.address}", program)
    program, ports = re.subn(r'\("127\.0\.0\.1", \d+\)', f'("127.0.0.1", {port})', program)
    assert (places, ports) == (1, 1)
    path = folder / "hook.py"
    path.write_text(program)
    log = open(folder / "hook.log", "w")  # noqa: SIM115 -- closed below
    process = subprocess.Popen(
        [sys.executable, str(path)],
        env={"SMS_HOOK_SECRET": secret, "API_KEY": "the-key", "PATH": "/usr/bin:/bin"},
        stdout=log,
        stderr=log,
    )
    try:
        wait_until(lambda: is_open(port), seconds=120)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)
        log.close()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def served(folder, given: dict[str, str], routes: str):
    return live.running(Zovi(folder, DEMO="", **live.SECRETS, **(given | {"SMS_URL": routes})))


def post(zovi, path: str, **body) -> dict:
    return requests.post(f"{zovi.base}/api/users/{path}/", json=body, timeout=120).json()


# --- apprise -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_gateway_of_apprises(settings, tmp_path, browser, monkeypatch):
    given = configuration("A gateway of apprise's", tmp_path)
    settings.DEMO, settings.SMS_URL = False, given["SMS_URL"]
    with gateway_stand_in() as smsc:
        monkeypatch.setattr(NotifySMSC, "notify_url", f"http://{smsc.address}/sys/send.php")
        smsc.body = b'{"id": 1, "cnt": 1}'
        sent = services.request_code(phone=ALICE, client=browser)
        [asked] = smsc.posts
        form = {name: value[0] for name, value in parse_qs(asked.body.decode()).items()}
        code = re.search(r"\b\d{4}\b", form["mes"])[0]
        assert (form["login"], form["psw"], form["phones"]) == ("zovi", "correct-horse", ALICE.removeprefix("+"))
        assert form["mes"] == f"Zovi: {code} is your sign-in code. Tell it to nobody.\n\n@zovi.example #{code}"
    assert services.verify_code(code=code, challenge=sent.challenge, client=browser).user.phone == ALICE


# --- A hook --------------------------------------------------------------------------------------------------------


@pytest.fixture
def api():
    with gateway_stand_in() as server:
        yield server


def test_a_hook_that_forwards_to_any_http_api(tmp_path, api):
    title, port = "A hook", free_port()
    given = configuration(title, tmp_path)
    routes = given["SMS_URL"].replace(":8081", f":{port}")
    with hook(title, tmp_path, port, api, given["SMS_HOOK_SECRET"]), served(tmp_path, given, routes) as zovi:
        sent = post(zovi, "send_otp", phone_number=ALICE)
        assert (sent["channel"], sent["otp"]) == ("sms", None)
        [asked] = api.posts
        assert (asked.path, asked.headers["Authorization"]) == ("/v1/messages", "Bearer the-key")
        code = asked.json()["text"].rpartition("#")[2]
        assert asked.json() == {
            "to": ALICE,
            "text": f"Zovi: {code} is your sign-in code. Tell it to nobody.\n\n@127.0.0.1 #{code}",
        }
        assert post(zovi, "auth", otp=code, challenge=sent["challenge"])["phone_number"] == ALICE
        api.status = 500
        assert post(zovi, "send_otp", phone_number=IN_GERMANY)["code"] == "sms_not_sent"
        forged = requests.post(f"http://127.0.0.1:{port}/", json={"data": {"phone": ALICE}}, timeout=60)
    assert forged.status_code == 401
    assert len(api.posts) == 2


def test_it_is_twenty_lines():
    lines = [line for line in block("A hook", "python").splitlines() if line]
    assert len([line for line in lines if not line.startswith(("import", "from"))]) <= 20


# --- A flash call --------------------------------------------------------------------------------------------------


def test_a_flash_call_and_an_sms_where_it_fails(tmp_path, api):
    title, port = "A flash call", free_port()
    given = configuration(title, tmp_path)
    api.body = json.dumps({"status": "OK", "code": "1435", "cost": 0.4}).encode()
    with gateway_stand_in() as sms:
        stand_in = f"json://{sms.address}/{{phone}}"  # in the place of smsc.ru, which the server would ask for real
        routes = given["SMS_URL"].replace(":8082", f":{port}")
        routes, count = re.subn(r"smsc://\S+", stand_in, routes)
        assert count == 1
        with hook(title, tmp_path, port, api, given["SMS_HOOK_SECRET"]), served(tmp_path, given, routes) as zovi:
            called = post(zovi, "send_otp", phone_number=ALICE)
            assert called["channel"] == "call"
            assert api.other_requests == ["GET /code?phone=%2B79136740000&key=the-key"]
            assert sms.posts == []
            assert post(zovi, "auth", otp="1435", challenge=called["challenge"])["phone_number"] == ALICE

            abroad = post(zovi, "send_otp", phone_number=IN_GERMANY)
            assert (abroad["channel"], len(sms.posts), len(api.other_requests)) == ("sms", 1, 1)

            first, again = (post(zovi, "send_otp", phone_number=BOB)["channel"] for _ in range(2))
            assert (first, again, len(sms.posts), len(api.other_requests)) == ("call", "sms", 2, 2)

            api.body = b'{"status": "ERROR"}'
            refused = post(zovi, "send_otp", phone_number=CHARLIE)
            assert (refused["channel"], len(sms.posts), len(api.other_requests)) == ("sms", 3, 3)
            kept = "SELECT route, channel, cost::float FROM users_challenge ORDER BY created_at"
            by_call, by_sms = ("hook+http", "call", 0.4), ("json", "sms", None)
            assert live.query(zovi, kept) == [by_call, by_sms, by_call, by_sms, by_sms]
