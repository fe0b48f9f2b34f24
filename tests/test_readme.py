"""The calls of README and docs, run word for word against the running server; their answers must be the real ones."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from PIL import Image

from project import env
from tests import needs
from tests.support.servers import Zovi, ours, wait_until

README = (env.ROOT / "README.md").read_text()
GRAPHQL, CLIENTS = ((env.ROOT / "docs" / name).read_text() for name in ("graphql.md", "clients.md"))
STORY = (env.ROOT / "examples" / "story.sh").read_text()
CALL = re.compile(r"```sh\n((?:[A-Z].*\n)?curl .*)\n```(?:\n```json\n(.*)\n```)?")
DRAWN = {"otp", "challenge", "token", "refresh_token", "id", "invite_code", "activated_invite_code"}
DRAWN |= {"refreshToken", "inviteCode", "activatedInviteCode"}
OLD_ENOUGH = {"-b", "-c", "-d", "-H", "-X"}  # options that curl has had for ever: Debian 11's is 7.74 and has no --json


@pytest.fixture
def zovi(tmp_path):
    server = Zovi(tmp_path, OTP_RESEND_COOLDOWN="5")
    server.start()
    yield server
    server.stop()


def test_every_call_gives_the_answer_beside_it(zovi, tmp_path):
    """One shell for all of it: a line of variables, filled from the answer above, holds for whatever comes after."""
    *calls, logout = CALL.findall(README)
    calls += CALL.findall(GRAPHQL)
    assert len(calls) == README.count("```json") + GRAPHQL.count("```json") == 8 + 5
    drawn: dict[str, str] = {"http://127.0.0.1:8000": zovi.base}  # what is shown -> what this run drew instead
    variables = ""
    for command, answer in [*calls, logout]:
        for shown, real in drawn.items():
            command = command.replace(shown, real).replace(shown.lower(), real.lower())
        before, _, curl = command.rpartition("\ncurl ")
        variables += f"{before}\n"
        script = f"{variables}curl -sS {curl.removeprefix('curl ')}"
        done = subprocess.run(["sh", "-euc", script], cwd=tmp_path, capture_output=True, check=True)
        shown, real = json.loads(answer or "{}"), json.loads(done.stdout or "{}")
        learn(drawn, shown, real)
        assert real == with_drawn(drawn, shown), command
        assert list(real) == list(shown), "the fields are shown in their order"


def test_the_readme_tells_the_story_of_the_script():
    """Which tests/test_example_story.py runs."""
    assert re.findall(r"(?m)^curl .*$", README) == re.findall(r"(?m)^curl .*$", STORY)


def test_the_readme_shows_the_code_of_the_example():
    """Which tests/browser/test_spa.py drives."""
    [shown] = re.findall(r"```js\n(.*?)```", README, re.DOTALL)
    assert shown in (env.ROOT / "examples" / "spa" / "app.js").read_text()


@pytest.mark.parametrize("document", [README, GRAPHQL], ids=["README", "graphql"])
def test_curl_may_be_old(document):
    calls = re.findall(r"(?m)^curl .*$", document)
    assert len(calls) >= 5
    assert {option for call in calls for option in re.findall(r"(?<= )-+[A-Za-z-]+", call)} <= OLD_ENOUGH


def learn(drawn: dict[str, str], shown: dict, real: dict) -> None:
    for name in shown.keys() & real.keys():
        if isinstance(shown[name], dict) and isinstance(real[name], dict):
            learn(drawn, shown[name], real[name])
        elif name in DRAWN and shown[name] is not None:
            drawn.setdefault(shown[name], real[name])


def with_drawn(drawn: dict[str, str], shown: dict) -> dict:
    return {
        name: with_drawn(drawn, value)
        if isinstance(value, dict)
        else drawn[value]
        if value and name in DRAWN
        else value
        for name, value in shown.items()
    }


def test_every_graphql_operation_is_called_in_curl_word_for_word():
    sections = re.findall(r"```graphql\n(.*)\n```\n```sh\n(?:.*\n)?curl .* -d '(.*)'\n```", GRAPHQL)
    assert len(sections) == GRAPHQL.count("```graphql") == 5
    for operation, body in sections:
        assert json.loads(body)["query"] == operation


def test_a_token_is_checked_elsewhere_as_the_documents_say(zovi, tmp_path):
    token = zovi.sign_in().headers["Authorization"].removeprefix("Bearer ")
    shown = [re.search(rf"```{language}\n(import .*?)\n```", CLIENTS, re.DOTALL)[1] for language in ("python", "js")]
    assert f"```python\n{shown[0]}\n```" in README
    python, node = (code.replace("http://127.0.0.1:8000", zovi.base) for code in shown)
    names: dict = {"token": token}
    exec(python, names)  # noqa: S102
    script = env.ROOT / "npm" / "readme.mjs"  # where npm's packages are found
    script.write_text(f"const token = process.argv[2]\n{node}\nconsole.log(userId)\n")
    try:
        command = [needs.program("node", "npm ci --prefix npm"), str(script), token]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    finally:
        script.unlink()
    me = requests.get(f"{zovi.base}/api/users/me/", headers={"Authorization": f"Bearer {token}"}, timeout=120)
    assert names["user_id"] == said == me.json()["id"]


def test_the_habitual_way_works_in_its_own_words(tmp_path):
    [lines] = re.findall(r"```\n(pip .*?)```", README, re.DOTALL)
    install, migrate, run = lines.splitlines()
    zovi = Zovi(tmp_path)
    zovi.environment["PATH"] = f"{Path(sys.executable).parent}:{zovi.environment['PATH']}"
    for line in (install, migrate):
        subprocess.run(line.split(), cwd=env.ROOT, env=zovi.environment, check=True, capture_output=True)
    zovi.command = run.split()
    zovi.start()
    zovi.sign_in()
    os.killpg(zovi.process.pid, signal.SIGINT)  # Ctrl-C reaches the reloader and what it has started
    zovi.process.wait(timeout=300)
    zovi.log.close()
    wait_until(lambda: not ours(tmp_path))


def test_the_first_screen_says_what_it_is_and_holds_both_commands():
    first_screen = README[:1600]
    assert re.match(r"# Zovi\n\n\*\*Zovi is a .* for .* who", first_screen)
    assert "make run" in first_screen
    assert "make test" in first_screen


@pytest.mark.parametrize(("name", "language"), [("README.md", "en"), ("README.ru.md", "ru")])
def test_a_readme_is_read_to_its_end_and_shows_the_ticket(name, language):
    text = (env.ROOT / name).read_text()
    assert len(text.splitlines()) < 250
    shown = re.findall(r'(?:src|srcset)="(docs/pictures/[\w-]+\.png)"', text[:1600])
    assert shown == [f"docs/pictures/ticket-{language}-{scheme}.png" for scheme in ("dark", "light")]
    for path in shown:
        with Image.open(env.ROOT / path) as picture:
            assert picture.width == 2 * 390  # a phone's
