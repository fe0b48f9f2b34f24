"""Loads, each in a process of its own: wrk for reads where it is installed, else and for all else `bench/client.py`."""

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass

from bench import servers
from project import env

CONNECTIONS = 8
WRK = shutil.which("wrk")
REQUESTS = env.LOCAL / "bench.requests"  # what wrk sends


@dataclass(frozen=True)
class Load:
    """`items` are what the flow of that name in `bench/flows.py` does, one at a time; once each without `seconds`."""

    flow: str
    server: servers.Server
    items: list
    holds: str = ""
    connections: int = CONNECTIONS
    seconds: float = 0


@dataclass
class Outcome:
    """`cpu` is what the load itself took, in seconds."""

    done: int
    took: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    refused: int
    failed: dict[str, int]
    results: list
    cpu: float = 0.0


class Running:
    def __init__(self, process: subprocess.Popen):
        self.process = process

    def runs(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> Outcome:
        self.process.terminate()
        return self.outcome()

    def outcome(self) -> Outcome:
        before = _cpu_of_ended()
        said = self.process.stdout.read()
        if self.process.wait():
            raise RuntimeError("the load generator failed")
        return Outcome(**json.loads(said.strip().splitlines()[-1]), cpu=_cpu_of_ended() - before)


def start(load: Load) -> Running:
    return _wrk(load) if WRK and load.flow == "read" and load.seconds else own(load)


def own(load: Load) -> Running:
    command = [sys.executable, "-m", "bench.client"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    job = vars(load) | {"server": None, "port": load.server.port, "prefix": load.server.prefix}
    json.dump(job, process.stdin)
    process.stdin.close()
    return Running(process)


def _wrk(load: Load) -> Running:
    REQUESTS.write_text("\0".join(load.items), newline="")
    command = [WRK, "--threads", "1", "--connections", str(load.connections), "--duration", str(load.seconds)]
    command += ["--timeout", "30", "--script", "bench/wrk.lua", f"http://127.0.0.1:{load.server.port}"]
    command += ["--", str(REQUESTS), load.holds]
    return Running(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))


def _cpu_of_ended() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime
