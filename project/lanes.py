"""Few threads that many requests share: whoever waits gives its thread back, see users/waiting.py.

Each request is a greenlet of the thread that began it. So what a thread keeps (Django's connection to the database) is
the thread's, and what a request keeps (its language, any context variable) is the request's.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from greenlet import greenlet

PATIENCE_SECONDS = 15.0  # to wait for a thread; with a message of eight seconds it stays below what proxies wait
PATIENCE_IN_TROUBLE = 1.5  # while answers are 503: whoever waits then would wait for the same
TROUBLE_LASTS = 1.0

logger = logging.getLogger(__name__)


class Turn:
    """A request's way through a lane. `refuse` is called, on the event loop, if it never comes to its `work`."""

    def __init__(self, work: Callable[[], None], refuse: Callable[[], None]):
        self.refuse = refuse
        self.since = time.monotonic()
        self.pauses = 0
        self._work = work
        self._greenlet: greenlet | None = None

    def go_on(self, value: object) -> Callable | None:
        """Until it ends, or pauses: then returns what arranges its resumption, see `waiting.pause`."""
        if self._greenlet is None:
            self._greenlet = greenlet(self._work)  # here, because it can never leave the thread it is made on
            arrange = self._greenlet.switch()
        else:
            arrange = self._greenlet.switch(value)
        return None if self._greenlet.dead else arrange


class _Thread:
    def __init__(self) -> None:
        self.inbox: SimpleQueue[tuple[Turn, object]] = SimpleQueue()
        self.resumed: deque[tuple[Turn, object]] = deque()


class Lane:
    """`threads` threads for at most `most` requests: those that wait for a thread, have one, or have given it back."""

    def __init__(self, name: str, *, threads: int, most: int, loop: asyncio.AbstractEventLoop):
        self._name = name
        self._loop = loop
        self._lock = threading.Lock()
        self._room = most
        self._waiting: deque[Turn] = deque()
        self._idle: list[_Thread] = []
        self._in_trouble_until = 0.0
        for number in range(threads):
            threading.Thread(target=self._run, args=[_Thread()], name=f"{name}-{number}", daemon=True).start()

    def submit(self, turn: Turn) -> bool:
        """Whether there is room for it."""
        with self._lock:
            if not self._room:
                return False
            self._room -= 1
            if self._idle:
                self._idle.pop().inbox.put((turn, None))
            else:
                self._waiting.append(turn)
        return True

    def note(self, *, in_trouble: bool) -> None:
        """How a request ended: in a 503, or well enough."""
        if in_trouble:
            self._in_trouble_until = time.monotonic() + TROUBLE_LASTS

    def refuse_those_who_waited(self) -> None:
        """Refuse who has waited for a thread for too long."""
        now = time.monotonic()
        patience = PATIENCE_IN_TROUBLE if now < self._in_trouble_until else PATIENCE_SECONDS
        refused = []
        with self._lock:
            while self._waiting and now - self._waiting[0].since > patience:
                refused.append(self._waiting.popleft())
            self._room += len(refused)
        for turn in refused:
            turn.refuse()
        if refused:
            logger.warning("requests_refused", extra={"facts": {"lane": self._name, "count": len(refused)}})

    def _run(self, thread: _Thread) -> None:
        while True:
            turn, value = self._next(thread)
            arrange = turn.go_on(value)
            if arrange:
                self._loop.call_soon_threadsafe(arrange, partial(self._resume, thread, turn, turn.pauses))
            else:
                with self._lock:
                    self._room += 1

    def _next(self, thread: _Thread) -> tuple[Turn, object]:
        """Those who have begun come before those who have not."""
        with self._lock:
            if thread.resumed:
                return thread.resumed.popleft()
            if self._waiting:
                return self._waiting.popleft(), None
            self._idle.append(thread)
        return thread.inbox.get()

    def _resume(self, thread: _Thread, turn: Turn, pause: int, value: object = None) -> None:
        """Of several who would end the same pause the first does."""
        with self._lock:
            if turn.pauses != pause:
                return
            turn.pauses += 1
            if thread in self._idle:
                self._idle.remove(thread)
                thread.inbox.put((turn, value))
            else:
                thread.resumed.append((turn, value))
