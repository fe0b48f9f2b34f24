"""Servers under measurement: how each is started and stopped, and what it costs in processor time and memory."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.data import Database

WORKERS = 2
START_SECONDS = 60
STOP_SECONDS = 30
BIN = Path(sys.executable).parent
GUNICORN = [str(BIN / "gunicorn"), "--workers", str(WORKERS), "--worker-class", "gthread", "--threads", "8"]
GUNICORN += ["--keep-alive", "60", "--log-level", "warning"]
DJANGO = "django.core.wsgi:get_wsgi_application()"


@dataclass
class Server:
    """A contender. `where` is its address, which must answer (with anything) before it counts as started."""

    name: str
    port: int
    command: list[str]
    where: str
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None

    def start(self, log) -> None:
        environment = os.environ | self.environment
        self.process = subprocess.Popen(self.command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start, see the log")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        family = self.family()
        self.process.send_signal(signal.SIGTERM)
        _gone, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
        for process in alive:
            process.kill()
        self.process.wait()
        self.process = None

    def family(self) -> list[psutil.Process]:
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.family())

    def memory_mb(self) -> float:
        """Resident memory; what its processes share is counted once (PSS)."""
        return sum(process.memory_full_info().pss for process in self.family()) / 2**20

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.where}", timeout=2)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


def cpu_seconds(family: list[psutil.Process]) -> float:
    """Of processes that run, and of their children that ended."""
    total = 0.0
    for process in family:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if process == family[0]:
            total += times.children_user + times.children_system
    return total


def ours(name: str, port: int, database: Database, **environment: str) -> Server:
    """As `make run` starts it: a demo, whose limits are set off and whose messages take no time unless said."""
    off = {
        "DEMO": "1",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WEB_CONCURRENCY": str(WORKERS),
        "DATABASE_URL": database.url,
        "SMS_SIMULATED_DELAY": "0",
        "OTP_RESEND_COOLDOWN": "0",
        "OTP_SENDS_PER_PHONE": "off",
        "OTP_SENDS_PER_IP": "off",
        "OTP_FAILURES_PER_PHONE": "off",
        "INVITE_FAILURES_PER_USER": "off",
        "ACCESS_TOKEN_TTL": "86400",
    }
    return Server(name, port, [sys.executable, "manage.py", "serve"], "/livez", off | environment)


def floor(port: int, database: Database, key: str) -> Server:
    command = [*GUNICORN, "--bind", f"127.0.0.1:{port}", "bench.baselines.floor:application"]
    return Server("raw WSGI, PyJWT, one SQL", port, command, "/me/", _baseline(database, key))


def drf(port: int, database: Database, key: str) -> Server:
    command = [*GUNICORN, "--bind", f"127.0.0.1:{port}", DJANGO]
    environment = _baseline(database, key) | {"BENCH_URLS": "bench.baselines.drf"}
    return Server("Django + DRF, tuned", port, command, "/me/", environment)


def drf_as_readme(port: int, database: Database, key: str) -> Server:
    command = [sys.executable, "-m", "django", "runserver", "--noreload", "--skip-checks", f"127.0.0.1:{port}"]
    environment = _baseline(database, key) | {"BENCH_URLS": "bench.baselines.drf", "BENCH_DEBUG": "1"}
    return Server("Django + DRF, runserver", port, command, "/me/", environment)


def stock_graphene(port: int, database: Database, key: str) -> Server:
    command = [*GUNICORN, "--bind", f"127.0.0.1:{port}", DJANGO]
    environment = _baseline(database, key) | {"BENCH_URLS": "bench.baselines.stock_graphene"}
    return Server("stock graphene-django", port, command, "/graphql/", environment)


def fastapi(port: int, database: Database, key: str) -> Server:
    command = [str(BIN / "uvicorn"), "--workers", str(WORKERS), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "warning", "--no-access-log", "bench.baselines.fastapi_asyncpg:app"]
    return Server("FastAPI + asyncpg", port, command, "/me/", _baseline(database, key))


def _baseline(database: Database, key: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "bench.baselines.settings",
        "BENCH_KEY": key,
        "BENCH_DSN": database.dsn,
        "BENCH_DATABASE": database.name,
        "BENCH_USER": database.user,
        "BENCH_HOST": database.host,
    }
