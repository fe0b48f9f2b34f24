"""Who uses a cluster. Every process that does holds a shared lock on a file, which even `kill -9` gives back: who can
turn that lock into an exclusive one is the last user, and stops it.
"""

import atexit
import fcntl
import os
import threading
from contextlib import contextmanager
from pathlib import Path

from project import env
from project.localdb import server

_one_thread = threading.Lock()
_held: dict[Path, tuple[int, int]] = {}  # cluster -> (process, lock)


def hold(cluster: Path | None = None, options: tuple[str, ...] = ()) -> None:
    """Make sure the cluster runs, and keep it running until this process ends.

    Raises RuntimeError with the tail of PostgreSQL's log when it does not start.
    """
    cluster = cluster or server.home()
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
    with exclusively(cluster / "starting.lock"):
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
    """Give the cluster up; the last process to do so stops it. A fork of the holder owns nothing."""
    cluster = cluster or server.home()
    process, users = _held.get(cluster, (0, 0))
    if process != os.getpid():
        return
    del _held[cluster]
    with exclusively(cluster / "starting.lock"):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            server.stop(cluster)
        os.close(users)


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
