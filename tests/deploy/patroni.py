"""The recipe of docs/high-availability.md on this machine: three etcd, two Patroni, two PostgreSQL.

Linux gives every address of 127.0.0.0/8 to whoever wants it, so that the files of deploy/ keep their ports.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import requests

from project import env, localdb
from tests import needs
from tests.deploy.debian import replaced, scratch_folder
from tests.support.servers import ours, wait_until

RECIPE = (env.ROOT / "docs" / "high-availability.md").read_text()
# Twenty seconds of waiting are for FULL=1, and for the figures of docs/scaling.md.
SOONER = {"ttl: 20": "ttl: 10", "loop_wait: 5": "loop_wait: 1", "retry_timeout: 5": "retry_timeout: 2"}
INSTALL = "apt install patroni etcd-server"
MACHINES = {"h1": "1", "h2": "2", "h3": "3"}
ONCE = re.findall(r"(?m)^((?:export|createuser|createdb|psql) .*)$", RECIPE)
[DATABASE_URL] = re.findall(r"(?m)^DATABASE_URL=(.*)$", RECIPE)
SWITCH = re.findall(r"(?m)^(patronictl .* switchover .*)$", RECIPE)[0]


class Trio:
    """h1 and h2 with PostgreSQL, h3 without."""

    def __init__(self) -> None:
        self.folder = scratch_folder()
        self.network = f"127.77.{_free_third_byte()}."
        self.programs = localdb.installed()[max(localdb.installed())]
        self.running: dict[str, subprocess.Popen] = {}
        localdb.server.own(self.folder)
        self.folder.chmod(0o755)

    def start(self) -> None:
        for machine in MACHINES:
            self.start_etcd(machine)
        self.start_patroni("h1")
        wait_until(lambda: self.primary() == "h1")
        self.start_patroni("h2")
        self.wait_for_standby()
        self.sh("\n".join(ONCE))

    def stop(self) -> None:
        _kill([*ours(self.folder), *(psutil.Process(process.pid) for process in self.running.values())])
        for process in self.running.values():
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_etcd(self, machine: str) -> None:
        words = self.of(machine, (env.ROOT / "deploy" / "etcd.env").read_text(), keep="ETCD_INITIAL_CLUSTER=")
        settings = dict(re.findall(r"(?m)^(ETCD_\w+)=(.*)$", words)) | {
            "ETCD_DATA_DIR": f"{self.folder}/etcd-{machine}"
        }
        self._run(f"etcd-{machine}", [needs.program("etcd", INSTALL)], settings)

    def start_patroni(self, machine: str) -> None:
        places = {
            "/var/lib/postgresql": f"{self.folder}/{machine}",
            "/usr/lib/postgresql/15/bin": str(self.programs),
            "/run/postgresql": f"{self.folder}/{machine}",
            "10.0.0.0/24": "127.0.0.0/8",
        }
        places |= {} if os.environ.get("FULL") else SOONER
        localdb.server.own(self.folder / machine)
        words = self.of(machine, replaced("patroni.yml", **places), keep="  hosts:")
        self.config(machine).write_text(words)
        self._run(f"patroni-{machine}", [needs.program("patroni", INSTALL), str(self.config(machine))], {})

    def of(self, machine: str, words: str, keep: str) -> str:
        """h1's file, made another machine's: its name and address everywhere but in lines about all of them."""
        lines = words.splitlines()
        own = [line if line.startswith(keep) else re.sub(r"\bh1\b", machine, line) for line in lines]
        own = [line if line.startswith(keep) else line.replace("10.0.0.1", f"10.0.0.{machine[1]}") for line in own]
        return "\n".join(own).replace("10.0.0.", self.network) + "\n"

    def config(self, machine: str) -> Path:
        return self.folder / f"{machine}.yml"

    def _run(self, name: str, command: list[str], settings: dict[str, str]) -> None:
        there = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"} | settings
        with open(self.folder / f"{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(
                **localdb.server.as_postgres(command),
                env=there,
                cwd="/",
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    # --- What people on call do ------------------------------------------------------------------------------------

    def sh(self, lines: str) -> None:
        """Lines of the recipe, with PostgreSQL's programs at hand."""
        lines = lines.replace("10.0.0.", self.network).replace("/etc/patroni/config.yml", str(self.config("h1")))
        there = {"PATH": f"{self.programs}:{os.environ['PATH']}:/usr/bin", "LC_ALL": "C.UTF-8"}
        subprocess.run(["bash", "-euc", lines], env=there, check=True, capture_output=True)

    def switch_over(self, to: str) -> None:
        line = SWITCH.replace("--leader h1", f"--leader {self.primary()}").replace(
            "--candidate h2", f"--candidate {to}"
        )
        self.sh(line)

    def kill(self, machine: str) -> None:
        """Patroni and its PostgreSQL, as when the power fails."""
        _kill([*ours(self.config(machine)), *ours(self.folder / machine)])
        self.running.pop(f"patroni-{machine}").wait()

    # --- What is to be seen ----------------------------------------------------------------------------------------

    def members(self) -> dict[str, str]:
        """What each does, as whichever Patroni answers says it."""
        for machine in ("h1", "h2"):
            try:
                said = requests.get(f"http://{self.network}{MACHINES[machine]}:8008/cluster", timeout=10).json()
            except requests.RequestException:
                continue
            return {member["name"]: f"{member['role']} {member['state']}" for member in said["members"]}
        return {}

    def primary(self) -> str | None:
        return next((name for name, what in self.members().items() if what == "leader running"), None)

    def wait_for_standby(self) -> None:
        """Until every commit is confirmed by two."""
        wait_until(lambda: {what.split()[0] for what in self.members().values()} == {"leader", "sync_standby"})

    @property
    def database_url(self) -> str:
        return DATABASE_URL.replace("10.0.0.", self.network)

    def column(self, query: str) -> set[str]:
        connection = psycopg2.connect(self.database_url)
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            found = {value for (value,) in cursor.fetchall()}
        connection.close()
        return found


@contextmanager
def trio() -> Iterator[Trio]:
    for program in ("etcd", "patroni", "patronictl"):
        needs.program(program, INSTALL)
    machines = Trio()
    try:
        machines.start()
        yield machines
    finally:
        machines.stop()


def _kill(processes: list[psutil.Process]) -> None:
    """With all they started. Every one is stopped first, so that none sees another die and tidies up."""
    family = [child for process in processes for child in process.children(recursive=True)] + processes
    for with_signal in (signal.SIGSTOP, signal.SIGKILL):
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(with_signal)


def _free_third_byte() -> int:
    for number in range(1, 255):
        with socket.socket() as probe:
            if probe.connect_ex((f"127.77.{number}.1", 2379)) != 0:
                return number
    raise AssertionError("no addresses are left")
