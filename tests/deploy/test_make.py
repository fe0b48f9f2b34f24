"""What somebody types who has just cloned the repository, word for word, in a copy of it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from project import env
from tests import needs
from tests.support.gateways import gateway_stand_in
from tests.support.people import ALICE
from tests.support.servers import free_port, ours, wait_until

OURS = {"ENV_FILE", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST", "PYTEST_VERSION", "MAKEFLAGS", "MAKELEVEL"}
NOT_THEIRS = {*env.NAMES, *OURS}


class Clone:
    """Every file of the repository, and the virtual environment that `make` has made already."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = free_port()
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=env.ROOT, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (env.ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(env.ROOT / name, folder / name)
        (folder / ".venv").symlink_to(sys.prefix)
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.program("npm", 'echo $$ > "$OLDPWD/npm.pid"; exec sleep 100000')  # no network in a test, and slow at that

    def program(self, name: str, script: str) -> None:
        """One of our own making, first on the path."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        """Of whoever sits there; PORT so that nobody else's is taken."""
        theirs = {name: value for name, value in os.environ.items() if name not in NOT_THEIRS}
        return theirs | {"PORT": str(self.port), "PATH": f"{self.programs}:{os.environ['PATH']}"} | more

    def run(self, line: str, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def start(self, line: str) -> None:
        with open(self.folder / "said", "wb") as said:
            self.process = subprocess.Popen(
                ["sh", "-c", line],
                cwd=self.folder,
                env=self.environment(),
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        wait_until(self.is_ready, seconds=300)

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.said()
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=300).ok
        except requests.ConnectionError:
            return False

    def interrupt(self) -> None:
        """Ctrl-C, which a terminal sends to everybody in the foreground; a shell and make then end by it themselves."""
        os.killpg(self.process.pid, signal.SIGINT)
        assert self.process.wait(timeout=300) in {0, -signal.SIGINT}

    def send_code(self, **headers: str) -> requests.Response:
        url = f"http://127.0.0.1:{self.port}/api/users/send_otp/"
        return requests.post(url, json={"phone_number": ALICE}, headers=headers, timeout=300)


@pytest.fixture
def clone(tmp_path):
    needs.program("make", "apt install make")
    if not (Path(sys.prefix) / "installed").exists():
        pytest.skip("not the virtual environment that `make` makes")
    folder = tmp_path / "моя папка с проектом"
    folder.mkdir()
    clone = Clone(folder)
    yield clone
    for process in ours(folder):
        process.kill()


def test_a_copy_of_the_example_runs_as_a_demo(clone):
    clone.start("cp .env.example .env && make run")
    sent = clone.send_code().json()
    assert re.fullmatch(r"\d{4}", sent["otp"])
    assert sent["resend_in"] == 5
    clone.interrupt()
    here = f"http://127.0.0.1:{clone.port}"
    screen = [line for line in clone.said().splitlines() if not line.startswith("{")]  # the log
    assert screen == [
        "Zovi: starting its database ...",
        "Zovi: bringing its tables up to date ...",
        "Zovi: packing its static files ...",
        "",
        "Zovi (demo: codes are shown in the answers); Ctrl-C stops it",
        f"  pages    {here}/",
        f"  messages {here}/dev/inbox/",
        f"  REST     {here}/api/users/",
        f"  GraphQL  {here}/graphql/  (a browser sees GraphiQL)",
        f"  Swagger  {here}/api/docs/swagger/",
        f"  ReDoc    {here}/redoc/",
        f"  admin    {here}/admin/",
        f"  health   {here}/readyz",
        "Zovi has stopped. `make run` starts it again, with its data (.local/).",
    ]
    assert max(map(len, screen)) < 80
    wait_until(lambda: ours(clone.folder) == [], seconds=300)


def test_the_example_starts_with_a_zovi_that_lets_it_in_and_ends_with_it(clone):
    app = f"http://127.0.0.1:{free_port()}"
    clone.start(f"EXAMPLE_PORT={app.rpartition(':')[2]} make example")
    wait_until(lambda: clone.said().endswith(f"\nThe app of examples/spa: {app}/  (Ctrl-C stops everything)\n"))
    here = f"http://127.0.0.1:{clone.port}"
    assert f'const zovi = "{here}";' in requests.get(f"{app}/app.js", timeout=120).text
    assert f"connect-src {here};" in requests.get(app, timeout=120).text
    assert requests.get(f"{app}/serve.py", timeout=120).status_code == 404
    assert clone.send_code(Origin=app).headers["Access-Control-Allow-Origin"] == app

    second = clone.run(f"EXAMPLE_PORT={free_port()} make example")
    assert second.returncode != 0
    assert second.stderr.startswith(f"zovi: what runs at {here} does not let http://127.0.0.1:")
    clone.interrupt()
    assert clone.said().splitlines()[-1].startswith("Zovi has stopped.")
    wait_until(lambda: ours(clone.folder) == [])


@pytest.fixture
def gateway():
    with gateway_stand_in() as gateway:
        yield gateway


def test_nobody_waits_for_a_newer_graphiql_and_its_fetching_ends_with_the_server(clone):
    outdated = clone.folder / "npm" / "node_modules" / "fetched"
    outdated.parent.mkdir()
    outdated.touch()
    os.utime(outdated, (0, 0))
    clone.start("make run")
    wait_until((clone.folder / "npm.pid").exists, seconds=300)
    fetching = psutil.Process(int((clone.folder / "npm.pid").read_text()))
    assert fetching.nice() == psutil.Process().nice() + 10
    clone.interrupt()
    wait_until(lambda: not fetching.is_running() or fetching.status() == psutil.STATUS_ZOMBIE, seconds=300)


def test_a_real_gateway_in_the_same_clone_knows_nothing_of_the_demo(clone, gateway):
    clone.start("make run")
    assert clone.send_code().status_code == 200
    clone.interrupt()

    secrets = "".join(f"{name} = {name.lower() * 10}\n" for name in ("SECRET_KEY", "JWT_SECRET_KEY", "OTP_PEPPER"))
    (clone.folder / ".env").write_text(f"SMS_URL = {gateway.url}\n{secrets}")
    clone.start("make run")
    sent = clone.send_code()
    assert (sent.status_code, sent.json()["otp"]) == (200, None)
    assert len(gateway.received) == 1
    clone.interrupt()

    (clone.folder / ".env").unlink()
    clone.start("make run")
    assert clone.send_code().status_code == 200
    clone.interrupt()


def test_the_commands_of_the_documents_work_as_they_are_written(clone):
    documents = [*env.ROOT.glob("*.md"), *env.ROOT.glob("docs/*.md")]
    written = {line for path in documents for line in re.findall(r'make manage ARGS="[^"]+"', path.read_text())}
    assert 'make manage ARGS="createsuperuser"' in written
    too_early = clone.run('make manage ARGS="export_users"')
    assert [line for line in too_early.stderr.splitlines() if line.startswith("zovi: ")] == [
        'zovi: the tables are not up to date: `make manage ARGS="migrate"`, as `make run` does, makes them so;'
        " where they are a newer Zovi's, run that one"
    ]
    assert "Traceback" not in too_early.stderr
    clone.run('make manage ARGS="migrate"')  # as `make run` does, after which people type the rest
    for line in sorted(written - {'make manage ARGS="…"'}):
        done = clone.run(line)
        assert "Traceback" not in done.stdout + done.stderr, line
        assert "Unknown command" not in done.stderr, line
    assert ours(clone.folder) == []


def test_a_python_without_the_requirements_is_told_what_to_type(clone):
    bare = (
        "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p];"
        " sys.argv = ['manage.py', 'changepassword', '8 (913) 674-00-00']"
    )
    done = clone.run(f'"{sys.executable}" -c "{bare}; import runpy; runpy.run_path(\'manage.py\')"')
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("zovi: no module named ")
    assert """`make manage ARGS="changepassword '8 (913) 674-00-00'"`""" in line


@pytest.mark.parametrize("unreadable", ["SMS_ULR=x\n", "SMS_URL json://x/{phone}\n"])
def test_a_slip_in_the_file_stops_make_run_in_one_line(clone, unreadable):
    (clone.folder / ".env").write_text(f"# mine\n{unreadable}")
    done = clone.run("make run")
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.splitlines()[0].startswith("zovi: refusing to start: .env, line 2: ")
    assert not (clone.folder / ".local" / "postgres").exists()


# --- The first time ------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(clone):
    """Nothing is installed yet."""
    (clone.folder / ".venv").unlink()
    return clone


def test_a_venv_that_fails_says_why_and_is_not_called_missing(bare):
    bare.program("python3", 'case "$*" in *"-m venv"*) echo "Error: no space left" >&2; exit 1;; esac')
    done = bare.run("make run")
    assert done.returncode != 0
    assert "Error: no space left" in done.stderr
    assert "missing" not in done.stdout + done.stderr


def test_a_venv_that_is_missing_is_called_missing(bare):
    bare.program("python3", 'case "$*" in *ensurepip*) exit 1;; esac')
    done = bare.run("make run")
    assert done.returncode != 0
    assert done.stdout.splitlines() == ["Python's venv module is missing: on Debian, apt install python3-venv"]


PIP = """
case "$*" in
    *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
    *"-m pip"*)
        test "$PIP_USER" = 0 || exit 1
        for number in 1 2 3 4 5 6 7 8 9 10 11; do echo "Collecting package-$number"; done
        echo "  DEPRECATION: Building 'promise' using the legacy setup.py bdist_wheel mechanism"
        echo "Installing collected packages: many"
        test -z "$PIP_FAILS" || { echo "ERROR: no network"; exit 1; };;
    *manage.py*) echo "started";;
esac
"""


def test_installing_shows_where_it_is_and_nothing_else(bare):
    bare.program("python3", PIP)
    done = bare.run("make run", PIP_USER="1")
    count = (env.ROOT / "requirements.txt").read_text().count("==")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Zovi: making a virtual environment in .venv (once) ...",
        f"Zovi: installing {count} packages (once) ...",
        "  10 fetched ...",
        "  putting them in place ...",
        "started",
    ]


def test_installing_that_fails_shows_all_of_it_and_is_tried_again(bare):
    bare.program("python3", PIP)
    done = bare.run("make run", PIP_FAILS="1")
    assert done.returncode != 0
    assert "ERROR: no network" in done.stdout
    assert done.stdout.splitlines()[-1] == "Zovi: pip could not install them; the next make goes on from here"
    assert bare.run("make run").stdout.splitlines()[-1] == "started"
