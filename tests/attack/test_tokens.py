"""Tokens: forged, stolen, replayed, and keys that change under them."""

import base64
import hmac
import json
import queue
from contextlib import ExitStack

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from tests.contract.conftest import DOORS
from tests.contract.doors import new_browser
from tests.support import live
from tests.support.people import ALICE
from tests.support.servers import Zovi, wait_until
from tests.support.verifiers import Node, Python
from users import tokens
from users.models import User
from users.tokens import keys
from users.tokens.access import REQUIRED_CLAIMS

WITH_TOKENS = [door for door in DOORS if door.has_tokens]


def forgeries(access: str) -> dict[str, str]:
    """Each named for what is wrong with it; every claim else is right."""
    ours, foreign = keys.signing(), keys.derive("x" * 64)
    claims = jwt.decode(access, options={"verify_signature": False})
    header, payload, signature = access.split(".")

    def signed(pair=ours, headers=None, **changed) -> str:
        body = {name: value for name, value in (claims | changed).items() if value is not None}
        return jwt.encode(body, pair.private, "ES256", headers={"kid": ours.kid} | (headers or {}))

    def hs256(key: bytes) -> str:
        """By hand: PyJWT does not sign with what is obviously somebody's public key."""
        text = f"{b64(json.dumps({'alg': 'HS256', 'typ': 'JWT', 'kid': ours.kid}).encode())}.{payload}"
        return f"{text}.{b64(hmac.digest(key, text.encode(), 'sha256'))}"

    public, none = ours.private.public_key(), {"alg": "none", "typ": "JWT", "kid": ours.kid}
    found = {
        "alg none": f"{b64(json.dumps(none).encode())}.{payload}.",
        "alg None with a signature": f"{b64(json.dumps(none | {'alg': 'None'}).encode())}.{payload}.{signature}",
        "alg HS256 with the public key": hs256(
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        ),
        "alg HS256 with the public point": hs256(
            public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        ),
        "alg HS256 with the published key": hs256(json.dumps(ours.jwk).encode()),
        "alg HS256 with the secret": hs256(settings.JWT_SECRET_KEY.encode()),
        "alg ES384": jwt.encode(claims, ec.generate_private_key(ec.SECP384R1()), "ES384", {"kid": ours.kid}),
        "no signature": f"{header}.{payload}.",
        "a signature of zeros": f"{header}.{payload}.{b64(bytes(64))}",
        "two parts": f"{header}.{payload}",
        "another key": signed(foreign),
        "another key under its own kid": signed(foreign, {"kid": foreign.kid}),
        "our key under an unknown kid": signed(headers={"kid": "unknown"}),
        "our key without a kid": jwt.encode(claims, ours.private, "ES256"),
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
        "a key by jku": signed(foreign, {"jku": "https://evil.example/jwks.json"}),
        "a key by jwk": signed(foreign, {"jwk": foreign.jwk}),
        "a key by path": signed(foreign, {"kid": "../../dev/null"}),
    }
    found |= {f"no {name}": signed(**{name: None}) for name in REQUIRED_CLAIMS}
    for position in range(0, len(access), 7):
        flipped = chr(ord(access[position]) ^ 1)
        changed = access[:position] + flipped + access[position + 1 :]
        if jwt_bytes(changed) != jwt_bytes(access):
            found[f"bit flipped at {position}"] = changed
    return found


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwt_bytes(token: str) -> list[bytes]:
    """The three parts; none of what cannot be read."""
    try:
        return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]
    except ValueError:
        return []


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


class Caller:
    """Calls whichever instance comes next, and has its tokens replaced with every third call."""

    def __init__(self, instances: list[Zovi], number: int):
        self.instances, self.calls, self.issued = instances, 0, []
        session = requests.Session()
        sent = self._post(session, "send_otp", phone_number=f"+7913555{number:04}")
        self._keep(self._post(session, "auth", otp=sent.json()["otp"]))

    def call(self, session: requests.Session) -> tuple[int, None]:
        self.calls += 1
        if self.calls % 3:
            headers = {"Authorization": f"Bearer {self.issued[-1]}"}
            return session.get(f"{self._base()}/api/users/me/", headers=headers, timeout=120).status_code, None
        answer = self._post(session, "token/refresh", refresh_token=self.refresh_token)
        if answer.ok:
            self._keep(answer)
        return answer.status_code, None

    def _base(self) -> str:
        return self.instances[self.calls % 2].base

    def _post(self, session: requests.Session, call: str, **body: str) -> requests.Response:
        return session.post(f"{self._base()}/api/users/{call}/", json=body, timeout=120)

    def _keep(self, answer: requests.Response) -> None:
        self.issued.append(answer.json()["token"])
        self.refresh_token = answer.json()["refresh_token"]


def rounds(callers: list[Caller], count: int) -> None:
    """Wait until each has been answered so often."""
    before = [caller.calls for caller in callers]
    wait_until(lambda: all(now.calls > then + count for now, then in zip(callers, before, strict=True)), 300)


@pytest.mark.row("T7")
def test_keys_rotate_under_load_and_no_verifier_refuses_anything(tmp_path, figure):
    """Two instances, each replaced three times. Elsewhere, the public keys are fetched while the new one does not sign
    yet, and never again."""
    old, new = "old" * 20, "new" * 20
    start, *steps = [
        {"JWT_SECRET_KEY": old},
        {"JWT_SECRET_KEY": old, "JWT_SECRET_KEY_FALLBACKS": new},
        {"JWT_SECRET_KEY": new, "JWT_SECRET_KEY_FALLBACKS": old},
        {"JWT_SECRET_KEY": new},
    ]
    outside: list[Python | Node] = []
    with ExitStack() as running:

        def instance(configuration: dict[str, str]) -> Zovi:
            return running.enter_context(live.demo(tmp_path, WEB_CONCURRENCY="1", **configuration))

        instances = [instance(start), instance(start)]
        callers = [Caller(instances, number) for number in range(4)]
        free: queue.SimpleQueue[Caller] = queue.SimpleQueue()
        for caller in callers:
            free.put(caller)

        def next_one_calls(session: requests.Session) -> tuple[int, None]:
            caller = free.get()
            try:
                return caller.call(session)
            finally:
                free.put(caller)

        with live.Load(next_one_calls, len(callers)) as load:
            for configuration in steps:
                for place in range(2):
                    replaced, instances[place] = instances[place], instance(configuration)
                    rounds(callers, 2)  # so that nobody is on the way to the one that stops
                    replaced.stop()
                outside = outside or [Python(instances[0].base), Node(instances[1].base)]
                rounds(callers, 6)
    issued = [token for caller in callers for token in caller.issued]
    kids = [keys.derive(secret).kid for secret in (old, new)]
    assert {jwt.get_unverified_header(token)["kid"] for token in issued} == set(kids)
    assert set(load.statuses()) == {200}
    assert [verifier.refused(issued) for verifier in outside] == [[], []]
    assert outside[1].kids == kids
    figure(f"{len(load.answers)} calls, {len(issued)} tokens checked by two outside verifiers, 0 × 401")


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
