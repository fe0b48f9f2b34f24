import base64
import hmac
import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db.models import F

from users import errors, services, tokens
from users.models import Session, User
from users.tokens import access as access_tokens
from users.tokens import keys

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(alice, browser):
    return tokens.open_session(alice, browser)


@pytest.fixture
def access(session):
    return tokens.issue(session).access


def claims_of(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def signed(claims: dict, key: keys.KeyPair | None = None, **headers: str | None) -> str:
    """With our own key and its `kid`, unless said otherwise. A header that is None is left out."""
    key = key or keys.signing()
    given = {"kid": key.kid, **headers}
    return jwt.encode(claims, key.private, "ES256", {name: value for name, value in given.items() if value is not None})


def test_a_secret_gives_the_same_key_pair_with_every_version():
    """Else an upgrade would sign everybody out."""
    pair = keys.derive.__wrapped__("correct horse battery staple " * 2)
    assert pair.jwk == {
        "kty": "EC",
        "crv": "P-256",
        "x": "AiDWsLJr2se7ohyxa736P5Xxh0zVLI4QuRv2eE74ats",
        "y": "QGFR01GVz-CvvvHM_PGScafdbd2IJ0Vv1dRhb5ve9AQ",
        "kid": "kAa7qy6x16-NzNNRkBl-ZtX-E5fcBcL-zzjsLU_6MsY",
        "alg": "ES256",
        "use": "sig",
    }


def age(session, **by) -> None:
    older = {name: F(name) - timedelta(**by) for name in ("refreshed_at", "refreshed_before")}
    Session.objects.filter(id=session.id).update(**older)


def test_a_token_speaks_for_its_user(alice, session, access):
    user = tokens.authenticate(f"Bearer {access}")
    assert user == alice
    assert user.session == session


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "JWT", "jwt", "Token", "TOKEN"])
def test_three_schemes_mean_the_same(alice, access, scheme):
    assert tokens.authenticate(f"{scheme} {access}") == alice


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearertoken", "Digest x"])
def test_a_header_without_a_token_is_nobody(header):
    with pytest.raises(errors.NotAuthenticated) as refused:
        tokens.authenticate(header)
    assert refused.value.code == "not_authenticated"


def test_a_token_says_who_and_until_when_and_nothing_private(alice, session, access):
    claims = claims_of(access)
    assert set(claims) == {"sub", "sid", "typ", "iss", "aud", "iat", "exp", "jti"}
    assert (claims["sub"], claims["sid"], claims["typ"]) == (str(alice.id), str(session.id), "access")
    assert claims["exp"] - claims["iat"] == 900
    assert alice.phone[1:] not in json.dumps(claims)


@pytest.mark.parametrize("claim", ["sub", "sid", "typ", "iss", "aud", "iat", "exp", "jti"])
def test_a_token_without_one_of_its_claims_is_refused(access, claim):
    claims = claims_of(access)
    del claims[claim]
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {signed(claims)}")


@pytest.mark.parametrize(
    "change",
    [
        {"exp": datetime.now(UTC) - timedelta(seconds=1)},
        {"typ": "refresh"},
        {"iss": "somebody"},
        {"aud": "others"},
        {"aud": ["zovi", "others"]},
        {"sub": "00000000-0000-4000-8000-000000000000"},
        {"sid": "00000000-0000-4000-8000-000000000000"},
        {"sid": "nonsense"},
        {"sid": 1},
        {"exp": "never"},
        {"iat": datetime.now(UTC) + timedelta(days=1)},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(access, change):
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {signed(claims_of(access) | change)}")


def test_a_token_of_another_key_or_algorithm_is_refused(access, settings):
    claims, ours, foreign = claims_of(access), keys.signing(), keys.derive("x" * 64)
    pem = ours.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = {
        "another key": signed(claims, foreign),
        "another key under our kid": signed(claims, foreign, kid=ours.kid),
        "our key under another kid": signed(claims, kid=foreign.kid),
        "our key without a kid": signed(claims, kid=None),
        "our secret as an HS256 key": hs256(claims, settings.JWT_SECRET_KEY.encode(), ours.kid),
        "our public key as an HS256 key": hs256(claims, pem, ours.kid),
        "our public point as an HS256 key": hs256(claims, json.dumps(ours.jwk).encode(), ours.kid),
        "no algorithm": jwt.encode(claims, None, "none", {"kid": ours.kid}),
    }
    accepted = []
    for name, token in forged.items():
        with suppress(errors.InvalidToken):
            accepted.append((name, tokens.authenticate(f"Bearer {token}")))
    assert accepted == []


def hs256(claims: dict, key: bytes, kid: str) -> str:
    """By hand: PyJWT does not sign with what is obviously somebody's public key."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT", "kid": kid}, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = base64.urlsafe_b64encode(hmac.digest(key, text, "sha256")).rstrip(b"=")
    return f"{text.decode()}.{mac.decode()}"


def test_a_token_of_an_instance_whose_clock_is_ahead_is_good_at_once(alice, access):
    ahead = {"iat": datetime.now(UTC) + timedelta(seconds=50), "exp": datetime.now(UTC) + timedelta(seconds=950)}
    assert tokens.authenticate(f"Bearer {signed(claims_of(access) | ahead)}") == alice


def test_the_key_pair_follows_from_the_secret_alone():
    """A change here signs everybody out with the next release."""
    assert keys.derive("s" * 50).kid == "kZzmEho7RIwdpvI2cgFiH9dVBQB4J_2lJVg2TCd8ocE"
    assert keys.derive("t" * 50).kid != keys.derive("s" * 50).kid


def test_the_public_keys_say_nothing_of_the_private_ones(settings):
    settings.JWT_SECRET_KEY_FALLBACKS = ["n" * 64, settings.JWT_SECRET_KEY]
    published = tokens.jwks()["keys"]
    assert [key["kid"] for key in published] == [keys.signing().kid, keys.derive("n" * 64).kid]
    assert {frozenset(key) for key in published} == {frozenset({"kty", "crv", "x", "y", "kid", "alg", "use"})}
    assert {(key["kty"], key["crv"], key["alg"], key["use"]) for key in published} == {("EC", "P-256", "ES256", "sig")}


def test_everybody_may_fetch_the_public_keys_and_keep_them_for_ten_minutes(client):
    answer = client.get("/.well-known/jwks.json")
    assert (answer.status_code, answer.json()) == (200, tokens.jwks())
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "public, max-age=600"
    assert client.post("/.well-known/jwks.json").status_code == 405


@pytest.mark.parametrize("garbage", ["", "x", "a.b.c", "é" * 10, "..", "\x00", "x" * 5000, "two words"])
def test_garbage_is_refused(garbage):
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {garbage}")


def test_no_flipped_bit_goes_unnoticed(access):
    for place in range(0, len(access), 7):
        flipped = access[:place] + ("A" if access[place] != "A" else "B") + access[place + 1 :]
        if (
            base64.urlsafe_b64decode(flipped.split(".")[-1] + "==")
            == base64.urlsafe_b64decode(access.split(".")[-1] + "==")
            and flipped.rsplit(".", 1)[0] == access.rsplit(".", 1)[0]
        ):
            continue  # the last character's unused bits
        with pytest.raises(errors.InvalidToken):
            tokens.authenticate(f"Bearer {flipped}")


def test_a_replaced_key_still_opens_what_it_signed(alice, session, settings):
    old = tokens.issue(session)
    settings.JWT_SECRET_KEY_FALLBACKS = [settings.JWT_SECRET_KEY]
    settings.JWT_SECRET_KEY = "n" * 64
    assert jwt.get_unverified_header(tokens.issue(session).access)["kid"] == keys.derive("n" * 64).kid
    assert tokens.authenticate(f"Bearer {old.access}") == alice
    assert services.refresh(refresh_token=old.refresh).user == alice

    settings.JWT_SECRET_KEY_FALLBACKS = []
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {old.access}")


def test_logout_ends_the_session_at_once(alice, browser, session, access):
    other = tokens.open_session(alice, browser)
    services.logout(user=tokens.authenticate(f"Bearer {access}"))
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {access}")
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=tokens.issue(session).refresh)
    assert tokens.authenticate(f"Bearer {tokens.issue(other).access}") == alice


def test_switching_a_user_off_ends_everything_at_once(alice, session, access):
    refresh = tokens.issue(session).refresh
    User.objects.filter(id=alice.id).update(is_active=False)
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {access}")
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=refresh)


def test_an_expired_session_ends_everything(session, access):
    Session.objects.filter(id=session.id).update(expires_at=F("created_at"))
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {access}")
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=tokens.issue(session).refresh)


def test_a_refresh_rotates(alice, session):
    first = tokens.issue(session).refresh
    second = services.refresh(refresh_token=first).tokens
    third = services.refresh(refresh_token=second.refresh).tokens
    assert len({first, second.refresh, third.refresh}) == 3
    assert tokens.authenticate(f"Bearer {third.access}") == alice


def test_within_the_grace_the_same_token_gives_the_same_successor(session):
    first = tokens.issue(session).refresh
    successors = {services.refresh(refresh_token=first).tokens.refresh for _ in range(3)}
    assert len(successors) == 1
    assert services.refresh(refresh_token=successors.pop())


def test_reuse_after_the_grace_ends_the_session(session):
    first = tokens.issue(session).refresh
    second = services.refresh(refresh_token=first).tokens
    age(session, seconds=11)
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=first)
    assert Session.objects.get().ended_at
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=second.refresh)
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {second.access}")


@pytest.mark.parametrize("hours", [0, 1])
def test_a_phone_that_lost_two_answers_is_not_a_thief(session, hours):
    first = tokens.issue(session).refresh
    age(session, hours=hours)
    second = services.refresh(refresh_token=first).tokens.refresh
    third = services.refresh(refresh_token=second).tokens.refresh
    assert services.refresh(refresh_token=first).tokens.refresh == third
    assert services.refresh(refresh_token=second).tokens.refresh == third
    assert Session.objects.get().ended_at is None


def test_reuse_of_the_token_before_last_after_its_grace_ends_the_session(session):
    first = tokens.issue(session).refresh
    second = services.refresh(refresh_token=first).tokens.refresh
    age(session, seconds=11)
    services.refresh(refresh_token=second)
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=first)
    assert Session.objects.get().ended_at


def test_an_older_one_is_refused_and_ends_the_session_only_when_its_grace_is_over_for_certain(session):
    first = latest = tokens.issue(session).refresh
    for _ in range(3):
        latest = services.refresh(refresh_token=latest).tokens.refresh
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=first)
    assert Session.objects.get().ended_at is None

    age(session, seconds=11)
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=first)
    assert Session.objects.get().ended_at


def test_a_token_from_after_the_backup_that_was_restored_is_refused_and_ends_nothing(session):
    later = services.refresh(refresh_token=tokens.issue(session).refresh).tokens.refresh
    Session.objects.update(generation=F("generation") - 1)
    age(session, seconds=11)
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=later)
    assert Session.objects.get().ended_at is None


@pytest.mark.parametrize("is_current", [True, False])
def test_a_token_that_merely_expired_is_no_theft(session, caplog, is_current):
    token = tokens.issue(session).refresh
    if not is_current:
        services.refresh(refresh_token=token)
        age(session, days=40)
    Session.objects.filter(id=session.id).update(expires_at=F("created_at"))
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=token)
    assert Session.objects.get().ended_at is None
    assert "token_reused" not in caplog.text


def test_without_grace_a_refresh_still_rotates(session, settings):
    settings.REFRESH_TOKEN_GRACE = 0
    assert services.refresh(refresh_token=tokens.issue(session).refresh)


@pytest.mark.parametrize("garbage", ["", "x", "\x00", "ы", "A" * 50, "A" * 5000, "=", "...", "A" * 71])
def test_a_forged_refresh_token_is_refused_and_ends_nothing(session, garbage):
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=garbage)
    token = tokens.issue(session).refresh
    for forged in (token[:-4] + "AAAA", token[:22] + "BBBB" + token[26:], token + "A", token[:30]):
        with pytest.raises(errors.InvalidToken):
            services.refresh(refresh_token=forged)
    assert Session.objects.get().ended_at is None
    assert services.refresh(refresh_token=token)


def test_the_row_holds_no_token(session):
    issued = tokens.issue(session)
    stored = b"".join(
        value.tobytes() if isinstance(value, memoryview) else str(value).encode()
        for value in Session.objects.values_list().get()
    )
    raw = base64.urlsafe_b64decode(issued.refresh + "==")
    assert raw[20:] not in stored
    assert issued.access.encode() not in stored


def test_a_token_that_was_good_a_moment_ago_expires_all_the_same(alice, access, settings, monkeypatch):
    header = f"Bearer {access}"
    assert tokens.authenticate(header) == alice

    after = time.time() + settings.ACCESS_TOKEN_TTL + 1
    monkeypatch.setattr(access_tokens, "time", SimpleNamespace(time=lambda: after))
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(header)
    with pytest.raises(errors.InvalidToken):
        services.own_profile(authorization=header)


def test_every_session_has_a_salt_of_its_own_and_remembers_its_browser(alice, browser):
    for _ in range(2):
        tokens.open_session(alice, browser)
    salts = {bytes(session.salt) for session in Session.objects.all()}
    assert [len(salt) for salt in salts] == [32, 32]
    assert set(Session.objects.values_list("user_agent", "address")) == {(browser.user_agent, browser.address)}
