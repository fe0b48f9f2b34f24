"""The README's calls, run word for word against the running server; its answers must be the real ones."""

import json
import re
import shlex
import subprocess

import pytest
import requests

from project import env
from tests import needs
from tests.support.servers import Zovi

README = (env.ROOT / "README.md").read_text()
CALL = re.compile(r"```sh\n(curl [^`]*?)\n```\n```json\n(.*?)\n```", re.DOTALL)
DRAWN = {"otp", "challenge", "token", "refresh_token", "id", "invite_code", "activated_invite_code"}
DRAWN |= {"refreshToken", "inviteCode", "activatedInviteCode"}


@pytest.fixture
def zovi(tmp_path):
    server = Zovi(tmp_path, OTP_RESEND_COOLDOWN="5")
    server.start()
    yield server
    server.stop()


def test_every_call_of_the_readme_gives_the_answer_beside_it(zovi, tmp_path):
    calls = CALL.findall(README)
    assert len(calls) >= 12
    drawn: dict[str, str] = {}  # what the README shows -> what this run drew instead
    for command, answer in calls:
        command = command.replace("http://127.0.0.1:8000", zovi.base)
        for shown, real in drawn.items():
            command = command.replace(shown, real).replace(shown.lower(), real.lower())
        done = subprocess.run(["curl", "-sS", *shlex.split(command)[1:]], cwd=tmp_path, capture_output=True, check=True)
        shown, real = json.loads(answer), json.loads(done.stdout)
        learn(drawn, shown, real)
        assert real == with_drawn(drawn, shown), command
        assert list(real) == list(shown), "the README shows the fields in their order"


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


def test_every_operation_of_the_readme_is_called_in_curl_word_for_word():
    sections = re.findall(r"```graphql\n(.*?)\n```\n```sh\ncurl [^`]*? --json '(.*?)'\n```", README, re.DOTALL)
    assert len(sections) == README.count("```graphql") >= 5
    for operation, body in sections:
        assert json.loads(body)["query"] == operation


def test_a_token_is_checked_elsewhere_as_the_readme_says(zovi, tmp_path):
    token = zovi.sign_in().headers["Authorization"].removeprefix("Bearer ")
    python, node = (
        re.search(rf"```{language}\n(.*?)\n```", README, re.DOTALL)[1].replace("http://127.0.0.1:8000", zovi.base)
        for language in ("python", "js")
    )
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


def test_the_first_screen_holds_both_commands():
    first_screen = README[:1200]
    assert "make run" in first_screen
    assert "make test" in first_screen
