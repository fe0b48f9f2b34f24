"""The embedded PostgreSQL: which of the versions that come along runs, and where its data and its socket are."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager

import psycopg2
import pytest

from project import env, localdb
from tests.support.servers import ours, wait_until

OLD, NEW = sorted(localdb.installed())
UNSAFE_BUT_FAST = ("-c", "fsync=off")


@contextmanager
def running(cluster):
    localdb.hold(cluster, UNSAFE_BUT_FAST)
    try:
        yield
    finally:
        localdb.release(cluster)


def ask(cluster, statement: str, database: str = localdb.DEMO_DATABASE) -> list[tuple]:
    connection = localdb.server.connect(cluster, database)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def major(cluster) -> int:
    [(version,)] = ask(cluster, "SELECT current_setting('server_version_num')::int / 10000")
    return version


@pytest.fixture
def of_the_old_version(tmp_path, monkeypatch):
    """A cluster made when only the older PostgreSQL came along, with something in it."""
    cluster = tmp_path / "postgres"
    with monkeypatch.context() as then:
        old = {OLD: localdb.installed()[OLD]}
        then.setattr(localdb.server, "installed", lambda: old)
        with running(cluster):
            ask(cluster, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
            ask(cluster, "CREATE TABLE kept AS SELECT 'real' AS kind", localdb.DATABASE)
    return cluster


@pytest.fixture
def of_a_version_that_is_gone(tmp_path):
    cluster = tmp_path / "postgres"
    (cluster / "data").mkdir(parents=True)
    (cluster / "data" / "PG_VERSION").write_text("13\n")
    return cluster


def test_two_versions_come_along():
    assert (OLD, NEW) == (16, 18)


def test_new_data_take_the_newest_version(tmp_path):
    with running(tmp_path):
        assert major(tmp_path) == localdb.version(tmp_path) == NEW


def test_the_last_one_to_use_it_stops_it_and_nobody_before(tmp_path):
    hold = (
        f"import pathlib; from project import localdb; localdb.hold(pathlib.Path({str(tmp_path)!r})); print(); input()"
    )
    other = subprocess.Popen([sys.executable, "-c", hold], cwd=env.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"\n"
    with running(tmp_path):
        pass
    assert ask(tmp_path, "SELECT 1") == [(1,)]
    other.communicate(b"\n")
    with pytest.raises(psycopg2.OperationalError):
        ask(tmp_path, "SELECT 1")


SLOWLY = """
import pathlib
import manage
from project.localdb import hold, release, server

def slowly(*arguments, do=server.{step}):
    print(flush=True)
    input()
    return do(*arguments)

server.{step} = slowly
manage.unwind_at_the_end()
hold(pathlib.Path({folder!r}))
release(pathlib.Path({folder!r}))
"""


@pytest.mark.parametrize("step", ["start", "stop"])
def test_whoever_is_told_to_end_again_and_again_finishes_that_first_and_leaves_nothing(tmp_path, step):
    code = SLOWLY.format(step=step, folder=str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=env.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"\n"
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
    process.communicate(b"\n")
    assert (process.returncode == 0) is (step == "stop")
    assert ours(tmp_path) == []


def test_a_ctrl_c_while_the_data_are_made_does_not_reach_who_makes_them(tmp_path):
    """A terminal tells everybody in front of it."""
    code = f"import pathlib, time; from project.localdb import hold; hold(pathlib.Path({str(tmp_path)!r}))"
    code += "\nwhile True: time.sleep(0.1)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=env.ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: (tmp_path / "draft" / "base" / "1" / "PG_VERSION").exists() or (tmp_path / "data").exists())
    os.killpg(process.pid, signal.SIGINT)
    *_, last = process.communicate()[1].splitlines()
    assert (last, (tmp_path / "data").exists(), ours(tmp_path)) == ("KeyboardInterrupt", True, [])


def test_the_demo_and_the_real_thing_have_a_database_each(tmp_path):
    with running(tmp_path):
        names = {name for (name,) in ask(tmp_path, "SELECT datname FROM pg_database WHERE NOT datistemplate")}
    assert names == {"postgres", "demo", "zovi"}


def test_data_run_on_the_version_they_are_of(of_the_old_version):
    with running(of_the_old_version):
        assert major(of_the_old_version) == localdb.version(of_the_old_version) == OLD
        assert ask(of_the_old_version, "SELECT count(*), sum(number) FROM kept") == [(1000, 500500)]


def test_an_upgrade_moves_everything_and_keeps_the_old_data(of_the_old_version):
    cluster = of_the_old_version
    assert localdb.upgrade(cluster) == cluster / f"data-{OLD}"
    assert (cluster / f"data-{OLD}" / "PG_VERSION").read_text() == f"{OLD}\n"
    with running(cluster):
        assert major(cluster) == localdb.version(cluster) == NEW
        assert ask(cluster, "SELECT count(*), sum(number) FROM kept") == [(1000, 500500)]
        assert ask(cluster, "SELECT kind FROM kept", localdb.DATABASE) == [("real",)]
    assert localdb.upgrade(cluster) is None
    assert sorted(path.name for path in cluster.parent.iterdir()) == ["postgres"]


def test_nobody_is_upgraded_under_their_feet(of_the_old_version):
    with running(of_the_old_version), pytest.raises(SystemExit, match="in use: stop Zovi first"):
        localdb.upgrade(of_the_old_version)
    assert localdb.version(of_the_old_version) == OLD


def test_a_copy_that_fails_leaves_everything_as_it_was(of_the_old_version, monkeypatch):
    def fail(*_):
        raise RuntimeError("the database demo could not be copied; nothing has changed")

    monkeypatch.setattr(localdb.upgrading, "_copy", fail)
    with pytest.raises(RuntimeError, match="nothing has changed"):
        localdb.upgrade(of_the_old_version)
    with running(of_the_old_version):
        assert ask(of_the_old_version, "SELECT count(*) FROM kept") == [(1000,)]
        assert major(of_the_old_version) == OLD


def test_an_interrupted_upgrade_is_no_reason_for_an_empty_database(of_the_old_version):
    (of_the_old_version / "data").rename(of_the_old_version / f"data-{OLD}")
    with pytest.raises(SystemExit, match=f"rename data-{OLD} to data"):
        localdb.hold(of_the_old_version)
    assert not (of_the_old_version / "data").exists()


@pytest.mark.parametrize("said", [None, "", "of old\n"])
def test_data_that_do_not_say_their_version_say_what_to_do(tmp_path, said):
    (tmp_path / "data").mkdir()
    if said is not None:
        (tmp_path / "data" / "PG_VERSION").write_text(said)
    for ask in (localdb.hold, localdb.upgrade, localdb.version):
        with pytest.raises(SystemExit, match=r"data is damaged, its PG_VERSION is lost: put a copy in its place"):
            ask(tmp_path)


def test_data_of_another_owner_say_what_to_do(tmp_path, monkeypatch):
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(localdb.server, "_postgres_uid", lambda: owner)
    localdb.server._refuse_foreign_data(tmp_path)
    other = owner + 1
    monkeypatch.setattr(localdb.server, "_postgres_uid", lambda: other)
    with pytest.raises(SystemExit, match=rf"PostgreSQL runs only as .* sudo chown -R {other} {tmp_path}"):
        localdb.server._refuse_foreign_data(tmp_path)


def test_data_of_a_version_that_is_gone_say_what_to_do(of_a_version_that_is_gone):
    for start in (localdb.hold, localdb.upgrade):
        with pytest.raises(SystemExit, match=r"is PostgreSQL 13's, which no longer comes along: run `make upgrade-db`"):
            start(of_a_version_that_is_gone)
    assert (of_a_version_that_is_gone / "data" / "PG_VERSION").read_text() == "13\n"


@pytest.mark.parametrize("name", ["данные и папки" * 4, "a, b", 'with "quotes"', "пробел " * 2, "x" * 90])
def test_any_path_will_do(tmp_path, name):
    cluster = tmp_path / name
    socket = localdb.server.socket_folder(cluster)
    with running(cluster):
        assert ask(cluster, "SELECT 1") == [(1,)]
    assert len(bytes(socket / localdb.server.SOCKET_NAME)) <= localdb.server.MAX_SOCKET_PATH
    if socket.parent != cluster:
        shutil.rmtree(socket)


def test_a_long_folder_for_temporary_files_is_no_obstacle_either(tmp_path, monkeypatch):
    monkeypatch.setattr(localdb.server.tempfile, "gettempdir", lambda: str(tmp_path / ("t" * 100)))
    assert str(localdb.server.socket_folder(tmp_path / ("x" * 90))).startswith("/tmp/zovi-")  # noqa: S108


def test_a_server_that_cannot_start_is_not_tried_for_long(tmp_path, monkeypatch):
    tries = []
    popen = localdb.server.subprocess.Popen
    monkeypatch.setattr(localdb.server.subprocess, "Popen", lambda *a, **k: tries.append(1) or popen(*a, **k))
    with pytest.raises(RuntimeError, match='unrecognized configuration parameter "nonsense"'):
        localdb.hold(tmp_path, ("-c", "nonsense=1"))
    assert len(tries) <= 3  # initdb, and the server once; subprocess.run is a Popen too


def test_a_folder_of_somebody_else_refuses_in_one_line():
    with pytest.raises(SystemExit) as refused:
        env.refuse_unusable(PermissionError(13, "Permission denied", "/srv/.local/postgres"))
    assert str(refused.value).startswith("zovi: refusing to start: /srv/.local/postgres is closed to this user: ")
    assert "\n" not in str(refused.value)


def test_a_folder_that_cannot_be_refuses_in_one_line(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SystemExit) as refused:
        localdb.hold(file / "postgres")
    said = f"{file}/postgres cannot be used (Not a directory): mend that, or choose another LOCAL_DIR"
    assert str(refused.value) == f"zovi: refusing to start: {said}"
    with pytest.raises(SystemExit, match=rf"{env.LOCAL} cannot be used \(No space left on device\): "):
        env.refuse_unusable(OSError(28, "No space left on device"))
