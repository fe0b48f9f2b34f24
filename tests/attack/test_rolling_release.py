"""Two versions, one after the other, beside one database: the tables change while the older one serves."""

import itertools
import shutil
from pathlib import Path

import requests

from project import env
from tests.support import live
from tests.support.servers import Zovi, wait_until

MIGRATIONS = {
    "0002_toy.py": """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0001_initial")]
    operations = [
        migrations.AddField("user", "nickname", models.CharField(max_length=20, db_default="nobody")),
        migrations.AddField("session", "place", models.CharField(max_length=20, null=True)),
    ]
""",
    "0003_toy.py": """
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("users", "0002_toy")]
    operations = [AddIndexConcurrently("user", models.Index(fields=["nickname"], name="user_by_nickname"))]
""",
}
FIELDS = {
    "people.py": (
        "    objects = UserManager()",
        '    nickname = models.CharField(max_length=20, db_default="nobody")\n',
    ),
    "sessions.py": ("    class Meta:", "    place = models.CharField(max_length=20, null=True)\n\n"),
}
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".local", ".*_cache", "node_modules", "tests", "bench", "docs", "examples", "__pycache__"
)
numbers = itertools.count()


def next_version(folder: Path) -> Path:
    """The source of a version that knows two columns and an index more."""
    root = folder / "next"
    shutil.copytree(env.ROOT, root, ignore=LEFT_OUT)
    for name, text in MIGRATIONS.items():
        (root / "users" / "migrations" / name).write_text(text)
    for name, (before, field) in FIELDS.items():
        path = root / "users" / "models" / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, field + before, 1))
    return root


def newcomer(base: str) -> live.Call:
    """Signs in for the first time and enters the host's code."""

    def call(session: requests.Session) -> tuple[int, str | None]:
        sent = post(session, "send_otp/", phone_number=f"+7913{next(numbers):07}")
        answer = post(session, "auth/", otp=sent.json().get("otp", "0000"), challenge=sent.json().get("challenge"))
        return answer.status_code, answer.headers.get("Retry-After")

    def post(session: requests.Session, path: str, **body) -> requests.Response:
        return session.post(f"{base}/api/users/{path}", json=body, timeout=120)

    return call


def test_the_version_before_serves_while_the_next_one_changes_the_tables_and_beside_it(tmp_path):
    local = tmp_path / "local"
    local.mkdir()
    with live.demo(local) as older:
        signed_in = older.sign_in("+79136740000").headers
        me = live.rest("GET", f"{older.base}/api/users/me/", headers={"Authorization": signed_in["Authorization"]})
        newer = Zovi(local, root=next_version(tmp_path), SMS_SIMULATED_DELAY="0", **live.NO_LIMITS)
        with live.Load(me, 4) as reading, live.Load(newcomer(older.base), 2) as coming, live.running(newer):
            for load in (reading, coming):
                answered = len(load.answers)
                wait_until(lambda load=load, answered=answered: len(load.answers) > answered + 20)
            columns = "SELECT nickname, count(*) FROM users_user GROUP BY 1"
            assert [name for name, _ in live.query(older, columns)] == ["nobody"]
            ready = requests.get(f"{older.base}/readyz", timeout=120)
            headers = {"Authorization": signed_in["Authorization"]}
            shown = requests.get(f"{newer.base}/api/users/me/", headers=headers, timeout=120)
            assert (ready.status_code, shown.status_code) == (200, 200)
            assert newer.stop() == 0
        assert (set(reading.statuses()), set(coming.statuses())) == ({200}, {200})
        assert live.query(older, "SELECT count(*) FROM users_user") == [(len(coming.answers) + 1,)]
