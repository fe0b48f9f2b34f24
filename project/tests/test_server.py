"""The server as people run it: a process of its own with an embedded database of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import requests

from project import env
from tests.support import live
from tests.support.people import ALICE
from tests.support.servers import Zovi, command_lines, ours, wait_until


@pytest.fixture
def zovi(tmp_path):
    server = Zovi(tmp_path)
    yield server
    if server.process.poll() is None:
        server.kill_everything()


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_and_a_second_start_keeps_the_data(zovi, with_signal):
    zovi.start()
    me = zovi.sign_in().get(f"{zovi.base}/api/users/me/").json()
    wait_until(lambda: len(ours(zovi.folder)) >= 4)  # the server, two workers, the database

    assert zovi.stop(with_signal) == 0
    assert ours(zovi.folder) == []

    zovi.start()
    assert zovi.sign_in().get(f"{zovi.base}/api/users/me/").json() == me
    zovi.stop()


def test_a_reload_fails_no_request_and_leaves_new_workers(zovi):
    zovi.start()
    before = {worker.pid for worker in live.workers_of(zovi)}
    with live.Load(live.rest("GET", f"{zovi.base}/livez"), 4) as load:
        zovi.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len({worker.pid for worker in live.workers_of(zovi)} - before) == 2, seconds=120)
        wait_until(lambda: not before & {worker.pid for worker in live.workers_of(zovi)}, seconds=120)
    assert set(load.statuses()) == {200}
    assert zovi.stop() == 0


def in_a_terminal(*command: str) -> list[str]:
    """The same in a shell in a terminal of its own, which is closed when the process of this command ends."""
    shell = ["sh", "-c", '"$0" "$@"; exit', *command]
    return [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *shell]


def test_it_goes_with_the_terminal_that_is_closed(zovi):
    zovi.command = in_a_terminal(*zovi.command)
    zovi.start()
    assert zovi.stop(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: ours(zovi.folder) == [])


class Development(Zovi):
    def __init__(self, folder, **configuration):
        super().__init__(folder, **configuration)
        self.command = [sys.executable, "manage.py", "runserver"]

    def is_ready(self) -> bool:
        """Its tables are not made."""
        with suppress(requests.ConnectionError):
            return requests.get(f"{self.base}/livez", timeout=300).ok
        return False

    def stop_impatiently(self, with_signal: signal.Signals) -> int:
        """As a terminal has it: everybody is told, again and again."""
        while self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, with_signal)
            time.sleep(0.02)
        self.log.close()
        return self.process.returncode


def test_the_server_for_development_leaves_nothing_behind_however_it_is_stopped(tmp_path):
    server = Development(tmp_path)
    for number in (signal.SIGINT, signal.SIGHUP):
        server.start()
        server.stop_impatiently(number)
        wait_until(lambda: ours(tmp_path) == [])
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def test_a_socket_that_systemd_holds_is_taken_over(tmp_path):
    """And nobody who came while nobody served is turned away."""
    zovi = Zovi(tmp_path)
    with (
        socket.create_server(("127.0.0.1", int(zovi.base.rpartition(":")[2])), backlog=128) as listener,
        socket.create_connection(listener.getsockname(), timeout=120) as early,
    ):
        early.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$0" manage.py serve --prepare', sys.executable],
            env=zovi.environment | {"LISTEN_FDS": "1"},
            cwd=env.ROOT,
            preexec_fn=lambda: os.dup2(listener.fileno(), 3),
            pass_fds=[3],
            stdout=subprocess.DEVNULL,
        )
        try:
            assert b" 200 OK" in early.makefile("rb").readline()
        finally:
            process.terminate()
            assert process.wait(timeout=120) == 0


def test_a_kill_of_everything_spoils_neither_the_data_nor_the_next_start(zovi):
    zovi.start()
    client = zovi.sign_in()
    me = client.get(f"{zovi.base}/api/users/me/").json()
    zovi.kill_everything()

    zovi.start()
    assert client.get(f"{zovi.base}/api/users/me/").json() == me
    assert zovi.stop() == 0


def test_a_killed_server_leaves_a_database_that_the_next_start_takes_over(zovi):
    zovi.start()
    me = zovi.sign_in().get(f"{zovi.base}/api/users/me/").json()
    zovi.process.kill()
    zovi.process.wait()
    zovi.log.close()
    wait_until(lambda: "manage.py" not in command_lines(zovi.folder))
    assert "postgres" in command_lines(zovi.folder)

    zovi.start()
    assert zovi.sign_in().get(f"{zovi.base}/api/users/me/").json() == me
    assert zovi.stop() == 0
    assert ours(zovi.folder) == []


def test_a_stale_pid_file_that_names_a_stranger_is_no_obstacle(zovi):
    zovi.start()
    zovi.kill_everything()
    pid_file = zovi.folder / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    zovi.start()
    assert zovi.stop() == 0


def test_the_last_of_two_servers_stops_the_database_they_share(zovi):
    zovi.start()
    other = Zovi(zovi.folder)
    other.start()
    assert zovi.stop() == 0
    assert other.sign_in().get(f"{other.base}/api/users/me/").status_code == 200
    assert other.stop() == 0
    assert ours(zovi.folder) == []


def test_a_folder_too_deep_for_a_socket_works_too(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    server = Zovi(deep)
    server.start()
    assert server.stop() == 0
    assert ours(deep) == []


def test_a_real_gateway_is_no_demo(tmp_path):
    secrets = {name: name.lower() * 10 for name in ("SECRET_KEY", "JWT_SECRET_KEY", "OTP_PEPPER")}
    zovi = Zovi(tmp_path, DEMO="", SMS_URL="json://127.0.0.1:9/{phone}", **secrets)
    zovi.start()
    answer = requests.post(f"{zovi.base}/api/users/send_otp/", json={"phone_number": ALICE}, timeout=120)
    assert (answer.status_code, answer.json()["code"]) == (503, "sms_not_sent")
    zovi.stop()
    assert ALICE not in (tmp_path / "server.log").read_text()


def test_commands_start_and_stop_the_database_they_need(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        env=environment | {"LOCAL_DIR": str(tmp_path)},
        cwd=env.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ours(tmp_path) == []
