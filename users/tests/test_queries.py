"""What calls cost in SQL: how many statements, each finding its rows by an index however large the tables are."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.people import ALICE, BOB, CHARLIE
from users import services, tokens
from users.clients import Client
from users.models import Activation, Session, User
from users.rates import parse

HOUSEHOLD = 20_000
CONTROLS = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "PREPARE", "SET")


@contextmanager
def takes(number: int) -> Iterator[None]:
    """What a connection prepares once is not counted."""
    with CaptureQueriesContext(connection) as captured:
        yield
    statements = [query["sql"] for query in captured.captured_queries if not query["sql"].startswith("PREPARE")]
    assert len(statements) == number, statements


@pytest.fixture
def signed_in(api, alice, bob):
    """Alice's REST client; Bob came by her code."""
    Activation.objects.create(invitee=bob, inviter=alice)
    session = tokens.open_session(alice, Client("203.0.113.5"))
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.issue(session).access}")
    return api


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "statements"),
    [
        ("get", "/api/users/me/", None, 200, 1),
        ("get", "/api/users/me/refs/", None, 200, 2),  # the session, the page
        ("get", "/api/users/{bob}/", None, 200, 2),  # the session, the profile
        ("post", "/api/users/referal/", {"activated_invite_code": "{code}"}, 200, 11),  # with four of transactions
        ("post", "/api/users/logout/", None, 204, 5),  # with two of a transaction
    ],
)
def test_a_call_takes_no_more_statements(signed_in, bob, method, path, body, status, statements):
    body = {key: value.format(code=bob.invite_code) for key, value in body.items()} if body else None
    with takes(statements):
        answer = getattr(signed_in, method)(path.format(bob=bob.id), body, format="json")
    assert answer.status_code == status


def test_signing_in_takes_no_more_statements(api, db, sms_outbox):
    with takes(2):
        sent = api.post("/api/users/send_otp/", {"phone_number": ALICE}, format="json").json()
    with takes(1):  # counting, comparing and entering are one transaction
        assert api.post("/api/users/auth/", {"otp": sent["otp"]}, format="json").json()["is_new_user"]


def test_a_refused_token_takes_one_statement(signed_in):
    Session.objects.update(ended_at=timezone.now())
    with takes(1):
        assert signed_in.get("/api/users/me/").json()["code"] == "invalid_token"


def test_a_forged_token_takes_none(api, db):
    with takes(0):
        assert api.get("/api/users/me/", HTTP_AUTHORIZATION="Bearer x.y.z").json()["code"] == "invalid_token"


@pytest.fixture
def crowded(transactional_db, settings):
    """Tables so large that reading one from end to end would be the dearer plan, and a connection as the server's."""
    call_command("seed_demo", users=HOUSEHOLD, referrals=5000, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE users_challenge, users_codefailure"
        )  # rows in the order they come, and no room between
        cursor.execute(
            """INSERT INTO users_challenge (id, phone, phone_key, code_hash, attempts, address, network, created_at)
               SELECT gen_random_uuid(), '+7980' || lpad(n::text, 7, '0'), md5((n %% 5000)::text), 'x', 0,
                      ('203.0.113.' || n %% 200)::inet, '203.0.113.0', now() - n * interval '1 second'
               FROM generate_series(1, %s) AS n""",
            [HOUSEHOLD],
        )
        cursor.execute(
            """INSERT INTO users_session (id, user_id, generation, salt, address, user_agent, expires_at)
               SELECT gen_random_uuid(), id, 0, '', inet '203.0.113.5', '', now() + interval '1 day' FROM users_user""",
        )
        cursor.execute(
            """INSERT INTO users_codefailure (phone_key, address, created_at)
               SELECT md5((n %% 5000)::text), ('203.0.113.' || n %% 200)::inet, now() - n * interval '20 seconds'
               FROM generate_series(1, %s) AS n""",
            [HOUSEHOLD],
        )
        cursor.execute("VACUUM ANALYZE users_challenge, users_codefailure, users_session")
        for name, value in re.findall(r"-c (\w+)=(\w+)", settings.SERVING_DATABASE_OPTIONS):
            cursor.execute(f"SET {name} = {value}")
        cursor.execute("SET plan_cache_mode = force_generic_plan")  # what a busy connection ends up with
        cursor.execute("DEALLOCATE ALL")
    connection.connection.prepared.clear()
    yield User.objects.order_by("-referrals_count").first()
    connection.connection.close()  # so that no other test gets it from the pool
    connection.close()


def plans(statements: CaptureQueriesContext) -> dict[str, str]:
    """Of each statement that touched a table of ours, by its text."""
    found = {}
    with connection.cursor() as cursor:
        for query in statements.captured_queries:
            for sql in filter(None, map(str.strip, query["sql"].split(";"))):
                if not sql.startswith(CONTROLS):
                    cursor.execute(f"EXPLAIN {sql}")
                    found[sql] = "\n".join(line for (line,) in cursor.fetchall())
    return found


def test_no_hot_call_reads_a_table_from_end_to_end(crowded, settings):
    settings.OTP_RESEND_COOLDOWN = 5
    settings.OTP_SENDS_PER_PHONE = parse("5/h,10/d")
    settings.OTP_SENDS_PER_IP = parse("300/h,1000/d")
    settings.OTP_SENDS_PER_NETWORK = parse("120/h,400/d")
    settings.OTP_SENDS_GLOBAL = parse("100/m,30000/d")
    settings.OTP_FAILURES_PER_IP = parse("2000/h")
    settings.OTP_FAILURES_GLOBAL = parse("300/10m,2000/d")
    browser = Client("203.0.113.201")
    header = f"Bearer {tokens.issue(tokens.open_session(crowded, browser)).access}"

    with CaptureQueriesContext(connection) as statements:
        services.own_profile(authorization=header)
        user = tokens.authenticate(header)
        cursor = services.referrals(user=user).next
        services.referrals(user=user, cursor=cursor)
        services.user_profile(viewer=user, user_id=str(user.id))
        sent = services.request_code(phone=ALICE, client=browser)
        somebody = services.verify_code(code=sent.otp, challenge=sent.challenge, client=browser).user
        services.activate_invite(user=somebody, invite_code=crowded.invite_code)
        services.logout(user=user)

    explained = plans(statements)
    # A demo's inbox is a page long, and read as one.
    scanned = {sql: plan for sql, plan in explained.items() if re.search("Seq Scan on (?!users_message)", plan)}
    assert scanned == {}
    indexes = set(re.findall(r"using (\w+)", "\n".join(explained.values())))
    assert {"activation_newest_first", "users_session_pkey"} <= indexes
    by_time = {"challenge_by_time", "code_failure_by_time"}
    by_who = {"challenge_by_phone", "challenge_by_address", "challenge_homes", "challenge_by_network"}
    assert by_time | by_who | {"code_failure_by_phone", "code_failure_by_address"} <= indexes
    assert len(explained) >= 12


def test_the_newest_referrals_are_read_off_the_index_and_nothing_is_sorted(crowded):
    with CaptureQueriesContext(connection) as statements:
        services.user_profile(viewer=crowded, user_id=str(crowded.id))
    [plan] = [plan for sql, plan in plans(statements).items() if sql.startswith("EXECUTE ")]
    assert re.search(r"Index (Only )?Scan using activation_newest_first", plan)
    assert "Sort" not in plan


def test_seed_demo_writes_what_the_triggers_would(transactional_db, capsys):
    call_command("seed_demo", users=1500, referrals=1000)
    call_command("seed_demo", users=50, referrals=20)

    assert User.objects.count() == 1550
    most = User.objects.order_by("-referrals_count").values_list("referrals_count", flat=True)
    assert list(most[:5]) == [1000, 100, 20, 10, 10]
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM users_user AS u
               WHERE referrals_count <> (SELECT count(*) FROM users_activation WHERE inviter_id = u.id)"""
        )
        assert cursor.fetchone() == (0,)
        cursor.execute(
            """SELECT count(*) FROM users_activation AS a JOIN users_user AS u ON u.id = a.invitee_id
               WHERE a.invitee_phone IS DISTINCT FROM u.phone"""
        )
        assert cursor.fetchone() == (0,)
        cursor.execute(
            """SELECT count(*) FROM users_activation AS a JOIN users_user AS inviter ON inviter.id = a.inviter_id
               WHERE a.created_at <= inviter.created_at"""
        )
        assert cursor.fetchone() == (0,)
    assert "1,000 referrals" in capsys.readouterr().out


@pytest.mark.parametrize(("users", "referrals"), [(1, 0), (2, 1), (30, 0), (101, 100), (1001, 1000), (1000, 5)])
def test_seed_demo_makes_as_many_as_it_is_told(transactional_db, users, referrals):
    call_command("seed_demo", users=users, referrals=referrals, verbosity=0)
    assert User.objects.count() == users
    first = User.objects.order_by("created_at").first()
    assert first.referrals_count == referrals


def test_the_people_of_seed_demo_come_until_today(transactional_db):
    call_command("seed_demo", users=2000, referrals=1000, verbosity=0)
    many, ten = User.objects.order_by("-referrals_count")[0], User.objects.filter(referrals_count=10)[5]
    assert 60 < sum(count for _, count in services.arrivals(user=many)) < 110
    assert Activation.objects.filter(inviter=ten).dates("created_at", "month").count() >= 9
    assert User.objects.filter(activation__isnull=False).latest("created_at").created_at > timezone.now() - timedelta(
        days=1
    )


def test_an_activation_is_counted_and_carries_the_number(alice, bob, charlie):
    first = Activation.objects.create(invitee=bob, inviter=alice)
    Activation.objects.create(invitee=charlie, inviter=alice)
    alice.refresh_from_db()
    assert alice.referrals_count == 2
    first.refresh_from_db()
    assert first.invitee_phone == BOB

    User.objects.filter(id=bob.id).update(phone="+79136740099")
    first.refresh_from_db()
    assert first.invitee_phone == "+79136740099"

    Activation.objects.filter(id=first.id).update(invitee_phone="+70000000000")
    first.refresh_from_db()
    assert first.invitee_phone == "+79136740099"

    User.objects.filter(id=bob.id).update(phone=None, is_active=False)
    first.refresh_from_db()
    assert first.invitee_phone is None
    assert services.profile_of(user=alice).phones == [CHARLIE, "***"]

    first.delete()
    alice.refresh_from_db()
    assert alice.referrals_count == 1


def test_prepared_statements_can_be_switched_off(alice, settings):
    header = f"Bearer {tokens.issue(tokens.open_session(alice, Client('::1'))).access}"
    prepared = services.own_profile(authorization=header)
    settings.DATABASE_PREPARE = False
    with CaptureQueriesContext(connection) as statements:
        assert services.own_profile(authorization=header) == prepared
    [query] = statements.captured_queries
    assert query["sql"].lstrip().startswith("SELECT")


@pytest.mark.parametrize(
    "change",
    [
        lambda session: Session.objects.filter(id=session.id).update(ended_at=timezone.now()),
        lambda session: Session.objects.filter(id=session.id).update(expires_at=timezone.now() - timedelta(seconds=1)),
        lambda session: User.objects.filter(id=session.user_id).update(is_active=False),
        lambda session: Session.objects.filter(id=session.id).update(user=User.objects.get_or_register(BOB)[0]),
        lambda session: Session.objects.filter(id=session.id).delete(),
    ],
    ids=["ended", "expired", "user switched off", "somebody else's", "gone"],
)
def test_no_profile_without_a_live_session_of_its_own(alice, api, change):
    session = tokens.open_session(alice, Client("::1"))
    header = f"Bearer {tokens.issue(session).access}"
    assert api.get("/api/users/me/", HTTP_AUTHORIZATION=header).json()["phone_number"] == ALICE
    change(session)
    refused = api.get("/api/users/me/", HTTP_AUTHORIZATION=header)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert refused["WWW-Authenticate"] == 'Bearer realm="zovi", error="invalid_token"'
