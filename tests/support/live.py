"""The real server under real load, and what may befall it: for tests that only look from outside."""

import itertools
import os
import re
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
import psycopg2
import requests

from project import localdb
from tests.support.servers import Zovi, wait_until

SECRETS = {name: name.lower() * 10 for name in ("SECRET_KEY", "JWT_SECRET_KEY", "OTP_PEPPER")}
LIMITS = [
    "OTP_SENDS_PER_PHONE",
    "OTP_SENDS_PER_IP",
    "OTP_SENDS_GLOBAL",
    "OTP_FAILURES_PER_PHONE",
    "OTP_FAILURES_PER_IP",
    "OTP_FAILURES_GLOBAL",
]
NO_LIMITS = dict.fromkeys(LIMITS, "off") | {"OTP_RESEND_COOLDOWN": "0"}


@contextmanager
def demo(folder: Path, **configuration):
    """A demo without waits and limits, unless `configuration` says otherwise."""
    with running(Zovi(folder, SMS_SIMULATED_DELAY="0", **(NO_LIMITS | configuration))) as zovi:
        yield zovi


@contextmanager
def production(folder: Path, gateway_port: int, **configuration):
    """The production configuration on loopback, its messages going to a stand-in on that port."""
    sms_url = f"json://127.0.0.1:{gateway_port}/sms/{{phone}}"
    with running(Zovi(folder, DEMO="", SMS_URL=sms_url, **SECRETS, **configuration)) as zovi:
        yield zovi


@contextmanager
def running(zovi: Zovi):
    try:
        zovi.start()
        yield zovi
    finally:
        if zovi.process.poll() is None:
            zovi.stop()


def code_on(page: str) -> str:
    """The code that a demo shows on the page where it is asked for."""
    message = re.search(r'<aside class="sms".*?</aside>', page, re.DOTALL)
    assert message, page
    return re.findall(r"\b[0-9]{4,6}\b", message[0])[0]


# --- Load ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answered:
    """`status` of an answer, or the name of the exception there was instead. Times in seconds, monotonic."""

    at: float
    seconds: float
    status: int | str
    retry_after: str | None = None


Call = Callable[[requests.Session], tuple[int, str | None]]


class Crowd:
    """Threads that each do their `turn` again and again until the block ends."""

    def __init__(self, count: int, pause: float = 0.0):
        self._pause = pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def turn(self, session: requests.Session) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with requests.Session() as session:
            while not self._stop.wait(self._pause):
                self.turn(session)


class Load(Crowd):
    """Clients that each call again and again. `call` returns status and Retry-After."""

    def __init__(self, call: Call, clients: int, pause: float = 0.01):
        super().__init__(clients, pause)
        self.answers: list[Answered] = []
        self._call = call

    def turn(self, session: requests.Session) -> None:
        began = time.monotonic()
        try:
            status, retry_after = self._call(session)
        except requests.RequestException as error:
            status, retry_after = _why(error), None
        self.answers.append(Answered(began, time.monotonic() - began, status, retry_after))

    def statuses(self) -> Counter:
        return Counter(answer.status for answer in self.answers)

    def refused(self) -> list[Answered]:
        return [answer for answer in self.answers if answer.status != 200]

    def slowest(self) -> float:
        return max((answer.seconds for answer in self.answers), default=0.0)

    def p99(self) -> float:
        return statistics.quantiles([answer.seconds for answer in self.answers], n=100)[98]


class People(Crowd):
    """Each signs in under a new number and activates one code, again and again; what was answered 200 is noted."""

    def __init__(self, zovi: Zovi, count: int, pause: float = 0.0):
        super().__init__(count, pause)
        self.base = f"{zovi.base}/api/users"
        self.invite_code = zovi.sign_in(new_phone()).get(f"{self.base}/me/").json()["invite_code"]
        self.signed_in: dict[str, str] = {}  # phone -> refresh token
        self.activated: set[str] = set()
        self.answers: list[Answered] = []
        self.unexpected: list[int] = []

    def turn(self, session) -> None:
        with suppress(requests.RequestException):  # the worker that had it was killed
            self._come_once(new_phone())

    def _come_once(self, phone: str) -> None:
        client = requests.Session()
        sent = self._post(client, "send_otp/", phone_number=phone)
        # 400: the code was spent, and that answer never came back.
        entered = sent and self._post(client, "auth/", {200, 400, 503}, otp=sent["otp"])
        if not entered:
            return
        self.signed_in[phone] = entered["refresh_token"]
        client.headers["Authorization"] = f"Bearer {entered['token']}"
        if self._post(client, "referal/", activated_invite_code=self.invite_code):
            self.activated.add(phone)

    def _post(self, client: requests.Session, call: str, expected=frozenset({200, 503}), **body) -> dict | None:
        began = time.monotonic()
        response = client.post(f"{self.base}/{call}", json=body, timeout=120)
        waits = response.headers.get("Retry-After")
        self.answers.append(Answered(began, time.monotonic() - began, response.status_code, waits))
        if response.status_code not in expected:
            self.unexpected.append(response.status_code)
        return response.json() if response.status_code == 200 else None

    def refused(self) -> list[Answered]:
        return [answer for answer in self.answers if answer.status == 503]

    def lost(self, kept: set[str], activated: set[str]) -> int:
        """How much of what was confirmed is not among the numbers that were kept."""
        return len(set(self.signed_in) - kept) + len(self.activated - activated)


_numbers = itertools.count()


def new_phone() -> str:
    return f"+7913{next(_numbers):07}"


def rest(method: str, url: str, **kwargs) -> Call:
    def call(session: requests.Session) -> tuple[int, str | None]:
        response = session.request(method, url, timeout=120, **kwargs)
        return response.status_code, response.headers.get("Retry-After")

    return call


def graphql(url: str, query: str, **kwargs) -> Call:
    """The status is that of the first error, if there is one, as the extensions give it."""

    def call(session: requests.Session) -> tuple[int, str | None]:
        response = session.post(url, json={"query": query}, timeout=120, **kwargs)
        for error in response.json().get("errors", []):
            waits = error["extensions"].get("retryAfter")
            return error["extensions"]["status"], waits and str(waits)
        return response.status_code, None

    return call


def _why(error: Exception) -> str:
    """`refused` when nobody listened any more, so that nothing of the request was ever taken."""
    return "refused" if "Connection refused" in str(error) else type(error).__name__


# --- Faults ----------------------------------------------------------------------------------------------------------


def cluster_of(zovi: Zovi) -> Path:
    return zovi.folder / "postgres"


def database(zovi: Zovi):
    """A connection of our own, past the server."""
    name = localdb.DEMO_DATABASE if zovi.environment.get("DEMO") else localdb.DATABASE
    connection = psycopg2.connect(
        host=str(localdb.server.socket_folder(cluster_of(zovi))), user=localdb.USER, dbname=name
    )
    connection.autocommit = True
    return connection


def query(zovi: Zovi, sql: str, *values) -> list[tuple]:
    connection = database(zovi)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()
    finally:
        connection.close()


def crash_database(zovi: Zovi) -> None:
    """What `pg_ctl stop -m immediate` does."""
    cluster = cluster_of(zovi)
    pid = localdb.server._pid(cluster)
    assert pid is not None
    os.kill(pid, signal.SIGQUIT)

    def is_gone() -> bool:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return not localdb.server._runs(cluster, pid)

    wait_until(is_gone)


def start_database(zovi: Zovi) -> None:
    localdb.server.start(cluster_of(zovi), ())


def workers_of(zovi: Zovi) -> list[psutil.Process]:
    """The living ones: the server's children that are neither the database nor zombies."""
    found = []
    for child in psutil.Process(zovi.process.pid).children():
        with suppress(psutil.Error):
            if "postgres" not in "".join(child.cmdline()[:1]):
                found.append(child)
    return found
