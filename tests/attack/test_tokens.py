"""Tokens: forged, stolen, replayed, and keys that change under them."""

import base64
import threading

import jwt
import pytest
import requests
from django.conf import settings

from tests.contract.conftest import DOORS
from tests.contract.doors import new_browser
from tests.support import live
from tests.support.people import ALICE
from tests.support.servers import Zovi
from users import tokens
from users.models import User
from users.tokens.access import REQUIRED_CLAIMS

WITH_TOKENS = [door for door in DOORS if door.has_tokens]


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def forgeries(access: str) -> dict[str, str]:
    """Each named for what is wrong with it; every claim else is right."""
    key, claims = settings.JWT_SECRET_KEY, jwt.decode(access, options={"verify_signature": False})
    header, payload, signature = access.split(".")

    def signed(key=key, algorithm="HS256", headers=None, **changed) -> str:
        body = {name: value for name, value in (claims | changed).items() if value is not None}
        return jwt.encode(body, key, algorithm=algorithm, headers=headers)

    none, none_too = b64(b'{"alg":"none","typ":"JWT"}'), b64(b'{"alg":"None","typ":"JWT"}')
    found = {
        "alg none": f"{none}.{payload}.",
        "alg None with a signature": f"{none_too}.{payload}.{signature}",
        "alg HS512": signed(algorithm="HS512", key=key * 2),
        "no signature": f"{header}.{payload}.",
        "two parts": f"{header}.{payload}",
        "another key": signed(key="x" * 64),
        "an empty key": f"{header}.{payload}.{b64(b'')}",
        "expired": signed(exp=claims["iat"] - 1),
        "from the future": signed(iat=claims["exp"] + 10**6, nbf=claims["exp"] + 10**6),
        "another typ": signed(typ="refresh"),
        "another iss": signed(iss="somebody"),
        "another aud": signed(aud="somebody"),
        "a list of audiences": signed(aud=["zovi", "somebody"]),
        "somebody else's sub": signed(sub="3b9f4c52-8a55-4f0e-9a3c-0d6f1b7e2c11"),
        "another sid": signed(sid="3b9f4c52-8a55-4f0e-9a3c-0d6f1b7e2c11"),
        "a sid that is no id": signed(sid="' OR 1=1 --"),
        "a sid with a NUL": signed(sid="\x00"),
        "a key by jku": signed(key="x" * 64, headers={"jku": "https://evil.example/jwks.json"}),
        "a key by kid": signed(key="x" * 64, headers={"kid": "../../dev/null"}),
    }
    found |= {f"no {name}": signed(**{name: None}) for name in REQUIRED_CLAIMS}
    for position in range(0, len(access), 7):
        flipped = chr(ord(access[position]) ^ 1)
        changed = access[:position] + flipped + access[position + 1 :]
        if jwt_bytes(changed) != jwt_bytes(access):
            found[f"bit flipped at {position}"] = changed
    return found


def jwt_bytes(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")] if token.count(".") == 2 else []


@pytest.mark.django_db
@pytest.mark.row("T1")
@pytest.mark.parametrize("door", WITH_TOKENS, ids=lambda door: door.name)
def test_no_forged_token_opens_any_door(door, alice, browser, figure):
    access = tokens.issue(tokens.open_session(alice, browser)).access
    caller = door(new_browser())
    accepted = []
    forged = forgeries(access)
    assert len(forged) > 60
    for name, token in forged.items():
        caller.token = token.replace("\x00", "")
        if caller.me().refusal != ("invalid_token", 401):
            accepted.append(name)
    assert accepted == []
    caller.token = access
    assert caller.me()["phone"] == ALICE
    figure(f"{door.name}: 0 of {len(forged)} accepted")


@pytest.mark.django_db
@pytest.mark.row("T2")
def test_a_logout_at_one_door_closes_all(alice, browser):
    for leaving in WITH_TOKENS:
        issued = tokens.issue(tokens.open_session(alice, browser))
        callers = [door(new_browser()) for door in WITH_TOKENS]
        for caller in callers:
            caller.token = issued.access
        gone = leaving(new_browser())
        gone.token = issued.access
        gone.logout()
        assert {caller.me().refusal for caller in callers} == {("invalid_token", 401)}
        assert {caller.refresh(issued.refresh).refusal for caller in callers} == {("invalid_token", 401)}


@pytest.mark.django_db
@pytest.mark.row("T5")
def test_no_token_holds_a_phone_number(alice, browser):
    issued = tokens.issue(tokens.open_session(alice, browser))
    claims = jwt.decode(issued.access, options={"verify_signature": False})
    assert set(claims) == set(REQUIRED_CLAIMS)
    digits = ALICE.removeprefix("+7")
    for raw in [*jwt_bytes(issued.access), base64.urlsafe_b64decode(issued.refresh + "==")]:
        assert digits.encode() not in raw


@pytest.mark.row("T7")
def test_keys_rotate_while_requests_run_and_nobody_is_signed_out(tmp_path, figure):
    """A rolling restart: the old server goes on until the new one, with the new key, has taken over."""
    old_key, new_key = "old" * 20, "new" * 20
    with live.demo(tmp_path, JWT_SECRET_KEY=old_key) as old:
        new = Zovi(tmp_path, JWT_SECRET_KEY=new_key, JWT_SECRET_KEY_FALLBACKS=old_key, **live.NO_LIMITS)
        people = [old.sign_in(f"+7913555{number:04}") for number in range(4)]
        base = [old.base]
        turn = iter(range(10**9))

        def me(session: requests.Session):
            headers = {"Authorization": people[next(turn) % 4].headers["Authorization"]}
            return live.rest("GET", f"{base[0]}/api/users/me/", headers=headers)(session)

        with live.Load(me, 4) as load:
            new.start()
            base[0] = new.base
            mark = len(load.answers)
            done = threading.Event()
            while len(load.answers) < mark + 200:
                done.wait(0.05)
        new.stop()
    assert set(load.statuses()) == {200}
    figure(f"{len(load.answers)} requests across the change of key, 0 × 401")


@pytest.mark.django_db
@pytest.mark.row("T8")
def test_a_staff_phone_that_signs_in_by_sms_does_not_enter_the_admin_site():
    staff = User.objects.create_superuser(phone=ALICE, password="correct horse battery")
    for door in DOORS:
        caller = door(new_browser())
        assert caller.verify_code(caller.request_code(ALICE)["otp"]).code is None
        assert caller.me()["phone"] == ALICE
        headers = {"Authorization": f"Bearer {caller.token}"} if door.has_tokens else {}
        for path in ("/admin/", "/admin/users/user/", f"/admin/users/user/{staff.id}/change/"):
            answer = caller.client.get(path, headers=headers)
            assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/admin/login/"), door.name
    admin = new_browser()
    assert admin.login(phone=ALICE, password="correct horse battery")
    assert admin.get("/admin/").status_code == 200
