"""The backend of examples/backend beside two instances, while both are killed: its table is ours in the end."""

import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import requests

from project import env
from tests.support import live
from tests.support.receivers import SECRET
from tests.support.servers import Zovi, free_port, ours, wait_until

KEY = "k" * 40
DEADLINE = 300  # seconds, generous: what a busy machine may need


class Backend:
    def __init__(self, folder: Path, zovi: Zovi):
        self.port, self.database = free_port(), folder / "backend.sqlite3"
        self.environment = os.environ | {
            "ZOVI": zovi.base,
            "SERVICE_KEY": KEY,
            "WEBHOOK_SECRET": SECRET,
            "PORT": str(self.port),
            "DATABASE": str(self.database),
        }
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        script = env.ROOT / "examples" / "backend" / "backend.py"
        self.process = subprocess.Popen([sys.executable, str(script)], env=self.environment, stderr=subprocess.DEVNULL)
        wait_until(self.answers, DEADLINE)

    def answers(self) -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/me", timeout=120).status_code == 401
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def rows(self, query: str) -> list[tuple]:
        with sqlite3.connect(self.database, timeout=60) as connection:
            return sorted(connection.execute(query).fetchall())

    def members(self) -> list[tuple]:
        return self.rows("SELECT id, invite_code, is_active FROM members")

    def rewards(self) -> list[tuple]:
        return self.rows("SELECT inviter, count(*) FROM rewards GROUP BY inviter")


def members_of(zovi: Zovi) -> list[tuple]:
    return sorted(
        live.query(zovi, "SELECT id::text, invite_code, is_active::int FROM users_user WHERE phone IS NOT NULL")
    )


def activations_of(zovi: Zovi) -> list[tuple]:
    return sorted(live.query(zovi, "SELECT inviter_id::text, count(*) FROM users_activation GROUP BY inviter_id"))


def kill_instance(zovi: Zovi) -> None:
    """Its master, its workers and its deliverer, all at once; the database is the other's too."""
    mine = [process for process in ours(zovi.folder) if process.environ().get("PORT") == zovi.environment["PORT"]]
    for process in mine:
        if "postgres" not in process.name():
            with suppress(psutil.Error):
                process.kill()
    zovi.process.wait()
    zovi.log.close()


def service(zovi: Zovi, method: str, path: str, **body) -> dict:
    headers = {"Authorization": f"Service {KEY}"}
    answer = requests.request(
        method, f"{zovi.base}/api/service/{path}", headers=headers, json=body or None, timeout=120
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


class Story:
    """People who come, invite, are kept out and leave, at whichever instance."""

    def __init__(self, code: str):
        self.code, self.count = code, 0

    def goes_on(self, zovi: Zovi, people: int) -> None:
        """Each enters the first one's code; every third is switched off, every fourth leaves."""
        for _ in range(people):
            self.count += 1
            client = zovi.sign_in(f"+7913555{self.count:04}")
            activated = client.post(f"{zovi.base}/api/users/referal/", json={"activated_invite_code": self.code})
            assert activated.status_code == 200, activated.text
            me = client.get(f"{zovi.base}/api/users/me/").json()
            if self.count % 3 == 0:
                service(zovi, "POST", f"users/{me['id']}/disable/")
            elif self.count % 4 == 0:
                otp = client.post(f"{zovi.base}/api/users/send_otp/", json={"phone_number": me["phone_number"]}).json()
                left = client.post(f"{zovi.base}/api/users/me/delete/", json={"otp": otp["otp"]})
                assert left.status_code == 204, left.text


def test_the_backend_ends_up_with_our_table_whoever_is_killed_in_between(tmp_path):
    instances = [Zovi(tmp_path, WEB_CONCURRENCY="1", SMS_SIMULATED_DELAY="0", **live.NO_LIMITS) for _ in range(2)]
    first, second = instances
    backend = Backend(tmp_path, second)
    with ExitStack() as running:
        for zovi in instances:
            zovi.environment |= {"SERVICE_KEYS": f"crm:{KEY}", "WEBHOOK_SECRET": SECRET}
            zovi.environment |= {"WEBHOOK_URLS": f"{backend.url}/events"}
            running.enter_context(live.running(zovi))
        backend.start()
        running.callback(backend.kill)

        alice = second.sign_in()
        me = alice.get(f"{second.base}/api/users/me/").json()
        story = Story(me["invite_code"])
        story.goes_on(first, 6)
        wait_until(lambda: backend.members() == members_of(second), DEADLINE)  # by webhooks alone

        backend.kill()
        story.goes_on(first, 4)
        kill_instance(first)
        story.goes_on(second, 4)
        backend.start()  # which reads the feed from where it was
        story.goes_on(second, 4)
        wait_until(lambda: backend.members() == members_of(second), DEADLINE)
        wait_until(lambda: backend.rewards() == activations_of(second), DEADLINE)
        assert backend.rewards() == [(me["id"], 18)]

        again = [event["id"] for event in service(second, "GET", "events/?type=referral.activated")["results"]]
        subprocess.run(
            [sys.executable, "manage.py", "events", "replay", *again],
            cwd=env.ROOT,
            env=second.environment,
            check=True,
            capture_output=True,
        )
        undelivered = "SELECT count(*) FROM users_delivery WHERE next_attempt_at <= now() + interval '1 minute'"
        wait_until(lambda: live.query(second, undelivered) == [(0,)], DEADLINE)
        assert backend.rewards() == [(me["id"], 18)]
        shown = requests.get(f"{backend.url}/me", headers=alice.headers, timeout=120)
        assert (shown.status_code, shown.json()) == (200, {"id": me["id"], "rewards": 18})
