"""`make bench`: every contender in turn, round after round, on the same machine and data; then the table of goals.

One round measures each of them once, so whatever else the machine does meets all alike; figures are medians of rounds.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench import report, servers
from bench.data import Database
from bench.report import CONNECTIONS
from project import env, localdb

CLUSTER = env.LOCAL / "postgres-bench"
LOG = env.LOCAL / "bench.log"
FIRST_PORT = int(os.environ.get("BENCH_PORT", "8240"))
WARM_SECONDS = 0.5
ME, REFS, GRAPHQL, SEND, VERIFY, ACTIVATE = (
    "/api/users/me/",
    "/api/users/me/refs/",
    "/graphql/",
    "/api/users/send_otp/",
    "/api/users/auth/",
    "/api/users/referal/",
)


@dataclass(frozen=True)
class Size:
    users: int
    many_users: int
    most_referrals: int
    rounds: int
    seconds: float
    crowd: int


FULL = Size(users=10_000, many_users=1_000_000, most_referrals=100_000, rounds=5, seconds=2.5, crowd=1000)
SHORT = Size(users=2_500, many_users=5_000, most_referrals=2_000, rounds=1, seconds=0.4, crowd=60)


@dataclass(frozen=True)
class Job:
    name: str
    server: servers.Server
    flow: str
    arguments: dict
    connections: int = CONNECTIONS
    seconds: float | None = None  # None: as the run says; 0: each connection once


@dataclass
class Measured:
    """Medians are of rounds. Microseconds of processor time are per answered flow."""

    rate: list[float] = field(default_factory=list)
    app_us: list[float] = field(default_factory=list)
    database_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    def median(self, what: str) -> float:
        return statistics.median(getattr(self, what)) if self.rate else float("nan")


class Bench:
    def __init__(self, size: Size):
        self.size = size
        self.measured: dict[str, Measured] = {}
        self.facts: dict[str, float] = {}
        self.next_number = 100_000_000  # of telephones nobody has used yet
        self.next_port = FIRST_PORT
        self.entered = 0  # newcomers who have activated a code

    def port(self) -> int:
        self.next_port += 1
        return self.next_port

    def fresh_numbers(self) -> int:
        self.next_number += 1_000_000
        return self.next_number

    def measure(self, job: Job) -> None:
        measured = self.measured.setdefault(job.name, Measured())
        seconds = self.size.seconds if job.seconds is None else job.seconds
        server, database = job.server.cpu_seconds(), database_cpu()
        result = finish(start_load(job, seconds))
        server, database = job.server.cpu_seconds() - server, database_cpu() - database
        for error, count in result["errors"].items():
            measured.errors[error] = measured.errors.get(error, 0) + count
        steps = [sorted(step) for step in result["durations"].values()]
        if not steps:
            return
        flows = len(steps[-1])
        measured.rate.append(flows / result["took"])
        measured.app_us.append(server / flows * 1e6)
        measured.database_us.append(database / flows * 1e6)
        measured.p50_ms.append(sum(step[len(step) // 2] for step in steps) * 1e3)
        measured.p99_ms.append(sum(step[len(step) * 99 // 100] for step in steps) * 1e3)


def warm(*jobs: Job) -> None:
    """Connections are opened and code is loaded before anything counts."""
    for job in jobs:
        finish(start_load(job, WARM_SECONDS))


def start_load(job: Job, seconds: float) -> subprocess.Popen:
    load = subprocess.Popen(
        [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    order = {"port": job.server.port, "flow": job.flow, "arguments": job.arguments, "connections": job.connections}
    json.dump(order | {"seconds": seconds}, load.stdin)
    load.stdin.close()
    return load


def finish(load: subprocess.Popen) -> dict:
    result = json.loads(load.stdout.read())
    if load.wait():
        raise RuntimeError("the load generator failed")
    return result


def database_cpu() -> float:
    server = psutil.Process(localdb._pid(CLUSTER))
    return servers.cpu_seconds([server, *server.children(recursive=True)])


@contextmanager
def running(*contenders: servers.Server) -> Iterator[None]:
    with ExitStack() as stack, LOG.open("ab") as log:
        for server in contenders:
            stack.callback(server.stop)
            server.start(log)
        for server in contenders:
            server.wait()
        yield


def people(database: Database, key: str) -> dict:
    environment = {"DATABASE_URL": database.url, "DEMO": "1", "JWT_SECRET_KEY": key, "ACCESS_TOKEN_TTL": "86400"}
    command = [sys.executable, "-m", "bench.people"]
    done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def ours(pairs: list) -> list[str]:
    return [pair[0] for pair in pairs]


def baseline(pairs: list) -> list[str]:
    return [pair[1] for pair in pairs]


def get(name: str, server: servers.Server, path: str, tokens: list[str], holds: str = "invite_code") -> Job:
    return Job(name, server, "get", {"name": "get", "path": path, "tokens": tokens, "holds": holds})


def graphql(name: str, server: servers.Server, tokens: list[str]) -> Job:
    return Job(name, server, "graphql_me", {"name": "me", "path": GRAPHQL, "tokens": tokens})


def compare_reads(bench: Bench, database: Database, key: str, who: dict) -> None:
    """Everybody's profile read, and our first sign-in and activation beside the idiomatic ones."""
    zovi = servers.ours("Zovi", bench.port(), database, JWT_SECRET_KEY=key)
    floor, drf, readme, graphene, fastapi = (
        make(bench.port(), database, key)
        for make in (servers.floor, servers.drf, servers.drf_as_readme, servers.stock_graphene, servers.fastapi)
    )
    tokens, theirs = ours(who["ten"]), baseline(who["ten"])
    reads = [
        get("me", zovi, ME, tokens),
        graphql("graphql", zovi, tokens),
        get("refs", zovi, REFS, tokens, holds="results"),
        get("floor", floor, "/me/", theirs),
        get("fastapi", fastapi, "/me/", theirs),
        get("drf", drf, "/me/", theirs),
        get("readme", readme, "/me/", theirs),
        graphql("graphene", graphene, theirs),
    ]
    with running(zovi, floor, drf, readme, graphene, fastapi):
        bench.facts["idle_mb"] = zovi.memory_mb()
        warm(*reads)
        for number in range(bench.size.rounds):
            say(
                f"round {number + 1} of {bench.size.rounds}: reads, sign-ins, activations at {bench.size.users:,} users"
            )
            for job in [*reads, *writes(bench, zovi, drf, who)]:
                bench.measure(job)
        for server, name in ((fastapi, "fastapi_mb"), (drf, "drf_mb"), (floor, "floor_mb"), (zovi, "busy_mb")):
            bench.facts[name] = server.memory_mb()


def writes(bench: Bench, zovi: servers.Server, drf: servers.Server, who: dict) -> list[Job]:
    newcomers = ours(who["newcomers"])
    share = len(newcomers) // bench.size.rounds
    entering = newcomers[bench.entered : bench.entered + share]
    bench.entered += share
    theirs = {"send": "/send_otp/", "verify": "/auth/", "first_number": bench.fresh_numbers()}
    activation = {"path": ACTIVATE, "tokens": entering, "codes": who["invite_codes"]}
    return [
        sign_in(bench, "sign_in", zovi),
        Job("drf_sign_in", drf, "sign_in", theirs),
        Job("activate", zovi, "activate", activation, seconds=bench.size.seconds / 2),
    ]


def sign_in(bench: Bench, name: str, server: servers.Server) -> Job:
    return Job(name, server, "sign_in", {"send": SEND, "verify": VERIFY, "first_number": bench.fresh_numbers()})


def grow(bench: Bench, small: Database, large: Database, key: str, who: dict, many: dict) -> None:
    """The same server over few and over many users, and over few and many referrals."""
    few = servers.ours("Zovi, few users", bench.port(), small, JWT_SECRET_KEY=key)
    zovi = servers.ours("Zovi, many users", bench.port(), large, JWT_SECRET_KEY=key)
    bench.facts["most_referrals"] = many["most_count"]
    jobs = [
        get("me_few", few, ME, ours(who["ten"])),
        get("me_ten", zovi, ME, ours(many["ten"])),
        get("me_thousand", zovi, ME, ours(many["thousand"])),
        get("me_most", zovi, ME, ours(many["most"])),
        get("refs_most", zovi, REFS, ours(many["most"]), holds="results"),
    ]
    with running(few, zovi):
        warm(*jobs)
        for number in range(bench.size.rounds):
            say(f"round {number + 1} of {bench.size.rounds}: growth to {bench.size.many_users:,} users")
            for job in [*jobs, sign_in(bench, "sign_in_few", few), sign_in(bench, "sign_in_many", zovi)]:
                bench.measure(job)


def crowd(bench: Bench, database: Database, key: str, who: dict) -> None:
    """All ask for a code at the same moment and wait the simulated 1-2 s, while two readers go on."""
    zovi = servers.ours("Zovi, crowd", bench.port(), database, JWT_SECRET_KEY=key, SMS_SIMULATED_DELAY="1-2")
    reading = {"name": "get", "path": ME, "tokens": ours(who["ten"]), "holds": "invite_code"}
    waiting_mb = []
    with running(zovi):
        warm(Job("me_quiet", zovi, "get", reading))
        for number in range(bench.size.rounds):
            say(f"round {number + 1} of {bench.size.rounds}: {bench.size.crowd:,} people ask for a code at once")
            bench.measure(Job("me_quiet", zovi, "get", reading, connections=2))
            readers = start_load(Job("me_beside", zovi, "get", reading, connections=2), seconds=2)
            senders = start_load(send_job(bench, zovi), seconds=0)
            time.sleep(1)
            waiting_mb.append(zovi.memory_mb())
            note_latency(bench, "me_beside", finish(readers))
            note_latency(bench, "crowd", finish(senders))
    bench.facts["waiting_mb"] = max(waiting_mb)


def send_job(bench: Bench, server: servers.Server) -> Job:
    arguments = {"path": SEND, "first_number": bench.fresh_numbers()}
    return Job("crowd", server, "send_code", arguments, connections=bench.size.crowd)


def note_latency(bench: Bench, name: str, result: dict) -> None:
    measured = bench.measured.setdefault(name, Measured())
    for error, count in result["errors"].items():
        measured.errors[error] = measured.errors.get(error, 0) + count
    [times] = [sorted(step) for step in result["durations"].values()] or [[float("nan")]]
    measured.rate.append(len(times) / result["took"])
    measured.p50_ms.append(times[len(times) // 2] * 1e3)
    measured.p99_ms.append(times[len(times) * 99 // 100] * 1e3)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def measure_everything(size: Size) -> Bench:
    bench = Bench(size)
    key = secrets.token_urlsafe(48)
    small, large = Database("zovi_small", CLUSTER), Database("zovi_large", CLUSTER)
    say(f"seeding {size.users:,} users")
    small.create(size.users, 1000)
    small.add_baseline_tables()
    say(f"seeding {size.many_users:,} users, the first of them with {size.most_referrals:,} referrals")
    started = time.monotonic()
    large.create(size.many_users, size.most_referrals)
    bench.facts["seed_seconds"] = time.monotonic() - started
    who, many = people(small, key), people(large, key)
    crowd(bench, small, key, who)
    compare_reads(bench, small, key, who)
    grow(bench, small, large, key, who, many)
    return bench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only show that it runs: small data, no RESULTS.md")
    short = parser.parse_args().short
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ.pop("DATABASE_URL", None)
    started = time.time()
    load_before = os.getloadavg()[0]
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_bytes(b"")
    shutil.rmtree(CLUSTER, ignore_errors=True)
    localdb.hold(CLUSTER)
    try:
        bench = measure_everything(SHORT if short else FULL)
        text, chart = report.write(bench, took=time.time() - started, load_before=load_before)
    finally:
        localdb.release(CLUSTER)
        shutil.rmtree(CLUSTER, ignore_errors=True)
    print(text)
    folder = env.LOCAL / "bench" if short else Path(__file__).parent
    folder.mkdir(exist_ok=True)
    (folder / "RESULTS.md").write_text(text)
    (folder / "me.svg").write_text(chart)
    if not short:
        report.show_in_readmes(bench, env.ROOT)
    wrong = {name: measured.errors for name, measured in bench.measured.items() if measured.errors}
    if wrong:
        sys.exit(f"some answers were not what they should be: {wrong}")


if __name__ == "__main__":
    main()
