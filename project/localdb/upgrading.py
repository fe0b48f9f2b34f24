"""To a newer PostgreSQL: the data are copied into a new cluster, which takes the old one's place."""

import shutil
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path

from project.localdb import server
from project.localdb.holding import exclusively, nobody_else


def upgrade(cluster: Path | None = None) -> Path | None:
    """Copy the data into a cluster of the newest version there is, and put it in their place.

    Returns where the old data are kept; None where the version is the newest already. Whoever wants to start meanwhile
    waits. Raises RuntimeError, with everything as it was, when a copy fails.
    """
    cluster = cluster or server.home()
    old, draft = server.version(cluster), cluster.with_name(f"{cluster.name}-upgraded")
    if not server.data(cluster).exists() or old == max(server.installed()):
        return None
    server.binary("postgres", old)  # or refuse, before anything is made
    with exclusively(cluster / "starting.lock"), nobody_else(cluster):
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        server.create(draft)
        with _running(cluster), _running(draft):
            _copy(cluster, draft)
        kept = cluster / f"data-{old}"
        server.data(cluster).rename(kept)
        server.data(draft).rename(server.data(cluster))
        shutil.rmtree(draft)
    return kept


@contextmanager
def _running(cluster: Path):
    if not server.answers(cluster):
        server.start(cluster, ())
    try:
        yield
    finally:
        server.stop(cluster)


def _copy(old: Path, new: Path) -> None:
    with closing(server.connect(old)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname")
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        create = [] if name == "postgres" else ["--create"]
        dump = [server.binary("pg_dump"), "--format=custom", *_at(old), "--dbname", name]
        restore = [server.binary("pg_restore"), "--exit-on-error", *create, *_at(new), "--dbname=postgres"]
        with subprocess.Popen(dump, stdout=subprocess.PIPE) as dumping:
            done = subprocess.run(restore, stdin=dumping.stdout, check=False)
        if done.returncode or dumping.returncode:
            raise RuntimeError(f"the database {name} could not be copied; nothing has changed")


def _at(cluster: Path) -> list[str]:
    return [f"--host={server.socket_folder(cluster)}", f"--username={server.USER}"]
