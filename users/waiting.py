"""Waiting without keeping a thread.

On the production server every request runs in a greenlet: whoever waits here gives its thread to other requests, and
goes on later on the same thread. Anywhere else (runserver, commands, tests) the same calls simply block.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import BoundedSemaphore
from typing import ParamSpec, TypeVar

from greenlet import getcurrent

from users.errors import ServiceUnavailable

P = ParamSpec("P")
Result = TypeVar("Result")
Resume = Callable[..., None]

CALLS_AT_ONCE = 256  # a process: each blocks a thread of the pool

_pool = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="waiting")
_free = BoundedSemaphore(CALLS_AT_ONCE)
_checks: list[Callable[[], None]] = []


def only_if(check: Callable[[], None]) -> None:
    """From now on `check` is called before every wait, and raises where waiting would hold others up."""
    _checks.append(check)


def sleep(seconds: float) -> None:
    _check()
    if _on_a_lane():
        pause(lambda resume: asyncio.get_running_loop().call_later(seconds, resume))
    else:
        time.sleep(seconds)


def result_of(call: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """What a call returns that blocks, such as one to a gateway. Raises what it raises.

    It is made on another thread: with the caller's context variables, but not in their language.
    Raises ServiceUnavailable when CALLS_AT_ONCE are being made already.
    """
    _check()
    if not _on_a_lane():
        return call(*args, **kwargs)
    if not _free.acquire(blocking=False):
        raise ServiceUnavailable(retry_after=2)
    future = _pool.submit(copy_context().run, partial(call, *args, **kwargs))
    future.add_done_callback(lambda _: _free.release())
    return result(future)


def result(future: Future[Result], within: float | None = None) -> Result:
    """The result of a call that was submitted to a pool. Raises TimeoutError after `within` seconds."""
    if not _on_a_lane():
        return future.result(within)

    def arrange(resume: Resume) -> None:
        future.add_done_callback(lambda _: resume())
        if within is not None:
            asyncio.get_running_loop().call_later(within, resume)

    pause(arrange)
    return future.result(0)


def pause(arrange: Callable[[Resume], object]) -> object:
    """Give the thread back until somebody calls `resume`, from whatever thread; returns what it was called with.

    `arrange` is called with `resume` on the event loop. Only for those who run on a lane, see project/lanes.py.
    """
    _check()
    return getcurrent().parent.switch(arrange)


def _on_a_lane() -> bool:
    return getcurrent().parent is not None


def _check() -> None:
    for check in _checks:
        check()
