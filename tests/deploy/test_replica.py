"""A real streaming replica beside a real server: what was written is read at once, and nobody waits for the replica."""

import signal
import threading
import time

import psutil
import pytest
import requests
from psycopg2.extensions import parse_dsn

from conftest import at_once
from project import localdb
from project.tests.test_server import Zovi, wait_until
from tests.deploy.standby import Cluster, Standby
from users.services import replica
from users.services.replica import PATIENCE, PAUSE

_numbers = iter(range(10**6))


def new_phone() -> str:
    return f"+7914{next(_numbers):07}"


class Person:
    """Somebody signed in, over REST."""

    def __init__(self, site):
        self.site = site
        self.phone = new_phone()
        self.session = site.zovi.sign_in(self.phone)
        self.id, self.code = (self.me()[name] for name in ("id", "invite_code"))

    def call(self, method: str, path: str, **body) -> requests.Response:
        return self.session.request(method, f"{self.site.zovi.base}/api/users/{path}", json=body or None, timeout=20)

    def me(self) -> dict:
        answer = self.call("GET", "me/")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def come_by(self, inviter: "Person") -> None:
        assert self.call("POST", "referal/", activated_invite_code=inviter.code).status_code == 200

    def leave(self) -> None:
        sent = self.call("POST", "send_otp/", phone_number=self.phone).json()
        assert self.call("DELETE", "me/", otp=sent["otp"], challenge=sent["challenge"]).status_code == 204

    def read_from(self) -> str:
        """Which of the two a read of one's own profile came from."""
        before = self.site.asked(self.id)
        self.me()
        version, primary, replica = (now - then for now, then in zip(self.site.asked(self.id), before, strict=True))
        return {(1, 0, 1): "replica", (1, 1, 1): "primary, the replica lags", (0, 1, 0): "primary"}[
            version, primary, replica
        ]


class Site:
    """Statements go as they are written, so that a log tells what they ask for."""

    def __init__(self, folder):
        self.primary = Cluster(folder / "primary")
        self.standby = Standby(folder / "standby", "-c", "max_standby_streaming_delay=0")
        places = {"DATABASE_URL": self.primary.url, "DATABASE_REPLICA_URL": self.standby.url}
        self.zovi = Zovi(folder, DATABASE_PREPARE="0", **places)

    def asked(self, person: str) -> tuple[int, int, int]:
        """How often for the version of a profile, for the profile, and of the replica for that version."""
        return (
            self.primary.asked("SELECT person.xmin,", person),
            self.primary.asked("SELECT person.id,", person),
            self.standby.asked("SELECT person.id,", person),
        )

    def caught_up(self) -> None:
        [(written,)] = self.primary.ask("SELECT pg_current_wal_lsn()::text")
        wait_until(lambda: self.standby.ask("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written) == [(True,)])

    def told(self, event: str) -> int:
        return (self.zovi.folder / "server.log").read_text().count(f'"{event}"')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site"))
    site.primary.start()
    try:
        site.standby.follow(site.primary)
        site.zovi.start()
        yield site
        assert site.zovi.stop() == 0
    finally:
        site.standby.stop()
        site.primary.stop()


@pytest.fixture
def lagging(site):
    """The replica, as it was when the test's people had signed in."""

    def lag():
        site.caught_up()
        site.standby.pause()

    yield lag
    site.standby.resume()
    site.caught_up()


def test_profiles_are_read_from_a_replica_that_streams(site):
    person, guest = Person(site), Person(site)
    guest.come_by(person)
    site.caught_up()
    assert site.primary.ask("SELECT state FROM pg_stat_replication") == [("streaming",)]
    assert site.standby.ask("SELECT pg_is_in_recovery()") == [(True,)]
    assert [person.read_from() for _ in range(5)] == ["replica"] * 5
    assert person.me()["refs"] == [guest.phone]
    somebody = guest.call("GET", f"{person.id}/").json()
    assert somebody["refs_count"] == 1
    assert site.primary.asked("SELECT person.id,", person.id) == 0


def test_an_activation_is_read_at_once_by_both(site, lagging):
    inviter, guest, reader = Person(site), Person(site), Person(site)
    lagging()
    guest.come_by(inviter)
    assert guest.me()["activated_invite_code"] == inviter.code
    assert (inviter.me()["refs"], inviter.me()["refs_count"]) == ([guest.phone], 1)
    assert reader.call("GET", f"{inviter.id}/").json()["refs_count"] == 1
    assert {inviter.read_from(), guest.read_from()} == {"primary, the replica lags"}
    assert reader.read_from() == "replica"  # nothing of theirs has changed

    site.standby.resume()
    site.caught_up()
    assert {person.read_from() for person in (inviter, guest, reader)} == {"replica"}
    assert inviter.me()["refs"] == [guest.phone]


def test_a_first_sign_in_is_read_at_once(site, lagging):
    lagging()
    person = Person(site)
    assert person.me()["phone_number"] == person.phone


def test_a_logout_is_refused_at_once(site, lagging):
    person = Person(site)
    lagging()
    assert person.read_from() == "replica"
    assert person.call("POST", "logout/").status_code == 204
    assert [person.call("GET", "me/").status_code for _ in range(5)] == [401] * 5


def test_the_number_of_who_has_left_is_gone_at_once(site, lagging):
    inviter, guest = Person(site), Person(site)
    guest.come_by(inviter)
    lagging()
    assert (inviter.read_from(), inviter.me()["refs"]) == ("replica", [guest.phone])
    guest.leave()
    assert (inviter.me()["refs"], inviter.me()["refs_count"]) == (["***"], 1)


class Load:
    """Six people who read their profiles without a pause, and how long each read took."""

    def __init__(self, site):
        self.people = [Person(site) for _ in range(6)]
        self.statuses: list[int] = []
        self.seconds: list[float] = []
        self.over = threading.Event()

    def __enter__(self):
        self.threads = [threading.Thread(target=self.read, args=(person,)) for person in self.people]
        for thread in self.threads:
            thread.start()
        wait_until(lambda: len(self.statuses) > 50)
        return self

    def __exit__(self, *_):
        count = len(self.statuses)
        wait_until(lambda: len(self.statuses) > count + 50)
        self.over.set()
        for thread in self.threads:
            thread.join()

    def read(self, person: Person) -> None:
        while not self.over.wait(0.005):
            started = time.monotonic()
            self.statuses.append(person.call("GET", "me/").status_code)
            self.seconds.append(time.monotonic() - started)


def is_back(site, person):
    """Each process finds out for itself, so some reads in a row must come from it."""
    site.caught_up()
    wait_until(lambda: [person.read_from() for _ in range(6)] == ["replica"] * 6, seconds=3 * PAUSE)


def test_a_replica_that_stops_under_load_fails_no_read_and_serves_again_when_it_is_back(site):
    person, told = Person(site), site.told("replica_away")
    with Load(site) as load:
        site.standby.stop()
    assert set(load.statuses) == {200}
    assert person.read_from() == "primary"
    assert 1 <= site.told("replica_away") - told <= 2  # once a process

    with Load(site) as load:
        site.standby.start()
        is_back(site, person)
    assert set(load.statuses) == {200}


def test_a_replica_that_hangs_under_load_costs_a_moment_once(site):
    person = Person(site)
    is_back(site, person)
    server = psutil.Process(localdb._pid(site.standby.folder))
    hung = [server, *server.children()]
    with Load(site) as load:
        for process in hung:
            process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        for process in hung:
            process.send_signal(signal.SIGCONT)
    assert set(load.statuses) == {200}
    slow = [seconds for seconds in load.seconds if seconds >= PATIENCE]
    assert 1 <= len(slow) <= len(load.people)
    assert max(slow) < PATIENCE + 1
    is_back(site, person)


def test_a_statement_that_recovery_cancels_is_for_the_primary(site, settings, monkeypatch, caplog):
    monkeypatch.setattr(replica, "PATIENCE", 10.0)
    settings.DATABASE_REPLICA = parse_dsn(site.standby.url)
    asked = replica.Replica()

    def vacuum(_):
        wait_until(lambda: site.standby.asked("pg_sleep"))
        site.primary.ask("UPDATE users_user SET is_staff = is_staff")
        site.primary.ask("VACUUM users_user")

    rows = at_once(2, lambda number: vacuum(0) if number else asked.fetch("SELECT pg_sleep(%(long)s)", long=10))
    assert rows == [None, None]
    [record] = [record for record in caplog.records if record.getMessage() == "replica_away"]
    assert record.facts == {"why": "canceling statement due to conflict with recovery"}
    assert not asked.is_worth_asking()
