"""Webhooks are delivered beside the server, by a process of its own that lives as long as the server does."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from project import env

COMMAND = [sys.executable, "manage.py", "events", "deliver", "--until-input-ends"]
STOP_SECONDS = 20  # what is on its way is over long before
PAUSE_SECONDS = 5


@contextmanager
def delivering() -> Iterator[None]:
    """Nothing at all without WEBHOOK_URLS. A fork of this process owns nothing of it."""
    if not settings.WEBHOOK_URLS:
        yield
        return
    owner, deliverer = os.getpid(), Deliverer()
    try:
        yield
    finally:
        if os.getpid() == owner:
            deliverer.stop()


class Deliverer:
    """Started again should it die. Its input ends with this process, however that ends, and then it stops too."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._process = self._start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """Let it finish what is on its way."""
        self._stopping.set()
        self._keeper.join()
        self._end()

    def _start(self) -> subprocess.Popen:
        return subprocess.Popen(COMMAND, cwd=env.ROOT, stdin=subprocess.PIPE, start_new_session=True)

    def _keep(self) -> None:
        while not self._stopping.wait(PAUSE_SECONDS):
            if self._process.poll() is not None:
                self._end()
                self._process = self._start()

    def _end(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
