"""`make bench`: every contender in turn, round after round, on the same machine and data; then the table of goals.

One round measures each of them once, so whatever else the machine does meets all alike; figures are medians of rounds.
"""

import argparse
import base64
import hashlib
import hmac
import itertools
import os
import secrets
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import jwt
import psutil

from bench import flows, load, report, servers
from bench.data import Database, Person, postgres_of
from bench.load import Load, Outcome
from bench.results import CROWD, FULL, ROWS, SHORT, Results, Row, Size, crowd_of, readers_beside
from bench.servers import Server
from project import env, localdb

CLUSTER = env.LOCAL / "postgres-bench"
LOG = env.LOCAL / "bench.log"
FIRST_PORT = int(os.environ.get("BENCH_PORT", "8240"))
LOOK_SECONDS = 0.4  # between looks at the memory while a crowd waits
CROWD_SECONDS = 120  # readers beside it read on until it has its answers, but no longer
SIGN_INS = 10_000  # numbers for one round: more than anybody gets through
ACTIVATIONS = 400
GRAPHQL_ME = "{ me { inviteCode activatedInviteCode referrals } }"


class Bench:
    def __init__(self, size: Size, parts: set[str]):
        self.size = size
        self.rows = [name for name in ROWS if name in parts]
        self.with_crowd = CROWD in parts
        self.results = Results(size, machine_before=machine_now())
        self.small, self.large = (Database(name, CLUSTER) for name in ("few_users", "many_users"))
        self.postgres = postgres_of(CLUSTER)
        self.key = secrets.token_urlsafe(48)  # the baselines'
        self.next_number = 100_000_000  # of telephones nobody has used yet
        self.headers: dict[tuple[str, bool], list[str]] = {}  # who asks: of a server, the greatest inviter or others

    def run(self) -> Results:
        self.seed()
        if self.with_crowd:
            self.face_crowds()
        if self.rows:
            self.compare()
        return self.results

    def seed(self) -> None:
        say(f"seeding {self.size.users:,} users")
        self.small.create(self.size.users, referrals=1000)
        self.small.add_baseline_tables()
        self.people = self.small.inviters_of(10, self.size.readers)
        if any(ROWS[name].server == "zovi_many" for name in self.rows):
            say(f"seeding {self.size.many_users:,} users, one of them with {self.size.most_referrals:,} referrals")
            began = time.monotonic()
            self.large.create(self.size.many_users, self.size.most_referrals)
            self.results.seed_seconds = time.monotonic() - began

    # --- one row after the other --------------------------------------------------------------------------------------

    def compare(self) -> None:
        contenders = self.contenders({ROWS[name].server for name in self.rows})
        rows = {name: ROWS[name] for name in self.rows if ROWS[name].server in contenders}
        with running(contenders.values()):
            self.sign_in_everybody(contenders)
            for row in rows.values():
                self.warm(self.load(row, contenders[row.server]))
            self.results.memory_mb |= {name: server.memory_mb() for name, server in contenders.items()}
            for number in range(self.size.rounds):
                say(f"round {number + 1} of {self.size.rounds}: {', '.join(rows)}")
                for name, row in rows.items():
                    self.measure(name, self.load(row, contenders[row.server]))
            self.results.memory_mb |= {f"{name}, loaded": server.memory_mb() for name, server in contenders.items()}

    def contenders(self, names: set[str]) -> dict[str, Server]:
        every = {
            "zovi": servers.zovi(FIRST_PORT, self.small.url),
            "zovi_many": servers.zovi(FIRST_PORT + 1, self.large.url),
            **servers.baselines(FIRST_PORT + 2, self.small.url, self.key),
        }
        if "better_auth" in names - every.keys():
            say(f"without better-auth: {servers.why_no_better_auth()}")
        return {name: server for name, server in every.items() if name in names}

    def sign_in_everybody(self, contenders: dict[str, Server]) -> None:
        tokens = [flows.bearer(jwt.encode({"sub": person.id}, self.key, "HS256")) for person in self.people]
        cookies = [better_auth_cookie(person, self.key) for person in self.people]
        for name in contenders:
            self.headers[name, False] = cookies if name == "better_auth" else tokens
        if "zovi" in contenders:
            self.headers["zovi", False] = sign_in(contenders["zovi"], self.people)
        if "zovi_many" in contenders:
            people = self.large.inviters_of(10, self.size.readers)
            self.headers["zovi_many", False] = sign_in(contenders["zovi_many"], people)
            self.headers["zovi_many", True] = sign_in(contenders["zovi_many"], [self.large.greatest_inviter()])

    def load(self, row: Row, server: Server) -> Load:
        """What the clients of a row do in one round."""
        headers = self.headers[row.server, row.by_greatest]
        seconds = self.size.seconds
        match row.what:
            case "me":
                return read(server, "/me/", headers, seconds)
            case "refs":
                return read(server, "/me/refs/", headers, seconds, holds="results")
            case "graphql":
                asked = [flows.request("POST", "/graphql/", header, {"query": GRAPHQL_ME}) for header in headers]
                return Load("read", server, asked, holds="referrals", seconds=seconds)
            case "sign_in":
                return Load("sign_in", server, self.fresh_numbers(SIGN_INS), seconds=seconds)
            case "activate":
                newcomers = flow_once("sign_in", server, self.fresh_numbers(ACTIVATIONS)).results
                codes = itertools.cycle(person.invite_code for person in self.people)
                return Load("activate", server, list(zip(newcomers, codes, strict=False)))
        raise ValueError(row.what)

    def fresh_numbers(self, count: int) -> list[str]:
        self.next_number += count
        return [f"+79{number:09}" for number in range(self.next_number - count, self.next_number)]

    def warm(self, work: Load) -> None:
        """Connections are opened, code is loaded and answers are looked at before anything counts."""
        well(load.own(replace(work, seconds=self.size.warm_seconds)).outcome())

    def measure(self, name: str, work: Load) -> None:
        app, database = self.cpu_seconds(work.server)
        outcome = load.start(work).outcome()
        app_now, database_now = self.cpu_seconds(work.server)
        app, database = app_now - app, database_now - database
        self.note(name, outcome)
        if outcome.done:
            measured = self.results.row(name)
            measured.app_us.append(app / outcome.done * 1e6)
            measured.database_us.append(database / outcome.done * 1e6)
            share = outcome.cpu / (outcome.cpu + app + database)
            self.results.load_share = max(self.results.load_share, share)

    def note(self, name: str, outcome: Outcome) -> None:
        measured = self.results.row(name)
        measured.done += outcome.done
        measured.refused += outcome.refused
        measured.failed += Counter(outcome.failed)
        if outcome.done:
            measured.rate.append(outcome.done / outcome.took)
            measured.p50_ms.append(outcome.p50_ms)
            measured.p99_ms.append(outcome.p99_ms)
            measured.worst_ms.append(outcome.worst_ms)

    def cpu_seconds(self, server: Server) -> tuple[float, float]:
        return servers.cpu_seconds(server.family()), servers.cpu_seconds(servers.family(self.postgres))

    # --- many at once -------------------------------------------------------------------------------------------------

    def face_crowds(self) -> None:
        """All ask for a code at the same moment and wait the simulated 1-2 s, while readers go on."""
        zovi = servers.zovi(FIRST_PORT, self.small.url, SMS_SIMULATED_DELAY="1-2")
        with running([zovi]):
            headers = sign_in(zovi, self.people[: load.CONNECTIONS])
            reading = read(zovi, "/me/", headers, self.size.seconds)
            self.warm(reading)
            self.results.memory_mb["zovi, before the crowds"] = zovi.memory_mb()
            for people in self.size.crowds:
                for number in range(self.size.rounds):
                    say(f"round {number + 1} of {self.size.rounds}: {people:,} people ask for a code at once")
                    self.note(readers_beside(0), load.own(reading).outcome())
                    self.face_crowd(people, reading)

    def face_crowd(self, people: int, reading: Load) -> None:
        readers = load.own(replace(reading, seconds=CROWD_SECONDS))
        crowd = load.own(Load("send_code", reading.server, self.fresh_numbers(people), connections=people))
        most_mb = 0.0
        while crowd.runs():
            most_mb = max(most_mb, reading.server.memory_mb())
            time.sleep(LOOK_SECONDS)
        self.note(readers_beside(people), readers.stop())
        self.note(crowd_of(people), crowd.outcome())
        known = self.results.memory_mb.get(crowd_of(people), 0.0)
        self.results.memory_mb[crowd_of(people)] = max(known, most_mb)


def read(server: Server, path: str, headers: list[str], seconds: int, holds: str = "invite_code") -> Load:
    asked = [flows.request("GET", server.prefix + path, header) for header in headers]
    return Load("read", server, asked, holds=holds, seconds=seconds)


def sign_in(server: Server, people: list[Person]) -> list[str]:
    """As anybody does, by a code: the headers that say who asks."""
    return [flows.bearer(token) for token in flow_once("sign_in", server, [person.phone for person in people]).results]


def better_auth_cookie(person: Person, key: str) -> str:
    """For the session that `baselines/better_auth.mjs` gave them."""
    token = hashlib.md5(person.id.encode(), usedforsecurity=False).hexdigest()
    signature = base64.b64encode(hmac.digest(key.encode(), token.encode(), "sha256")).decode()
    return "Cookie: better-auth.session_token=" + quote(f"{token}.{signature}", safe="")


def flow_once(flow: str, server: Server, items: list) -> Outcome:
    return well(load.own(Load(flow, server, items)).outcome())


def well(outcome: Outcome) -> Outcome:
    if any(outcome.failed.values()) or outcome.refused or not outcome.done:
        raise RuntimeError(f"not what was expected: {outcome.failed}, {outcome.refused} refused")
    return outcome


@contextmanager
def running(contenders: Collection[Server]) -> Iterator[None]:
    try:
        with LOG.open("ab") as log:
            for server in contenders:
                server.start(log)
        for server in contenders:
            server.wait()
        yield
    finally:
        servers.stop(contenders)


def machine_now() -> str:
    busy = psutil.cpu_percent(interval=1)
    return f"load average {os.getloadavg()[0]:.1f}, processors {busy:.0f} % busy"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def arguments() -> argparse.Namespace:
    known = [*ROWS, CROWD]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only show that it runs: its figures mean nothing")
    parser.add_argument("--only", default=",".join(known), help="some of: %(default)s")
    given = parser.parse_args()
    given.parts = set(given.only.split(","))
    if given.parts - set(known):
        parser.error(f"not known: {', '.join(sorted(given.parts - set(known)))}")
    given.whole = not given.short and given.parts == set(known)
    return given


def main() -> None:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ.pop("DATABASE_URL", None)
    began = time.monotonic()
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_bytes(b"")
    shutil.rmtree(CLUSTER, ignore_errors=True)
    localdb.hold(CLUSTER)
    try:
        results = Bench(SHORT if given.short else FULL, given.parts).run()
    finally:
        localdb.release(CLUSTER)
        shutil.rmtree(CLUSTER, ignore_errors=True)
    text = report.text(results, minutes=(time.monotonic() - began) / 60)
    print(text)
    folder = Path(__file__).parent if given.whole else env.LOCAL / "bench"
    folder.mkdir(exist_ok=True)
    (folder / "RESULTS.md").write_text(text)
    (folder / "me.svg").write_text(report.chart(results))
    failed = {name: dict(row.failed) for name, row in results.rows.items() if row.failed}
    if failed:
        sys.exit(f"some answers were not what they should be: {failed}")


if __name__ == "__main__":
    main()
