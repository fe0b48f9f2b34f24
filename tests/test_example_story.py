"""examples/story.sh against the running server: what it prints is what was answered, and a refusal ends it."""

import json
import re
import subprocess

from project import env
from tests.support import live
from tests.support.servers import Zovi

STORY = env.ROOT / "examples" / "story.sh"
STEPS = ["send_otp", "auth", "me", "send_otp", "auth", "referal", "me", "token/refresh", "logout"]


def tell(address: str) -> subprocess.CompletedProcess:
    return subprocess.run(["sh", STORY, address], capture_output=True, text=True, timeout=300)


def steps_of(printed: str) -> list[tuple[str, dict]]:
    """Each call with its answer; of one that answers nothing an empty one."""
    pairs = re.findall(r"^\$ curl .*?\$ZOVI/api/users/(.*?)/ .*\n(.*)\n", printed, re.MULTILINE)
    return [(call, json.loads(answer) if answer.startswith("{") else {}) for call, answer in pairs]


def test_the_story_goes_through_again_and_again_until_it_is_refused(tmp_path):
    with live.running(Zovi(tmp_path, SMS_SIMULATED_DELAY="0", OTP_SENDS_PER_IP="4/h")) as zovi:
        runs = [tell(zovi.base), tell(zovi.base)]
        for told in runs:
            assert (told.returncode, told.stderr) == (0, "")
            steps = steps_of(told.stdout)
            assert [call for call, _ in steps] == STEPS
            alice, bob, came = steps[1][1], steps[4][1], steps[6][1]
            assert alice["is_new_user"] is bob["is_new_user"] is True
            assert (came["refs"], came["refs_count"]) == ([bob["phone_number"]], 1)
            assert steps[5][1]["activated_invite_code"] == came["invite_code"]
            assert steps[7][1]["refresh_token"] not in (alice["refresh_token"], "")
        assert live.query(zovi, "SELECT count(*) FROM users_user") == [(4,)]
        assert live.query(zovi, "SELECT count(*) FROM users_session WHERE ended_at IS NOT NULL") == [(2,)]

        refused = tell(zovi.base)  # its fifth message within the hour
        assert refused.returncode == 1
        said = refused.stderr.removeprefix("Refused with 429: ")
        assert json.loads(said)["code"] == "too_many_requests"
        assert steps_of(refused.stdout) == []


def test_where_nobody_answers_curl_says_so():
    told = tell("http://127.0.0.1:9")
    assert told.returncode != 0
    assert "curl: (7)" in told.stderr


def test_the_story_uses_what_an_old_curl_has():
    """Debian 11 has curl 7.74: no `--json`, no `--fail-with-body`, no `--variable`."""
    calls = re.findall(r"^curl .*$", STORY.read_text(), re.MULTILINE)
    assert len(calls) == len(STEPS)
    options = {option for call in calls for option in re.findall(r"(?<= )-+[A-Za-z-]+", call)}
    assert options <= {"-c", "-b", "-d", "-H", "-X"}
