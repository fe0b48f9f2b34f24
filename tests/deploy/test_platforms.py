"""What Heroku and PythonAnywhere are given, started as they would."""

import os
import re
import signal
import subprocess
import sys

import pytest
import requests

from project import env
from tests.support.servers import free_port, wait_until

PROCFILE = dict(re.findall(r"(?m)^(\w+): (.*)$", (env.ROOT / "Procfile").read_text()))
RECIPE = (env.ROOT / "docs" / "deploy.md").read_text()


@pytest.fixture
def dyno(database_url, tmp_path):
    """The environment of the platform: it knows the port and the database, and nothing of a demo."""
    path = f"{sys.prefix}/bin:{os.environ['PATH']}"
    return {"PATH": path, "PORT": str(free_port()), "DATABASE_URL": database_url, "LOCAL_DIR": str(tmp_path)}


def test_the_procfile_migrates_and_serves_on_the_given_port(dyno):
    demo = dyno | {"DEMO": "1", "WEB_CONCURRENCY": "1"}
    subprocess.run(["bash", "-c", PROCFILE["release"]], env=demo, cwd=env.ROOT, check=True, capture_output=True)
    web = subprocess.Popen(
        ["bash", "-c", PROCFILE["web"]], env=demo, cwd=env.ROOT, stdout=subprocess.DEVNULL, start_new_session=True
    )
    address = f"http://127.0.0.1:{dyno['PORT']}/readyz"
    try:
        wait_until(lambda: answers(address))
        assert requests.get(address, timeout=300).status_code == 200
    finally:
        os.killpg(web.pid, signal.SIGTERM)  # to every process of the dyno
        assert web.wait(timeout=300) in {0, -signal.SIGTERM, 128 + signal.SIGTERM}
    wait_until(lambda: not answers(address))


def answers(address: str) -> bool:
    try:
        return bool(requests.get(address, timeout=300))
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("line", ["release", "web"])
def test_the_procfile_without_a_gateway_is_no_demo(dyno, line):
    done = subprocess.run(
        ["bash", "-c", PROCFILE[line]], env=dyno, cwd=env.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "neither DEMO=1 nor SMS_URL is set" in done.stderr


def test_pythonanywhere_finds_the_application(dyno):
    wsgi = (env.ROOT / "deploy" / "pythonanywhere_wsgi.py").read_text()
    assert "/home/YOU/zovi" in wsgi
    ask = """
from wsgiref.util import setup_testing_defaults
environ = {"PATH_INFO": "/livez"}
setup_testing_defaults(environ)
print(b"".join(application(environ, lambda status, headers: print(status))).decode())
"""
    done = subprocess.run(
        [sys.executable, "-c", wsgi.replace("/home/YOU/zovi", str(env.ROOT)) + ask],
        env=dyno | {"DEMO": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.splitlines(), done.returncode) == (["200 OK", '{"status": "ok"}'], 0), done.stderr


def test_a_recipe_names_every_file_of_the_folder():
    recipes = "".join(path.read_text() for path in (env.ROOT / "docs").glob("*.md"))
    for path in (env.ROOT / "deploy").iterdir():
        assert f"deploy/{path.name}" in recipes
    assert "(../Procfile)" in RECIPE
