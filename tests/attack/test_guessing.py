"""Guessing codes: over the network, through every door, from many addresses."""

import hashlib
import hmac
import itertools
import re
import statistics
import time
from datetime import timedelta

import pytest
import requests
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import F
from psycopg2 import sql

from tests.contract.conftest import DOORS
from tests.contract.doors import new_browser
from tests.support import live
from tests.support.people import ALICE, at_once, wrong
from users import codes, errors, services, tokens
from users.clients import Client
from users.models import Challenge, Session, User
from users.rates import parse
from users.tokens import refresh


def code_in(sms_outbox: list[tuple[str, str]]) -> str:
    """The code of the last message."""
    return sms_outbox[-1][1].rpartition("#")[2]


# --- Over the network, against the running server ------------------------------------------------------------------


@pytest.fixture(scope="module")
def zovi(tmp_path_factory):
    with live.demo(tmp_path_factory.mktemp("guessed")) as server:
        yield server


def rest_try(zovi, code: str, challenge: str) -> dict:
    body = {"otp": code, "challenge": challenge}
    return requests.post(f"{zovi.base}/api/users/auth/", json=body, timeout=120).json()


def graphql_try(zovi, code: str, challenge: str) -> dict:
    """In the shape of REST."""
    query = "mutation($c: String!, $h: String) { verifyCode(code: $c, challenge: $h) { token } }"
    body = {"query": query, "variables": {"c": code, "h": challenge}}
    answer = requests.post(f"{zovi.base}/graphql/", json=body, timeout=120).json()
    if "errors" in answer:
        extensions = answer["errors"][0]["extensions"]
        return {"code": extensions["code"], "attempts_left": extensions.get("attemptsLeft")}
    return answer["data"]["verifyCode"]


TRY = (rest_try, graphql_try)


def ask(zovi, phone: str) -> dict:
    return requests.post(f"{zovi.base}/api/users/send_otp/", json={"phone_number": phone}, timeout=120).json()


@pytest.mark.row("O6")
def test_64_wrong_codes_at_once_over_two_doors_are_three_tries(zovi, figure):
    rounds = 20
    for round_ in range(rounds):
        sent = ask(zovi, f"+7914{round_:07}")
        guesses = [f"{number:04}" for number in range(65) if f"{number:04}" != sent["otp"]]
        answers = at_once(64, lambda n, sent=sent, guesses=guesses: TRY[n % 2](zovi, guesses[n], sent["challenge"]))
        assert {answer["code"] for answer in answers} == {"invalid_code"}
        assert sorted(answer["attempts_left"] for answer in answers) == [0] * 62 + [1, 2]
        assert rest_try(zovi, sent["otp"], sent["challenge"])["code"] == "invalid_code"
    assert live.query(zovi, "SELECT max(attempts) FROM users_challenge WHERE phone LIKE '+7914%%'") == [(3,)]
    figure(f"{rounds} rounds of 64 over REST and GraphQL: 3 compared in every one")


@pytest.mark.row("O7")
def test_48_right_codes_at_once_over_two_doors_are_one_session(zovi, figure):
    rounds = 20
    for round_ in range(rounds):
        sent = ask(zovi, f"+7915{round_:07}")
        answers = at_once(48, lambda n, sent=sent: TRY[n % 2](zovi, sent["otp"], sent["challenge"]))
        assert sum("token" in answer for answer in answers) == 1
        assert sum(answer.get("code") == "invalid_code" for answer in answers) == 47
    owners = "SELECT count(*) FROM users_session JOIN users_user u ON u.id = user_id WHERE phone LIKE '+7915%%'"
    assert live.query(zovi, owners) == [(rounds,)]
    figure(f"{rounds} rounds of 48 over REST and GraphQL: one session in every one")


@pytest.mark.row("O12")
@pytest.mark.parametrize("proxies", ["0", "1", "2"])
def test_rotating_forged_addresses_gains_nothing(tmp_path, proxies, figure):
    limits = {"OTP_SENDS_PER_IP": "5/h", "TRUSTED_PROXY_COUNT": proxies}
    with live.demo(tmp_path, **limits) as zovi:
        statuses = []
        for number in range(12):
            forged = f"198.51.100.{number}, 203.0.113.{number}"
            ours = ["198.18.0.1", "198.18.0.2"][: int(proxies)]  # what the trusted proxies append
            headers = {
                "X-Forwarded-For": ", ".join([forged, *ours]),
                "X-Real-IP": f"198.51.100.{number}",
                "Forwarded": f"for=198.51.100.{number}",
                "Client-IP": f"198.51.100.{number}",
                "True-Client-IP": f"198.51.100.{number}",
            }
            body = {"phone_number": f"+7916{number:07}"}
            answer = requests.post(f"{zovi.base}/api/users/send_otp/", json=body, headers=headers, timeout=120)
            statuses.append(answer.status_code)
        expected = {"0": "127.0.0.1", "1": "198.18.0.1", "2": "198.18.0.1"}[proxies]
        assert live.query(zovi, "SELECT DISTINCT host(address) FROM users_challenge") == [(expected,)]
    assert statuses == [200] * 5 + [429] * 7
    figure(f"{proxies} proxies: 5 of 12 pass a limit of 5")


# --- Through every door in turn, one set of limits -----------------------------------------------------------------


@pytest.fixture
def strict(settings):
    """The production limits."""
    settings.OTP_RESEND_COOLDOWN = 60
    settings.OTP_SENDS_PER_PHONE = parse("5/h,10/d")
    settings.OTP_SENDS_PER_IP = parse("30/h,100/d")
    settings.OTP_SENDS_PER_NETWORK = parse("120/h,400/d")
    settings.OTP_SENDS_GLOBAL = parse("60/m,10000/d")
    settings.OTP_FAILURES_PER_IP = parse("20/h")
    settings.OTP_FAILURES_GLOBAL = parse("300/10m,2000/d")
    return settings


def age_all(**by) -> None:
    Challenge.objects.update(created_at=F("created_at") - timedelta(**by))


def callers():
    """Callers of every door in turn, each with a browser of its own."""
    return (door(new_browser()) for door in itertools.cycle(DOORS))


@pytest.mark.django_db
@pytest.mark.row("O10")
def test_twenty_sends_to_one_phone_through_all_doors_share_cooldown_hour_and_day(strict, sms_outbox, figure):
    refusals = []
    for minutes, caller in zip([0, *[1] * 4, *[1] * 5, 60, *[1] * 9], callers(), strict=False):
        age_all(minutes=minutes)
        refusals.append(caller.request_code(ALICE).code)
    too_many = "too_many_requests"
    assert refusals == [None] * 5 + [too_many] * 5 + [None] * 5 + [too_many] * 5
    assert callers().__next__().request_code(ALICE).code == too_many
    age_all(hours=2)
    assert [caller.request_code(ALICE).code for _, caller in zip(range(3), callers(), strict=False)] == [too_many] * 3
    assert len(sms_outbox) == 10
    age_all(days=1)
    soon = [caller.request_code(ALICE).code for _, caller in zip(range(3), callers(), strict=False)]
    assert soon == [None, "code_requested_too_soon", "code_requested_too_soon"]
    figure(f"{len(DOORS)} doors together: 5 an hour, 10 a day, one a minute")


@pytest.mark.django_db
@pytest.mark.row("O10")
def test_many_phones_from_one_address_through_all_doors_share_its_limit(strict, sms_outbox, figure):
    strict.OTP_SENDS_GLOBAL = ()
    phones = [f"+7917{number:07}" for number in range(40)]
    refused = [caller.request_code(phone).code for phone, caller in zip(phones, callers(), strict=False)]
    assert refused == [None] * 30 + ["too_many_requests"] * 10
    assert len(sms_outbox) == 30
    figure("30 of 40 phones from one address within the hour")


@pytest.mark.django_db
@pytest.mark.row("O11", "O3")
def test_thirty_wrong_codes_through_all_doors_are_ten_against_four_digits(strict, sms_outbox, figure):
    strict.OTP_RESEND_COOLDOWN, strict.OTP_SENDS_PER_PHONE = 0, ()
    strict.OTP_FAILURES_PER_IP = ()
    compared = {4: 0, 6: 0}
    doors = callers()
    while sum(compared.values()) < 30:
        asking = next(doors)
        asking.request_code(ALICE)
        sent = Challenge.objects.latest("created_at")
        for _ in range(3):
            before = sent.attempts + sent.dead_attempts
            next(doors).verify_code(wrong(code_in(sms_outbox)), challenge=str(sent.id))
            sent.refresh_from_db()
            assert sent.attempts + sent.dead_attempts == before + 1
        compared[sent.digits] += sent.attempts
    assert compared[4] <= 10
    figure(f"of {sum(compared.values())} wrong codes {compared[4]} were compared against four digits")


@pytest.mark.django_db
@pytest.mark.row("O3")
def test_whose_number_is_attacked_still_gets_in(strict):
    """The attacker has used up what strangers may send; the owner is at an address they have signed in from."""
    home, elsewhere = Client(address="203.0.113.5"), Client(address="198.51.100.7")
    sent = services.request_code(phone=ALICE, client=home)
    services.verify_code(code=sent.otp, challenge=sent.challenge, client=home)
    for _ in range(4):
        age_all(minutes=2)
        sent = services.request_code(phone=ALICE, client=elsewhere)
        for _ in range(3):
            with pytest.raises(errors.InvalidCode):
                services.verify_code(code=wrong(sent.otp), challenge=sent.challenge, client=elsewhere)
    age_all(minutes=2)
    services.request_code(phone=ALICE, client=elsewhere)
    age_all(minutes=2)
    with pytest.raises(errors.TooManyRequests):
        services.request_code(phone=ALICE, client=elsewhere)
    sent = services.request_code(phone=ALICE, client=home)
    assert len(sent.otp) == 6
    assert services.verify_code(code=sent.otp, challenge=sent.challenge, client=home).user.phone == ALICE


@pytest.mark.django_db
@pytest.mark.row("O13")
def test_many_phones_from_many_addresses_reach_the_breaker_and_raise_an_alarm(strict, sms_outbox, caplog, figure):
    refused = []
    for number in range(80):
        client = Client(address=f"198.51.100.{number}")
        try:
            services.request_code(phone=f"+7918{number:07}", client=client)
        except errors.TooManyRequests as error:
            refused.append(error.extra["retry_after"])
    assert (len(sms_outbox), len(refused)) == (60, 20)
    assert set(refused) <= set(range(1, 61))
    alarms = [record for record in caplog.records if getattr(record, "facts", {}).get("alarm")]
    assert len(alarms) == 20
    figure("60 of 80 in a minute, an alarm for each refusal")


@pytest.mark.django_db
@pytest.mark.row("O13")
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_foreign_region_costs_nothing(strict, sms_outbox, door):
    strict.PHONE_ALLOWED_REGIONS = ["RU"]
    for phone in ("+14155552671", "+998901234567", "00 44 7911 123456"):
        assert door(new_browser()).request_code(phone).code == "region_not_allowed"
    assert sms_outbox == []
    assert not Challenge.objects.exists()


@pytest.mark.django_db
@pytest.mark.row("O9")
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_stranger_who_knows_code_and_phone_but_not_the_challenge_gets_nowhere(door, sms_outbox):
    owner, stranger = door(new_browser()), door(new_browser())
    owner.request_code(ALICE)
    code = code_in(sms_outbox)
    answer = stranger.verify_code(code, phone=ALICE) if door.has_tokens else stranger.verify_code(code)
    assert answer.code == "challenge_required"
    assert Challenge.objects.get().attempts == 0
    assert owner.verify_code(code).code is None


def _code_of(challenge: Challenge) -> str:
    """Whoever holds the pepper can find it."""
    said = {"challenge": challenge.id, "pepper": django_settings.OTP_PEPPER}
    candidates = (f"{number:04}" for number in range(10_000))
    return next(code for code in candidates if codes.keyed_hash(code, **said) == challenge.code_hash)


# --- With a copy of the database -----------------------------------------------------------------------------------


def dump() -> list[tuple[str, ...]]:
    """Every row of every table of ours, each value as text."""
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if name.startswith("users_")]
        rows = []
        for table in tables:
            cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
            rows += [tuple(_text(value) for value in row) for row in cursor.fetchall()]
    return rows


def _text(value: object) -> str:
    return bytes(value).hex() if isinstance(value, memoryview | bytes) else str(value)


@pytest.mark.django_db
@pytest.mark.row("O14")
def test_a_dump_reveals_no_code_and_no_usable_token(alice, browser, figure):
    sent = services.request_code(phone=ALICE, client=browser)
    signed_in = tokens.issue(tokens.open_session(alice, browser))
    rows = dump()
    values = {value for row in rows for value in row if value}
    assert {sent.otp, signed_in.access, signed_in.refresh} & values == set()

    challenge = Challenge.objects.get()
    keys = [b"", *(value.encode() for value in values), *(bytes.fromhex(v) for v in values if _is_hex(v))]
    hits = 0
    for number in range(10_000):
        code = f"{number:04}"
        for said in (code, f"{challenge.id}|{ALICE}|{code}", f"{ALICE}|{code}", f"{challenge.id}{code}"):
            hits += hashlib.sha256(said.encode()).hexdigest() == challenge.code_hash
        full = f"{challenge.id}|{code}".encode()
        hits += any(hmac.new(key, full, hashlib.sha256).hexdigest() == challenge.code_hash for key in keys)
    assert hits == 0
    assert _code_of(challenge) == sent.otp  # with the pepper it is found: the search itself works

    forged = [refresh._refresh_token(Session.objects.get(), 0, value) for value in values]
    for value in [*values, *forged]:
        with pytest.raises(errors.InvalidToken):
            services.refresh(refresh_token=value)
        with pytest.raises((errors.InvalidToken, errors.NotAuthenticated)):
            tokens.authenticate(f"Bearer {value}")
    figure(f"10,000 codes under {len(keys)} keys: 0; {len(values)} values as tokens: 0")


def _is_hex(text: str) -> bool:
    return bool(re.fullmatch(r"(?:[0-9a-f]{2})+", text))


# --- Enumeration ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.row("O15")
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_known_and_unknown_numbers_get_the_same_answers_in_the_same_time(door, full, figure):
    """Timed only where nothing else runs: FULL=1."""
    each = 500 if full else 25
    users = [f"+7919{number:07}" for number in range(2 * each)]
    User.objects.bulk_create([User.objects.new(phone) for phone in users[::2]])
    shapes: dict[bool, set] = {True: set(), False: set()}
    times: dict[bool, list[float]] = {True: [], False: []}
    for number, phone in enumerate(users):
        known, caller = number % 2 == 0, door(new_browser())
        began = time.perf_counter()
        sent = caller.request_code(phone)
        refused = caller.verify_code("0" * 4)
        times[known].append(time.perf_counter() - began)
        if refused.code:  # one in ten thousand is right
            shapes[known].add((sent.refusal, frozenset(sent.said), refused.refusal, str(refused.said)))
    assert shapes[True] == shapes[False]
    apart = abs(statistics.median(times[True]) - statistics.median(times[False])) * 1000
    if full:
        assert apart < 5
    figure(f"{door.name}: n = {each} each, medians {apart:.2f} ms apart")
