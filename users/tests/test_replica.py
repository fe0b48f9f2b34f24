"""A replica beside the primary: here another connection to the same database, which lags by what is not committed yet.

A real one streams in tests/deploy/test_replica.py.
"""

import os
import socket
import threading
import time
from contextlib import suppress

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conftest import ALICE, BOB, CHARLIE, at_once
from users import errors, services, tokens
from users.clients import Client
from users.models import Activation, Session, User
from users.services import profile_query, replica
from users.services.replica import Replica

FROM_PRIMARY, FROM_REPLICA, LAGGING = ["profile"], ["version"], ["version", "profile"]


@pytest.fixture
def beside(settings, monkeypatch, transactional_db):
    """The replica that profile reads ask."""
    known = {"dbname", "user", "password", "host", "port"}
    with connection.cursor() as cursor:  # the tests' own database, whatever the settings say by now
        parameters = connection.get_connection_params() | {"dbname": cursor.connection.info.dbname}
    settings.DATABASE_REPLICA = {name: str(value) for name, value in parameters.items() if name in known}
    settings.DATABASE_PREPARE = False  # so that it can be seen what is asked
    monkeypatch.setattr(replica, "PATIENCE", 5.0)  # a busy machine is not a dead replica
    asked = Replica()
    monkeypatch.setattr(profile_query, "replica", asked)
    yield asked
    while not asked._idle.empty():
        asked._idle.get().close()


@pytest.fixture
def told(caplog):
    """What people on call are told of it, as (event, why)."""
    caplog.set_level("INFO", "zovi")
    return lambda: [
        (record.getMessage(), record.facts.get("why"))
        for record in caplog.records
        if record.name == "zovi" and record.getMessage().startswith("replica")
    ]


@pytest.fixture
def header(beside, alice, bob):
    """Alice's Authorization. Bob came by her code."""
    Activation.objects.create(invitee=bob, inviter=alice)
    return f"Bearer {tokens.issue(tokens.open_session(alice, Client('::1'))).access}"


def asked_of_primary(action) -> tuple[list[str], object]:
    """Whether the primary was asked for a version, a profile, or both; and what came of it."""
    with CaptureQueriesContext(connection) as statements:
        result = action()
    columns = [query["sql"].split()[1] for query in statements.captured_queries if " AS person" in query["sql"]]
    return [{"person.xmin,": "version", "person.id,": "profile"}[column] for column in columns], result


def test_the_primary_says_which_version_and_the_replica_shows_it(header, alice, bob, settings):
    charlie = User.objects.get_or_register(CHARLIE)[0]
    services.activate_invite(user=alice, invite_code=charlie.invite_code)
    calls = [
        lambda: services.own_profile(authorization=header),
        lambda: services.profile_of(user=alice),
        lambda: services.user_page(viewer=bob, user_id=str(alice.id)),
    ]
    shown = [asked_of_primary(call) for call in calls]
    settings.DATABASE_REPLICA = {}
    assert shown == [(FROM_REPLICA, result) for _, result in map(asked_of_primary, calls)]
    assert shown[0][1].phones == [BOB]
    assert shown[0][1].activated_invite_code == charlie.invite_code
    assert shown[2][1].phones == ["+7 913 ***-**-12"]


def test_without_one_there_is_one_statement_as_ever(header, settings):
    settings.DATABASE_REPLICA = {}
    assert asked_of_primary(lambda: services.own_profile(authorization=header))[0] == FROM_PRIMARY


def test_its_statement_is_prepared_once_a_connection_as_the_primarys_are(header, beside, settings):
    plain = services.own_profile(authorization=header)
    settings.DATABASE_PREPARE = True
    assert [services.own_profile(authorization=header) for _ in range(3)] == [plain] * 3
    [kept] = beside._idle.queue
    assert list(kept.prepared.values()) == ["EXECUTE prepared_0 (%(user)s, %(xmin)s, %(inviter)s)"]


# --- It lags -------------------------------------------------------------------------------------------------------


def somebody_comes(alice):
    Activation.objects.create(invitee=User.objects.get_or_register(CHARLIE)[0], inviter=alice)
    return {"phones": [CHARLIE, BOB], "referrals_count": 2}


def the_one_who_came_leaves(alice):
    User.objects.filter(phone=BOB).update(phone=None, is_active=False)
    return {"phones": ["***"], "referrals_count": 1}


def a_number_changes(alice):
    User.objects.filter(phone=BOB).update(phone=CHARLIE)
    return {"phones": [CHARLIE]}


def ones_own_number_changes(alice):
    User.objects.filter(id=alice.id).update(phone=CHARLIE)
    return {"phone": CHARLIE}


def one_is_invited(alice):
    inviter = User.objects.get_or_register(CHARLIE)[0]
    services.activate_invite(user=alice, invite_code=inviter.invite_code)
    return {"activated_invite_code": inviter.invite_code}


@pytest.mark.parametrize(
    "change",
    [somebody_comes, the_one_who_came_leaves, a_number_changes, ones_own_number_changes, one_is_invited],
    ids=lambda change: change.__name__,
)
def test_what_was_written_is_read_at_once_however_far_the_replica_lags(header, alice, told, change):
    services.own_profile(authorization=header)
    with transaction.atomic():
        expected = change(alice)
        statements, profile = asked_of_primary(lambda: services.own_profile(authorization=header))
    assert {name: getattr(profile, name) for name in expected} == expected
    assert statements == LAGGING
    statements, same = asked_of_primary(lambda: services.own_profile(authorization=header))
    assert (statements, same) == (FROM_REPLICA, profile)  # it has caught up
    assert told() == []


def test_a_first_sign_in_is_read_at_once(beside, browser):
    services.request_code(phone=ALICE, client=browser)
    with transaction.atomic():
        newcomer = User.objects.get_or_register(ALICE)[0]
        header = f"Bearer {tokens.issue(tokens.open_session(newcomer, browser)).access}"
        statements, profile = asked_of_primary(lambda: services.own_profile(authorization=header))
    assert (statements, profile.phone) == (LAGGING, ALICE)


@pytest.mark.parametrize(
    "end",
    [
        lambda alice: Session.objects.update(ended_at=timezone.now()),
        lambda alice: User.objects.filter(id=alice.id).update(is_active=False),
    ],
    ids=["signed out", "switched off"],
)
def test_the_primary_alone_says_who_is_signed_in(header, alice, beside, monkeypatch, end):
    monkeypatch.setattr(beside, "fetch", lambda *arguments: pytest.fail("the replica was asked"))
    with transaction.atomic():
        end(alice)
        with pytest.raises(errors.InvalidToken):
            services.own_profile(authorization=header)


# --- It is away ----------------------------------------------------------------------------------------------------


@pytest.fixture
def silent():
    """A host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        server.setblocking(False)
        yield server


def address_of(server) -> dict[str, str]:
    return {"host": "127.0.0.1", "port": str(server.getsockname()[1]), "dbname": "zovi"}


def callers(server) -> int:
    """How many have called since this was last asked."""
    count = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def rested(asked):
    asked._away_until = time.monotonic()


def test_one_that_refuses_is_left_alone_and_noted_once(header, beside, settings, silent, told):
    there = settings.DATABASE_REPLICA
    settings.DATABASE_REPLICA = address_of(silent) | {"password": "a-secret"}
    silent.close()
    read = lambda: asked_of_primary(lambda: services.own_profile(authorization=header).phones)  # noqa: E731

    assert read() == (LAGGING, [BOB])
    assert [read() for _ in range(3)] == [(FROM_PRIMARY, [BOB])] * 3
    rested(beside)
    assert [read(), read()] == [(LAGGING, [BOB]), (FROM_PRIMARY, [BOB])]
    assert [event for event, _ in told()] == ["replica_away"]
    assert "Connection refused" in told()[0][1]
    assert "a-secret" not in told()[0][1]

    settings.DATABASE_REPLICA = there
    rested(beside)
    assert [read(), read()] == [(FROM_REPLICA, [BOB])] * 2
    assert [event for event, _ in told()] == ["replica_away", "replica_back"]


def test_one_that_is_silent_costs_a_moment_and_then_nobody_but_a_scout(header, settings, silent, told, monkeypatch):
    monkeypatch.setattr(replica, "PATIENCE", 0.2)
    settings.DATABASE_REPLICA = address_of(silent)
    started = time.monotonic()
    assert services.own_profile(authorization=header).phones == [BOB]
    assert 0.2 <= time.monotonic() - started < 1
    assert callers(silent) == 1

    assert at_once(16, lambda _: services.own_profile(authorization=header).phones) == [[BOB]] * 16
    assert callers(silent) == 0
    rested(profile_query.replica)
    assert at_once(16, lambda _: services.own_profile(authorization=header).phones) == [[BOB]] * 16
    assert callers(silent) == 1
    assert told() == [("replica_away", "it did not answer in time")]


def test_one_that_says_a_little_and_never_enough_is_as_good_as_silent(header, settings, monkeypatch, told):
    def dribble(server):
        with server.accept()[0] as client, suppress(OSError):
            client.recv(8)  # may we talk TLS? No.
            client.sendall(b"N")
            client.sendall(b"E\0\0\x40\0")  # the beginning of a long message
            while True:
                client.sendall(b".")
                time.sleep(0.01)

    monkeypatch.setattr(replica, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        dribbling = threading.Thread(target=dribble, args=(server,))
        dribbling.start()
        settings.DATABASE_REPLICA = address_of(server)
        started = time.monotonic()
        assert services.own_profile(authorization=header).phones == [BOB]
        assert 0.2 <= time.monotonic() - started < 1
        dribbling.join()
    assert told() == [("replica_away", "it did not answer in time")]


def test_one_that_cannot_answer_the_statement_is_a_replica_that_is_away(header, beside, settings, told):
    settings.DATABASE_REPLICA |= {"options": "-c search_path=pg_catalog"}
    statements, profile = asked_of_primary(lambda: services.own_profile(authorization=header))
    assert (statements, profile.phones) == (LAGGING, [BOB])
    assert told() == [("replica_away", 'relation "users_user" does not exist')]
    assert beside._idle.empty()


def test_a_connection_that_the_server_has_closed_is_replaced(header, beside, told):
    services.own_profile(authorization=header)
    [kept] = beside._idle.queue
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [kept.info.backend_pid])
        assert cursor.fetchone() == (True,)
    assert asked_of_primary(lambda: services.own_profile(authorization=header))[0] == FROM_REPLICA
    [other] = beside._idle.queue
    assert (kept.closed, other is kept, told()) == (1, False, [])


def test_an_answer_to_an_old_question_does_not_bring_it_back(header, beside, told):
    """Somebody asked before it failed, and is answered after."""
    services.own_profile(authorization=header)
    beside._failed(replica.psycopg2.OperationalError("gone"))
    assert beside.fetch("SELECT %(one)s + 1", one=1) == (2,)
    assert not beside.is_worth_asking()
    assert told() == [("replica_away", "gone")]


def test_many_at_once_hold_no_more_connections_than_the_primary_gives(header, beside, settings):
    shown = at_once(30, lambda _: [services.own_profile(authorization=header).phones for _ in range(5)])
    assert shown == [[[BOB]] * 5] * 30
    assert 1 <= beside._idle.qsize() <= settings.DATABASE_POOL_SIZE


# --- Leaving makes a new version of somebody else's row -------------------------------------------------------------


@pytest.mark.parametrize("round_", range(5))
def test_two_who_invited_each_other_may_leave_at_once(transactional_db, alice, bob, round_):
    Activation.objects.create(invitee=bob, inviter=alice)
    Activation.objects.create(invitee=alice, inviter=bob)

    def leave(number):
        with transaction.atomic():
            User.objects.filter(id=(alice, bob)[number].id).update(phone=None, is_active=False)

    assert at_once(2, leave) == [None, None]
    assert set(Activation.objects.values_list("invitee_phone", flat=True)) == {None}


def test_a_fork_leaves_its_parents_connections_alone(beside, header):
    services.own_profile(authorization=header)
    assert beside._idle.qsize() == 1
    child = os.fork()
    if not child:
        os._exit(beside._idle.qsize())
    assert os.waitpid(child, 0)[1] == 0
    assert beside._idle.qsize() == 1
