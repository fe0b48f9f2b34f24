"""The description of the REST API, taken at its word: whatever it allows is sent, and whatever it forbids."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from tests.support import live


def test_the_description_can_be_asked_for_again():
    for _ in range(3):
        assert Client().get("/api/schema/").status_code == 200


@pytest.mark.row("H6")
def test_every_call_answers_as_described_whatever_is_sent(tmp_path, full, figure):
    """All of schemathesis' checks: no 5xx, no undocumented status, type or shape, nothing accepted that is forbidden,
    no method that should not be there, no call without its token."""
    generated = 0
    limits = {"SERVICE_FAILURES_PER_IP": "off"}
    with live.demo(tmp_path, SERVICE_KEYS=f"schemathesis:{'k' * 40}", **limits) as zovi:
        people = [
            "--exclude-operation-id",
            "logout",
            "--exclude-tag",
            "service",
        ]
        for selection in (people, ["--include-operation-id", "logout"], ["--include-tag", "service"]):
            of_people = zovi.sign_in().headers["Authorization"]
            authorization = f"Service {'k' * 40}" if "--include-tag" in selection else of_people
            command = ["--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run"]
            command += [f"{zovi.base}/api/schema/", "--checks", "all", *selection, "--no-color"]
            command += ["-H", f"Authorization: {authorization}", "--max-examples", "200" if full else "15"]
            done = subprocess.run(
                [Path(sys.executable).with_name("schemathesis"), *command],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            [count] = re.findall(r"(\d+) generated", done.stdout)
            generated += int(count)
    assert generated > 100
    assert "Internal Server Error" not in (tmp_path / "server.log").read_text()
    figure(f"{generated} requests, every check: 0 × 5xx, 0 undocumented")
