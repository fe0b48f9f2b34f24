"""The container image, as far as it can be tried without a container engine: its own commands in a scratch folder."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import requests
import yaml

from project import env
from project.tests.test_settings import start as load_settings
from tests.support.servers import free_port, wait_until

USER = 10001
DOCKERFILE = (env.ROOT / "Dockerfile").read_text().replace("\\\n", " ")
LAST_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]


def instruction(name: str) -> list[str]:
    """The arguments of an instruction of the last stage, written as JSON."""
    [line] = re.findall(rf"(?m)^{name} .*?(\[.*\])$", LAST_STAGE)
    return json.loads(line)


def environment() -> dict[str, str]:
    [line] = re.findall(r"(?m)^ENV (.*)$", LAST_STAGE)
    return dict(word.split("=", 1) for word in shlex.split(line))


class Image:
    """/app of the image in a folder where nobody may write, and a /data where its user may."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.app, self.data = folder / "app", folder / "data"
        self.port = free_port()
        self.copy()
        self.data.mkdir()
        if os.getuid() == 0:
            os.chown(self.data, USER, USER)
        folder.chmod(0o755)

    def copy(self) -> None:
        """What .dockerignore lets in."""
        lines = (env.ROOT / ".dockerignore").read_text().split()
        left_out = shutil.ignore_patterns(*[line.removeprefix("**/") for line in lines if line.startswith("**/")])
        self.app.mkdir()
        for name in [line[1:] for line in lines if line.startswith("!")]:
            source = env.ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.app / name, ignore=left_out)
            else:
                shutil.copy(source, self.app / name)

    def here(self, text: str) -> str:
        for inside, outside in {"/venv": sys.prefix, "/app": str(self.app), "/data": str(self.data)}.items():
            text = re.sub(rf"(?<![\w/.]){inside}(?![\w-])", outside, text)
        return text

    def collect_static_files(self) -> None:
        [command] = re.findall(r"(?m)^RUN (.*collectstatic.*)$", DOCKERFILE)
        subprocess.run(self.here(command), shell=True, cwd=self.app, check=True, capture_output=True)  # noqa: S602
        for path in [self.app, *self.app.rglob("*")]:
            path.chmod(path.stat().st_mode & ~0o222)

    def files(self) -> set[Path]:
        return set(self.app.rglob("*"))

    def start(self, command: list[str], **configuration: str) -> subprocess.Popen:
        defaults = {name: self.here(value) for name, value in environment().items()}
        defaults["PATH"] = f"{sys.prefix}/bin:{os.environ['PATH']}"
        return subprocess.Popen(
            as_its_user(command),
            cwd=self.app,
            env=defaults | {"PORT": str(self.port), "WEB_CONCURRENCY": "2"} | configuration,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: list[str], **configuration: str) -> tuple[int, str]:
        process = self.start(command, **configuration)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output


def as_its_user(command: list[str]) -> list[str]:
    """As the image's user where root runs the tests. It may read everything, as Python may live in root's home."""
    if os.getuid() != 0:
        return command
    may_read = "-all,+dac_read_search"
    drop = ["setpriv", "--securebits=+no_setuid_fixup", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    return [*drop, f"--inh-caps={may_read}", f"--ambient-caps={may_read}", *command]


@pytest.fixture
def image():
    folder = Path(tempfile.mkdtemp(prefix="zovi-image-"))  # pytest's own folders are for one user only
    image = Image(folder)
    image.collect_static_files()
    yield image
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


def test_the_image_serves_from_files_it_cannot_change(image, database_url):
    before = image.files()
    demo = {"DEMO": "1", "DATABASE_URL": database_url, "HOST": "127.0.0.1"}
    entry = instruction("ENTRYPOINT")
    assert image.run([*entry, "migrate", "--verbosity", "0"], **demo) == (0, "")
    base = f"http://127.0.0.1:{image.port}"
    server = image.start([*entry, *instruction("CMD")], **demo)
    try:
        wait_until(lambda: image.run(instruction("HEALTHCHECK"))[0] == 0)
        page = requests.get(f"{base}/admin/login/", timeout=300).text
        styles = re.findall(r'href="(/static/[^"]+\.css)"', page)
        assert styles
        assert {requests.get(base + style, timeout=300).status_code for style in styles} == {200}
        number = {"phone_number": "+79136740000"}
        sent = requests.post(f"{base}/api/users/send_otp/", json=number, timeout=300)
        assert sent.status_code == 200
    finally:
        server.terminate()
        assert server.wait(timeout=300) == 0
        server.stdout.close()
    assert image.files() == before
    assert [path.name for path in image.data.iterdir()] == ["secrets.json"]
    assert image.run(instruction("HEALTHCHECK"))[0] != 0


def test_an_image_that_nobody_configured_refuses_to_start(image, database_url):
    status, output = image.run([*instruction("ENTRYPOINT"), *instruction("CMD")], DATABASE_URL=database_url)
    assert status != 0
    assert output.splitlines() == [
        "zovi: refusing to start: neither DEMO=1 nor SMS_URL is set: choose the simulated SMS gateway or a real one"
    ]


def test_the_image_holds_no_tests_and_no_secrets(image):
    names = {str(path.relative_to(image.app)) for path in image.files()}
    assert not [name for name in names if "tests" in Path(name).parts]
    assert ".env" not in names
    assert {"manage.py", "project/settings.py", "users/models/people.py", "schema/views.py"} <= names


def test_the_image_runs_as_nobody_in_particular():
    assert re.findall(r"(?m)^USER (.*)$", LAST_STAGE) == [f"{USER}:{USER}"]


def test_image_and_makefile_take_the_same_files_of_graphiql():
    wanted = re.compile(r"node_modules/\S+\.(?:js|css)")
    assert set(wanted.findall(DOCKERFILE)) == set(wanted.findall((env.ROOT / "Makefile").read_text())) != set()


# --- Compose -----------------------------------------------------------------------------------------------------


def compose(name: str) -> dict:
    text = (env.ROOT / name).read_text()
    text = re.sub(r"\$\{SITE(:\?[^}]*)?\}", "zovi.example", text)
    return yaml.safe_load(re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text))


BASE, PRODUCTION = compose("docker-compose.yml"), compose("docker-compose.production.yml")


@pytest.mark.parametrize("service", ["web", "migrate"])
def test_the_demo_of_compose_starts(service, tmp_path):
    configuration = BASE["services"][service]["environment"] | {"LOCAL_DIR": str(tmp_path)}
    done = load_settings(configuration, "from project import settings as s; print(s.DEMO, s.DATABASE_IS_EMBEDDED)")
    assert done.stdout == "True False\n", done.stderr


@pytest.mark.parametrize("service", ["web", "migrate"])
def test_the_production_override_starts_with_the_secrets_its_words_make(service, tmp_path):
    recipe = re.findall(r"(?m)^#        (.*)$", (env.ROOT / "docker-compose.production.yml").read_text())
    assert len(recipe) == 3
    (tmp_path / "secrets").mkdir()
    subprocess.run(["sh", "-euc", "\n".join(recipe)], cwd=tmp_path, check=True)
    configuration = BASE["services"][service]["environment"] | PRODUCTION["services"][service]["environment"]
    for name, value in configuration.items():
        configuration[name] = value.replace("/run/secrets", str(tmp_path / "secrets"))
    assert sorted(PRODUCTION["secrets"]) == sorted(path.name for path in (tmp_path / "secrets").iterdir())

    done = load_settings(
        configuration | {"HOST": environment()["HOST"]},
        "from project import settings as s; print(s.DEMO, s.DATABASES['default']['HOST'], s.ALLOWED_HOSTS,"
        " s.SECURE_SSL_REDIRECT, s.SESSION_COOKIE_SECURE, s.TRUSTED_PROXY_COUNT)",
    )
    assert done.stdout == "False database ['zovi.example'] True True 1\n", done.stderr


def test_the_real_thing_shares_no_volume_with_the_demo():
    assert BASE["name"] != PRODUCTION["name"]


def test_only_loopback_reaches_the_demo_and_nothing_reaches_the_database():
    assert BASE["services"]["web"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in BASE["services"]["database"] | PRODUCTION["services"]["database"]


def test_the_web_waits_for_the_database_and_its_migrations():
    assert BASE["services"]["web"]["depends_on"] == {
        "database": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }
