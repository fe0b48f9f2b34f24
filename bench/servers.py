"""Servers under measurement: how each is started and stopped, and what it costs in processor time and memory."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

WORKERS = 2
START_SECONDS = 60
STOP_SECONDS = 30
BIN = Path(sys.executable).parent
BASELINES = Path(__file__).parent / "baselines"
NODE_MODULES = Path(__file__).parent / "node_modules"


@dataclass
class Server:
    """A contender. `command` may name the port; below `prefix` it has the calls of the REST API."""

    command: list[str]
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    prefix: str = ""
    process: subprocess.Popen | None = None

    def start(self, log) -> None:
        environment = os.environ | self.environment
        self.process = subprocess.Popen(self.command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(self.command)} did not start, see the log")
            time.sleep(0.1)

    def family(self) -> list[psutil.Process]:
        return family(psutil.Process(self.process.pid))

    def memory_mb(self) -> float:
        """Resident memory of all its processes; what they share is counted once (PSS)."""
        return sum(process.memory_full_info().pss for process in self.family()) / 2**20

    def _answers(self) -> bool:
        """Whether it answers, with anything."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.prefix}/me/", timeout=2)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


def stop(contenders: Iterable[Server]) -> None:
    """Asks all of them to end, and ends who does not."""
    started = [server for server in contenders if server.process and server.process.poll() is None]
    processes = [process for server in started for process in server.family()]
    for server in started:
        server.process.terminate()
    _gone, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in alive:
        process.kill()


def family(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """User and system time of processes that run, and of the first one's children that ended."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if process == processes[0]:
            total += times.children_user + times.children_system
    return total


def zovi(port: int, database: str, **environment: str) -> Server:
    """As `make run` starts it: a demo, whose limits are set off and whose messages take no time unless said."""
    settings = {
        "DEMO": "1",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_CONCURRENCY": str(WORKERS),
        "DATABASE_URL": database,
        "SMS_SIMULATED_DELAY": "0",
        "OTP_RESEND_COOLDOWN": "0",
        "OTP_SENDS_PER_PHONE": "off",
        "OTP_SENDS_PER_IP": "off",
        "OTP_FAILURES_PER_PHONE": "off",
        "INVITE_FAILURES_PER_USER": "off",
        "ACCESS_TOKEN_TTL": "86400",
    }
    command = [sys.executable, "manage.py", "serve"]
    return Server(command, port, settings | environment, prefix="/api/users")


def baselines(first_port: int, database: str, key: str) -> dict[str, Server]:
    """By name, each on the fastest server it has, with as many processes as Zovi."""
    environment = {"BENCH_DSN": database, "BENCH_KEY": key, "BENCH_WORKERS": str(WORKERS)}
    django = {"DJANGO_SETTINGS_MODULE": "bench.baselines.settings"}
    made = {
        "floor": (_granian(4, "bench.baselines.floor:application"), {}),
        "drf": (
            _granian(1, "--factory", "django.core.wsgi:get_wsgi_application"),
            django | {"BENCH_URLS": "bench.baselines.drf"},
        ),
        "graphene": (
            _granian(1, "--factory", "django.core.wsgi:get_wsgi_application"),
            django | {"BENCH_URLS": "bench.baselines.stock_graphene"},
        ),
        "fastapi": (_uvicorn("bench.baselines.fastapi_asyncpg:app"), {}),
    }
    if why_no_better_auth() is None:
        made["better_auth"] = (["node", str(BASELINES / "better_auth.mjs"), "--port"], {"NODE_ENV": "production"})
    return {
        name: Server([*command, str(port)], port, environment | more)
        for port, (name, (command, more)) in enumerate(made.items(), first_port)
    }


def why_no_better_auth() -> str | None:
    if shutil.which("node") is None:
        return "Node is not installed"
    return None if (NODE_MODULES / "fetched").exists() else "its packages could not be fetched"


def _granian(threads: int, *application: str) -> list[str]:
    command = [str(BIN / "granian"), "--interface", "wsgi", "--http", "1", "--no-ws", "--log-level", "warning"]
    return [*command, "--workers", str(WORKERS), "--blocking-threads", str(threads), *application, "--port"]


def _uvicorn(application: str) -> list[str]:
    command = [str(BIN / "uvicorn"), "--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    return [*command, "--no-access-log", "--workers", str(WORKERS), application, "--port"]
