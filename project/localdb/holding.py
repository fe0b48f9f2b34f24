"""Who uses a cluster. Every process that does holds a shared lock on a file, which even `kill -9` gives back: who can
turn that lock into an exclusive one is the last user, and stops it.
"""

import atexit
import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project import env
from project.localdb import server

RELOADED = "RUN_MAIN"  # which Django's reloader sets in its child
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_one_thread = threading.Lock()
_held: dict[Path, tuple[int, int]] = {}  # cluster -> (process, lock)


def hold(cluster: Path | None = None, options: tuple[str, ...] = ()) -> None:
    """Make sure the cluster runs, and keep it running until this process ends.

    For the child of Django's reloader its parent does that, which kills it outright and may not wait until it is gone.
    Raises ClusterError with the tail of PostgreSQL's log when it does not start.
    """
    if os.environ.get(RELOADED):
        return
    cluster = cluster or server.home()
    with _one_thread:
        if cluster in _held:
            return
        try:
            cluster.mkdir(parents=True, exist_ok=True)
            with exclusively(cluster / "starting.lock"), undisturbed() as signals:
                _held[cluster] = (os.getpid(), _join(cluster, options))
                atexit.register(release, cluster)
                for ending in ENDING:  # before that: the last registered is the first called
                    atexit.register(signal.signal, ending, signal.SIG_IGN)
        except OSError as error:
            env.refuse_unusable(error)
    for number in signals:
        signal.raise_signal(number)


def _join(cluster: Path, options: tuple[str, ...]) -> int:
    users = os.open(cluster / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_SH)
        if not server.answers(cluster):
            server.create(cluster)
            server.start(cluster, options)
        server.create_databases(cluster)
    except BaseException:
        os.close(users)  # who has nothing to use is no user
        raise
    return users


def release(cluster: Path | None = None) -> None:
    """Give the cluster up; the last process to do so stops it. A fork of the holder owns nothing.

    Who is told to end once more meanwhile, by an impatient Ctrl-C say, does so already.
    """
    cluster = cluster or server.home()
    process, users = _held.get(cluster, (0, 0))
    if process != os.getpid():
        return
    with undisturbed(), exclusively(cluster / "starting.lock"):
        del _held[cluster]
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            server.stop(cluster)
        os.close(users)


@contextmanager
def undisturbed() -> Iterator[list[int]]:
    """Signals that would end this process are only noted: a database that is half started or stopped would be left."""
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python deals with signals in no other
        yield heard
        return
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in ENDING}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def exclusively(path: Path):
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def nobody_else(cluster: Path):
    users = os.open(cluster / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        env.refuse("the embedded database is in use: stop Zovi first")
    finally:
        os.close(users)
