"""The server as people run it: a process of its own with an embedded database of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import requests

from project import env
from tests.support.people import ALICE


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ours(folder: Path) -> list[psutil.Process]:
    """Every living process whose command line or environment names the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            named = [*process.cmdline(), process.environ().get("LOCAL_DIR", "")]
            if process.status() != psutil.STATUS_ZOMBIE and any(str(folder) in part for part in named):
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.pid != os.getpid()]


def command_lines(folder: Path) -> str:
    """Of all of them, those that end meanwhile left out."""
    lines = []
    for process in ours(folder):
        with suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return "\n".join(lines)


def wait_until(true, seconds=300):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come true in time")


class Zovi:
    """`manage.py serve --prepare`, as `make run` calls it. `root` is where its source lies."""

    def __init__(self, folder: Path, root: Path = env.ROOT, **configuration):
        self.folder = folder
        self.root = root
        self.command = [sys.executable, "manage.py", "serve", "--prepare"]
        self.base = f"http://127.0.0.1:{free_port()}"
        self.environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        self.environment |= {"LOCAL_DIR": str(folder), "PORT": self.base.rpartition(":")[2], "WEB_CONCURRENCY": "2"}
        self.environment |= configuration

    def start(self) -> None:
        self.log = open(self.folder / "server.log", "ab")  # noqa: SIM115 -- closed in `stop`
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            cwd=self.root,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        wait_until(self.is_ready)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        try:
            return requests.get(f"{self.base}/readyz", timeout=2).status_code == 200
        except requests.ConnectionError:
            return False

    def stop(self, with_signal=signal.SIGTERM) -> int:
        self.process.send_signal(with_signal)
        code = self.process.wait(timeout=300)
        self.log.close()
        return code

    def kill_everything(self) -> None:
        for process in ours(self.folder):
            process.kill()
        self.process.wait(timeout=300)
        self.log.close()
        wait_until(lambda: not ours(self.folder))

    def sign_in(self, phone=ALICE) -> requests.Session:
        client = requests.Session()
        otp = client.post(f"{self.base}/api/users/send_otp/", json={"phone_number": phone}).json()["otp"]
        signed_in = client.post(f"{self.base}/api/users/auth/", json={"otp": otp}).json()
        client.headers["Authorization"] = f"Bearer {signed_in['token']}"
        return client
