"""Webhooks of the running server: signed as the reference verifiers want it, delivered beside it and ended with it."""

import signal

import psutil
import pytest

from project import localdb
from tests.support import live
from tests.support.receivers import OLD_SECRET, SECRET, Receiver, receiver
from tests.support.servers import Zovi, wait_until
from tests.support.verifiers import refused_by_npm

DEADLINE = 300  # seconds, generous: what a busy machine may need
WAITING = "SELECT count(*) FROM users_delivery WHERE delivered_at IS NULL"


@pytest.fixture
def backend():
    with receiver() as server:
        yield server


def serving(folder, backend: Receiver, **secrets: str):
    return live.demo(folder, WEBHOOK_URLS=backend.url, WEB_CONCURRENCY="1", **secrets)


def deliverer_of(zovi: Zovi) -> psutil.Process:
    [process] = [
        child for child in psutil.Process(zovi.process.pid).children() if "--until-input-ends" in child.cmdline()
    ]
    return process


def test_the_reference_verifiers_take_every_delivery_before_during_and_after_a_rotation(tmp_path, backend):
    steps = [
        ({"WEBHOOK_SECRET": OLD_SECRET}, [OLD_SECRET]),
        ({"WEBHOOK_SECRET": SECRET, "WEBHOOK_SECRET_FALLBACK": OLD_SECRET}, [OLD_SECRET, SECRET]),
        ({"WEBHOOK_SECRET": SECRET}, [SECRET]),
    ]
    for number, (secrets, known) in enumerate(steps):
        backend.received.clear()
        with serving(tmp_path, backend, **secrets) as zovi:
            zovi.sign_in(f"+791355500{number:02}")
            wait_until(lambda: len(backend.received) == 2, DEADLINE)
        assert {event["type"] for event in backend.events} == {"user.created", "user.signed_in"}
        for secret in known:
            assert len(backend.verified(secret)) == 2
            assert refused_by_npm(backend.received, secret) == []
        for stranger in {SECRET, OLD_SECRET} - set(known):
            assert len(refused_by_npm(backend.received, stranger)) == 2


def test_what_was_acknowledged_while_it_stopped_does_not_come_again(tmp_path, backend):
    """And a receiver that hangs is in nobody's way."""
    backend.may_answer.clear()
    with serving(tmp_path, backend, WEBHOOK_SECRET=SECRET) as zovi:
        client = zovi.sign_in()
        wait_until(lambda: len(backend.received) == 2, DEADLINE)
        assert client.get(f"{zovi.base}/api/users/me/").status_code == 200
        zovi.process.send_signal(signal.SIGTERM)
        backend.may_answer.set()
        assert zovi.process.wait(timeout=DEADLINE) == 0
        zovi.log.close()
        zovi.start()
        assert live.query(zovi, WAITING) == [(0,)]
        zovi.sign_in()
        wait_until(lambda: len(backend.received) == 3, DEADLINE)
    assert len({event["id"] for event in backend.events}) == 3


@pytest.fixture
def database(tmp_path):
    """One that the server does not start again by itself."""
    cluster = tmp_path / "postgres"
    localdb.hold(cluster)
    yield localdb.url(cluster, localdb.DEMO_DATABASE)
    localdb.release(cluster)


def test_a_deliverer_waits_for_a_database_that_is_away_and_says_so_in_one_line(tmp_path, backend, database):
    """One that has begun before, and one that begins meanwhile."""
    with serving(tmp_path, backend, WEBHOOK_SECRET=SECRET, DATABASE_URL=database) as zovi:
        first = deliverer_of(zovi)
        live.crash_database(zovi)
        wait_until(lambda: len(waiting_lines(zovi)) == 1, DEADLINE)
        first.kill()
        wait_until(lambda: len(waiting_lines(zovi)) == 2, DEADLINE)
        second = deliverer_of(zovi)
        live.start_database(zovi)
        wait_until(zovi.is_ready, DEADLINE)
        zovi.sign_in()
        wait_until(lambda: len(backend.received) == 2, DEADLINE)
        assert deliverer_of(zovi) == second
        assert len(waiting_lines(zovi)) == 2
    log = (tmp_path / "server.log").read_text()
    assert ("Traceback" in log, '"trace"' in log) == (False, False)


def waiting_lines(zovi: Zovi) -> list[str]:
    said = "no events can be delivered until the database is back: OperationalError"
    return [line for line in (zovi.folder / "server.log").read_text().splitlines() if said in line]


def test_a_deliverer_that_was_killed_is_started_again_and_ends_with_the_server(tmp_path, backend):
    with serving(tmp_path, backend, WEBHOOK_SECRET=SECRET) as zovi:
        killed = deliverer_of(zovi)
        killed.kill()
        zovi.sign_in()
        wait_until(lambda: len(backend.received) == 2, DEADLINE)
        successor = deliverer_of(zovi)
        assert successor.pid != killed.pid
        zovi.process.kill()  # nobody tells the deliverer
        zovi.process.wait()
        zovi.log.close()
        wait_until(lambda: not successor.is_running() or successor.status() == psutil.STATUS_ZOMBIE, DEADLINE)
        zovi.kill_everything()  # the database, which nobody was left to stop
