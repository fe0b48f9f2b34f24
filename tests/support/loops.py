"""The worker's event loop with an application of a test's own behind it, in a thread."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvloop

from project.bridge import Bridge
from project.server import Loop


@contextmanager
def serving(application: Callable) -> Iterator[int]:
    """The port it is served on."""
    started = threading.Event()
    loops: list[Loop] = []

    def run(listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            loops.append(Loop(Bridge(application, runner.get_loop()), lambda _: started.set()))
            runner.run(loops[0].serve([listener]))

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=run, args=[listener])
        thread.start()
        started.wait(60)
        try:
            yield port
        finally:
            loops[0].should_exit = True
            thread.join()


def exchange(port: int, *pieces: bytes, half_close: bool = False) -> bytes:
    """All that is answered to these pieces, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            return answer.read()
