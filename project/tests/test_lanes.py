"""Few threads for many: who waits gives theirs back, and finds everything as it was."""

import json
import threading
import time
from concurrent.futures import Future
from contextvars import ContextVar

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.utils import translation
from django.utils.translation import gettext

from project import bridge, lanes
from tests.support.loops import exchange, serving
from tests.support.people import at_once
from users import waiting
from users.errors import ServiceUnavailable

REQUEST = b"%b %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TEXTS = {"en": "There is nothing here.", "ru": "Здесь ничего нет."}
of_request: ContextVar[str] = ContextVar("of_request")


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    head, _, body = exchange(port, REQUEST % (method.encode(), path.encode())).partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def application(view):
    """What `view` returns for the path; threads of the lanes only, not the bridge's question at its start."""

    def application(environ, start_response):
        text = view(environ["PATH_INFO"]) if environ["REMOTE_ADDR"] else ""
        start_response("200 OK", [])
        return HttpResponse(text)

    return application


def test_whoever_waits_goes_on_in_their_own_language_and_on_their_own_thread():
    def view(path):
        language, number = path.strip("/").split("/")
        thread = threading.get_ident()
        translation.activate(language)
        of_request.set(path)
        waiting.sleep(int(number) % 7 / 100)
        seen = waiting.result_of(lambda: (time.sleep(int(number) % 5 / 100), of_request.get())[1])
        assert (threading.get_ident(), of_request.get(), seen) == (thread, path, path)
        return gettext("There is nothing here.")

    with serving(application(view)) as port:
        languages = ["en", "ru"] * 100
        answers = at_once(200, lambda number: ask(port, f"/{languages[number]}/{number}"))
    assert answers == [(200, TEXTS[language]) for language in languages]


def test_a_request_begins_with_nothing_of_the_one_before():
    def view(path):
        before = translation.get_language(), of_request.get("")
        translation.activate("ru")
        of_request.set(path)
        return repr(before)

    with serving(application(view)) as port:
        assert {ask(port, "/") for _ in range(20)} == {(200, repr(("en", "")))}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_more_wait_together_than_there_are_threads(method):
    inside: set[str] = set()

    def view(path):
        inside.add(path)
        while len(inside) < 100:
            waiting.sleep(0.01)
        return str(threading.active_count())

    with serving(application(view)) as port:
        before = threading.active_count()
        answers = at_once(100, lambda number: ask(port, f"/{number}", method))
    assert {status for status, _ in answers} == {200}
    assert {int(text) - before for _, text in answers} <= set(range(102))  # ours, asking; none of theirs


def test_readers_do_not_stand_behind_those_who_change_something():
    leave = threading.Event()
    inside: list[str] = []

    def view(path):
        if path == "/change":
            inside.append(path)
            leave.wait(120)
        return path

    with serving(application(view)) as port:
        changing = [threading.Thread(target=ask, args=(port, "/change", "POST")) for _ in range(10)]
        for thread in changing:
            thread.start()
        try:
            while len(inside) < 2:
                time.sleep(0.01)
            assert [ask(port, "/read") for _ in range(20)] == [(200, "/read")] * 20
            assert len(inside) == 2
        finally:
            leave.set()
            for thread in changing:
                thread.join()
    assert len(inside) == 10


def test_what_a_call_raises_is_raised_where_it_was_waited_for():
    late: Future = Future()

    def view(path):
        with pytest.raises(ZeroDivisionError):
            waiting.result_of(lambda: 1 / 0)
        with pytest.raises(TimeoutError):
            waiting.result(late, within=0.01)
        threading.Timer(0.05, late.set_result, [None]).start()
        return waiting.result_of(lambda: time.sleep(0.5) or "went on")  # what comes too late must not end this wait

    with serving(application(view)) as port:
        assert ask(port, "/") == (200, "went on")


def test_beyond_the_pool_nobody_queues_for_a_call(monkeypatch):
    monkeypatch.setattr(waiting, "_free", threading.BoundedSemaphore(1))
    monkeypatch.setattr(waiting, "CALLS_AT_ONCE", 1)
    entered, leave = threading.Event(), threading.Event()

    def call():
        entered.set()
        leave.wait(120)

    def view(path):
        try:
            waiting.result_of(call)
        except ServiceUnavailable as error:
            return json.dumps(error.body())
        return "sent"

    with serving(application(view)) as port:
        first: list[tuple[int, str]] = []
        thread = threading.Thread(target=lambda: first.append(ask(port, "/")))
        thread.start()
        entered.wait(120)
        refused = json.loads(ask(port, "/")[1])
        leave.set()
        thread.join()
        assert (refused["code"], refused["retry_after"]) == ("service_unavailable", 2)
        assert first == [(200, "sent")]
        assert ask(port, "/") == (200, "sent")


@pytest.fixture
def busy():
    """An application whose threads all wait, blocked, until `leave` is set."""
    leave = threading.Event()

    def view(path):
        if path == "/wait":
            leave.wait(120)
        return path

    view.leave = leave
    return view


def refusal(answer: tuple[int, str]) -> tuple[int, str, int]:
    body = json.loads(answer[1])
    return answer[0], body["code"], body["retry_after"]


@pytest.mark.parametrize(
    ("module", "name", "value"), [(bridge, "MOST_AT_ONCE", 8), (lanes, "PATIENCE_SECONDS", 0.2)], ids=["full", "late"]
)
def test_who_finds_no_room_or_waits_too_long_is_told_to_come_back(busy, monkeypatch, module, name, value):
    monkeypatch.setattr(module, name, value)
    with serving(application(busy)) as port:
        waiters = [threading.Thread(target=ask, args=(port, "/wait")) for _ in range(8)]
        for thread in waiters:
            thread.start()
        try:
            answer = (200, "")
            while answer[0] == 200:
                answer = ask(port, "/api/x")
            assert refusal(answer) == (503, "service_unavailable", 1)
            status, body = ask(port, "/graphql/")
            assert (status, json.loads(body)["errors"][0]["extensions"]["code"]) == (503, "service_unavailable")
        finally:
            busy.leave.set()
            for thread in waiters:
                thread.join()
        assert ask(port, "/api/x") == (200, "/api/x")


# --- What must not be held meanwhile -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wait", [lambda: waiting.sleep(0), lambda: waiting.result_of(int)], ids=["sleep", "call"])
def test_nobody_waits_in_a_transaction_or_with_a_connection(wait):
    connection.close()
    wait()
    connection.ensure_connection()
    with pytest.raises(RuntimeError):
        wait()
    connection.close()
    with transaction.atomic(), pytest.raises(RuntimeError):
        wait()
    connection.close()
    wait()
