"""What the project is made of, and what its history would tell."""

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from project import env

PIN = re.compile(r"(?m)^([A-Za-z0-9._-]+)==([0-9][^\s;]*)$")
SECRETS = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "AWS key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    "Slack token": re.compile(r"\bxox[baprs]-[0-9A-Za-z-]{10,}"),
    "Twilio": re.compile(r"\b(?:AC|SK)[0-9a-f]{32}\b"),
    "JWT that is signed": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{40,}"),
    "our own secret": re.compile(
        r"(?m)^\+\s*[\"']?(?:SECRET_KEY|JWT_SECRET_KEY|OTP_PEPPER)[\"']?\s*[=:]\s*[\"']?(?=[\w+/-]{40,})"
        r"(?!change-me)[\w+/-]+"
    ),
    "database password": re.compile(
        r"postgres(?:ql)?://[^\s:@/\"']+:(?!(?i:(?:zovi_|long-)?password|zovi|as-in-the-recipe|p%40|a/b|12[/?]b|…)@|\$|\{)[^\s@\"']+@"
    ),
}


@pytest.mark.row("S1")
@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_python_package_is_pinned_to_what_is_installed(name, figure):
    lines = [line.strip() for line in (env.ROOT / name).read_text().splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert [line for line in lines if not PIN.fullmatch(line)] == []
    wrong = [line for line in lines if version(PIN.fullmatch(line)[1]) != PIN.fullmatch(line)[2]]
    assert wrong == []
    figure(f"{name}: {len(lines)} pinned")


@pytest.mark.row("S1")
def test_every_npm_package_is_locked():
    npm = env.ROOT / "npm"
    lock = (npm / "package-lock.json").read_text()
    assert '"lockfileVersion": 3' in lock
    assert "://" not in lock  # nobody's registry, and no advertising
    exact = re.findall(r'"(?:dependencies|devDependencies)": \{(.*?)\}', (npm / "package.json").read_text(), re.S)
    ranges = [found for block in exact for found in re.findall(r':\s*"([^"]+)"', block)]
    assert ranges
    assert [found for found in ranges if not re.fullmatch(r"\d+\.\d+\.\d+", found)] == []


@pytest.mark.row("S2")
def test_the_history_holds_no_secret(figure):
    git = ["git", "-C", str(env.ROOT)]
    history = subprocess.run([*git, "log", "-p", "HEAD", "--no-color"], capture_output=True, check=False)
    assert history.returncode == 0, history.stderr
    text = history.stdout.decode(errors="replace")
    found = {name: pattern.findall(text)[:3] for name, pattern in SECRETS.items() if pattern.search(text)}
    assert found == {}
    files = subprocess.run(
        [*git, "log", "HEAD", "--name-only", "--format="], capture_output=True, text=True, check=True
    )
    kept = set(files.stdout.split())
    assert not [
        name for name in kept if re.search(r"(^|/)(\.env|secrets\.json|.*\.(pem|key|p12|sqlite3?|dump))$", name)
    ]
    commits = subprocess.run([*git, "rev-list", "HEAD", "--count"], capture_output=True, text=True, check=True)
    figure(f"{commits.stdout.strip()} commits, {len(SECRETS)} patterns: 0")


def test_the_search_for_secrets_finds_them():
    for planted in (
        "AKIA" + "A" * 16,
        "+SECRET_KEY=" + "k" * 50,
        "postgres://zovi:" + "s3cret@db/zovi",
        "ghp_" + "a" * 36,
    ):
        assert any(pattern.search(planted) for pattern in SECRETS.values()), planted


# Where bandit finds something, and why it is none.
REASONED = {
    ("users/brand.py", "B407"): "a file with definitions of its own is refused, so nothing can grow in it",
    ("project/localdb/server.py", "B404"): "starts the embedded PostgreSQL",
    ("project/localdb/upgrading.py", "B404"): "copies from one to another",
    ("project/management/commands/serve.py", "B404"): "runs make beside the server",
    ("project/management/commands/serve.py", "B603"): "the command of the Makefile",
    ("project/env/addresses.py", "B104"): "addresses to compare with; nothing binds to them",
    ("project/localdb/server.py", "B108"): "a folder that own refuses to share",
    ("project/localdb/server.py", "B603"): "its own programs with arguments of our own, no shell",
    ("project/localdb/upgrading.py", "B603"): "the same",
    ("users/clients.py", "B104"): "an address to compare with; nothing binds to it",
    ("users/limits/looking.py", "B608"): "put together from constants of ours; values are parameters",
    ("users/limits/sending.py", "B608"): "put together from constants of ours; values are parameters",
    ("users/limits/table.py", "B608"): "put together from constants of ours; values are parameters",
    ("users/limits/trying.py", "B608"): "put together from constants of ours; values are parameters",
    ("users/events/recording.py", "B608"): "put together from our own words and hashes; values are parameters",
    ("users/events/feed.py", "B608"): "put together from constants of the same file; values are parameters",
    ("users/events/delivery.py", "B608"): "put together from constants of the same file; values are parameters",
    ("users/services/sign_in_query.py", "B608"): "put together from constants of the same file; values are parameters",
    ("project/deliverer.py", "B404"): "runs manage.py beside the server",
    ("project/deliverer.py", "B603"): "a command of our own, no shell",
    ("users/webhooks.py", "B105"): "why a session ended",
    ("users/management/commands/seed_demo.py", "B311"): "people who were made up are no secret",
    ("users/pages/pictures.py", "B308"): "pictures drawn from numbers and our own link, no text of anybody's",
    ("users/pages/pictures.py", "B703"): "the same",
    ("users/templatetags/zovi.py", "B308"): "the words are escaped before",
    ("users/templatetags/zovi.py", "B703"): "the same",
    ("users/guard.py", "B608"): "put together from constants of the same file; values are parameters",
    ("users/models/messages.py", "B608"): "put together from constants of the same file; values are parameters",
    ("users/services/checking.py", "B608"): "put together from constants of the same file; values are parameters",
    ("users/services/gauges.py", "B608"): "put together from constants of the same file; values are parameters",
    ("users/services/idleness.py", "B608"): "put together from constants of the same file; values are parameters",
    ("users/services/importing/__init__.py", "B608"): "put together from constants of ours; values are parameters",
    ("users/services/importing/checks.py", "B608"): "put together from constants of ours; values are parameters",
    ("users/services/importing/writing.py", "B608"): "put together from constants of ours; values are parameters",
    ("users/services/profile_query.py", "B608"): "put together from constants of the same file; values are parameters",
    ("users/rest/openapi_service.py", "B105"): "examples of the API description",
    ("users/services/backend.py", "B105"): "the word Bearer",
    ("users/rest/openapi.py", "B105"): "examples of the API description",
    ("users/rest/serializers.py", "B105"): "the word Bearer",
    ("users/tokens/access.py", "B105"): "the kind of a token",
    ("users/sms/gateways.py", "B311"): "how long a simulated message takes is no secret",
}


@pytest.mark.row("S3")
def test_bandit_finds_nothing_in_our_code_that_has_no_reason(figure):
    rooms = ["project", "users", "schema", "manage.py"]
    command = [Path(sys.executable).with_name("bandit"), "-q", "-r", *rooms, "-x", "*/tests/*", "-f", "json"]
    done = subprocess.run(command, cwd=env.ROOT, capture_output=True, text=True, check=False)
    found = [
        (result["filename"].removeprefix("./"), result["test_id"]) for result in json.loads(done.stdout)["results"]
    ]
    assert set(found) - set(REASONED) == set()
    figure(f"bandit: 0 findings, and {len(found)} that have their reason written beside")


@pytest.mark.row("S3")
def test_nine_of_ten_mutants_were_killed_when_they_were_last_counted(figure):
    """Counting takes a quarter of an hour: `make mutants` does it, and writes the page that is read here."""
    page = (env.ROOT / "docs" / "mutants.md").read_text()
    killed, mutants = map(int, re.search(r"(\d+) of (\d+) mutants were killed", page).groups())
    assert mutants > 500
    assert killed / mutants >= 0.9
    figure(f"{killed} of {mutants} mutants killed ({killed / mutants:.1%}, docs/mutants.md)")
