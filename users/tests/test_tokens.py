import base64
import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import jwt
import pytest
from django.db.models import F

from users import errors, services, tokens
from users.models import Session, User
from users.tokens import access as access_tokens

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(alice, browser):
    return tokens.open_session(alice, browser)


@pytest.fixture
def access(session):
    return tokens.issue(session).access


def claims_of(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def signed(claims: dict, settings, key=None, algorithm="HS256") -> str:
    return jwt.encode(claims, settings.JWT_SECRET_KEY if key is None else key, algorithm)


def age(session, **by) -> None:
    Session.objects.filter(id=session.id).update(refreshed_at=F("refreshed_at") - timedelta(**by))


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
def test_a_token_without_one_of_its_claims_is_refused(access, settings, claim):
    claims = claims_of(access)
    del claims[claim]
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {signed(claims, settings)}")


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
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(access, settings, change):
    with pytest.raises(errors.InvalidToken):
        tokens.authenticate(f"Bearer {signed(claims_of(access) | change, settings)}")


def test_a_token_of_another_key_or_algorithm_is_refused(access, settings):
    claims = claims_of(access)
    none = jwt.encode(claims, None, algorithm="none")
    for forged in (signed(claims, settings, key="x" * 64), signed(claims, settings, algorithm="HS512"), none):
        with pytest.raises(errors.InvalidToken):
            tokens.authenticate(f"Bearer {forged}")


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
    settings.GRAPHQL_JWT = settings.GRAPHQL_JWT | {"JWT_SECRET_KEY": "n" * 64}
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


def test_reuse_of_a_grandparent_ends_the_session_even_within_the_grace(session):
    first = tokens.issue(session).refresh
    services.refresh(refresh_token=services.refresh(refresh_token=first).tokens.refresh)
    with pytest.raises(errors.InvalidToken):
        services.refresh(refresh_token=first)
    assert Session.objects.get().ended_at


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
