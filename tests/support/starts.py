"""Short programs, each in a process of its own, that find the great libraries imported already.

Loading Django, apprise and the rest takes a second, what the tests of the settings look at takes none: a server that
has loaded them (multiprocessing's) forks for every start. Nothing of ours is loaded there, and no environment read.
"""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

_LIBRARIES = [
    "apprise",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "django.contrib.admin.sites",
    "django.core.serializers.json",
    "django.db.models",
    "django.urls",
    "graphene",
    "graphql_relay",
    "jwt",
    "phonenumbers",
    "PIL.Image",
    "prometheus_client",
    "psycopg2.extras",
    "requests",
    "segno",
    "standardwebhooks",
]
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(_LIBRARIES)


def run(statement: str, *, environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """As `python -c statement` would end, and what it would say."""
    with TemporaryDirectory() as folder:
        said = [f"{folder}/stdout", f"{folder}/stderr"]
        process = _forks.Process(target=_start, args=(statement, environment, cwd, said))
        process.start()
        process.join()
        stdout, stderr = (Path(path).read_text() for path in said)
    return subprocess.CompletedProcess(statement, process.exitcode or 0, stdout, stderr)


def _start(statement: str, environment: dict[str, str], cwd: Path, said: list[str]) -> None:
    for number, path in enumerate(said, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["-c"]
    exec(statement, {"__name__": "__main__"})  # noqa: S102 -- ours
