"""docs/high-availability.md walked: the primary is killed, and switched, under sign-ins and activations."""

import json
import re
import time

import pytest

from tests.deploy import patroni
from tests.support import live
from tests.support.servers import Zovi, wait_until

PHONES = "SELECT phone FROM users_user"
INVITEES = "SELECT phone FROM users_activation JOIN users_user ON users_user.id = invitee_id"
PEOPLE = 6


@pytest.fixture(scope="module")
def machines():
    with patroni.trio() as machines:
        yield machines


@pytest.fixture(scope="module")
def zovi(machines, tmp_path_factory):
    with live.demo(tmp_path_factory.mktemp("zovi"), DATABASE_URL=machines.database_url) as server:
        yield server


class Watch(live.People):
    """People, and what they were told, from before something happens until it is over."""

    def wait_for_more(self, count: int = 30) -> None:
        """So many activations more are confirmed."""
        before = len(self.activated)
        wait_until(lambda: len(self.activated) >= before + count)

    def seconds_refused(self) -> float:
        """From the first to the last refusal."""
        refused = self.refused()
        return max(answer.at for answer in refused) - min(answer.at for answer in refused) if refused else 0.0

    def figure(self, machines: patroni.Trio) -> str:
        confirmed = len(self.signed_in) + len(self.activated)
        lost = self.lost(machines.column(PHONES), machines.column(INVITEES))
        return (
            f"{self.seconds_refused():.1f} s of 503, {len(self.refused())} requests refused,"
            f" {confirmed} sign-ins and activations confirmed, {lost} lost,"
            f" the slowest answer after {max(answer.seconds for answer in self.answers):.1f} s"
        )

    def require_only_honest_answers(self, machines: patroni.Trio) -> None:
        assert self.unexpected == []
        assert {(answer.status, answer.retry_after) for answer in self.refused()} <= {(503, "1")}
        assert self.lost(machines.column(PHONES), machines.column(INVITEES)) == 0


def seconds_away(zovi: Zovi) -> list[float]:
    """As the log tells it, once for each process that noticed."""
    lines = (zovi.folder / "server.log").read_text().splitlines()
    return [json.loads(line)["seconds"] for line in lines if re.search(r'"event": "database_back"', line)]


def test_a_killed_primary_loses_nothing_that_was_confirmed(machines, zovi, figure):
    assert machines.members() == {"h1": "leader running", "h2": "sync_standby running"}
    with Watch(zovi, PEOPLE, pause=0.1) as people:
        people.wait_for_more()
        machines.kill("h1")
        killed = time.monotonic()
        people.wait_for_more()
    assert machines.primary() == "h2"
    assert len(people.refused()) > PEOPLE
    people.require_only_honest_answers(machines)
    assert 0 < max(seconds_away(zovi)) < time.monotonic() - killed
    figure(people.figure(machines))


def test_who_died_comes_back_and_a_planned_switch_loses_nothing(machines, zovi, figure):
    machines.start_patroni("h1")
    machines.wait_for_standby()
    with Watch(zovi, PEOPLE, pause=0.1) as people:
        people.wait_for_more()
        machines.switch_over(to="h1")
        wait_until(lambda: machines.primary() == "h1")
        people.wait_for_more()
    people.require_only_honest_answers(machines)
    figure(people.figure(machines))


def test_without_its_standby_the_primary_goes_on_alone(machines, zovi, figure):
    """Commits wait until Patroni does without it; who waits for the locks of those may be refused."""
    machines.wait_for_standby()
    with Watch(zovi, PEOPLE, pause=0.1) as people:
        people.wait_for_more()
        machines.kill("h2")
        people.wait_for_more()
    assert machines.primary() == "h1"
    people.require_only_honest_answers(machines)
    figure(people.figure(machines))
