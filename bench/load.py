"""The load, from a process of its own: connections that ask, wait for the answer and ask again, over plain sockets.

Reads one job from standard input and writes one result to standard output, both JSON. One thread and epoll: it costs
about a tenth of what the servers do, and the same for all of them.
"""

import json
import random
import selectors
import socket
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from bench import flows

GIVE_UP_SECONDS = 15


@dataclass
class Result:
    """Seconds each step took, by the step's name; `errors` counts answers that were not what the flow expects."""

    durations: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)


class Connection:
    """One client: runs a flow again and again until it is told to stop."""

    def __init__(self, port: int, flow: Callable[[], Generator], selector, result: Result):
        self.address = ("127.0.0.1", port)
        self.flow, self.selector, self.result = flow, selector, result
        self.socket: socket.socket | None = None
        self.buffer = b""
        self.steps: Generator | None = None
        self.step, self.asked_at = "", 0.0

    def begin(self) -> None:
        self.steps = self.flow()
        self.ask(next(self.steps))

    def ask(self, step: tuple[str, bytes]) -> None:
        self.step, request = step
        if self.socket is None:
            self.socket = socket.create_connection(self.address)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(self.socket, selectors.EVENT_READ, self)
        self.asked_at = time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> bool:
        """Whether the flow has come to its end."""
        received = self.socket.recv(262_144)
        self.buffer += received
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        length = _content_length(head) if found else None
        if received and (not found or length is None or len(body) < length):
            return False
        self.buffer = b""
        if not received or b"connection: close" in head.lower():
            self.close()
        return self.answered(int(head[9:12] or b"0"), body)

    def answered(self, status: int, body: bytes) -> bool:
        took = time.perf_counter() - self.asked_at
        try:
            following = self.steps.send((status, body))
        except StopIteration:
            following = None
        except flows.Unexpected as wrong:
            self.count_error(str(wrong))
            return True
        self.result.durations.setdefault(self.step, []).append(took)
        if following:
            self.ask(following)
        return following is None

    def count_error(self, name: str) -> None:
        self.result.errors[name] = self.result.errors.get(name, 0) + 1

    def close(self) -> None:
        if self.socket is not None:
            self.selector.unregister(self.socket)
            self.socket.close()
            self.socket = None


def _content_length(head: bytes) -> int | None:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else None


def run(port: int, flow: Callable[[], Generator], connections: int, seconds: float) -> tuple[Result, float]:
    """Flows by that many clients at once for that long (0: each client once). The result, and the seconds it took."""
    selector, result = selectors.DefaultSelector(), Result()
    clients = [Connection(port, flow, selector, result) for _ in range(connections)]
    started = time.perf_counter()
    for client in clients:
        client.begin()
    running = connections
    while running:
        ready = selector.select(timeout=GIVE_UP_SECONDS)
        if not ready:
            result.errors["no answer"] = running
            break
        now = time.perf_counter()
        for key, _ in ready:
            if key.data.read():
                if now - started < seconds:
                    key.data.begin()
                else:
                    key.data.close()
                    running -= 1
    for client in clients:
        client.close()
    return result, time.perf_counter() - started


def main() -> None:
    job = json.load(sys.stdin)
    random.seed(job.get("seed", 0))
    flow = getattr(flows, job["flow"])(**job["arguments"])
    result, took = run(job["port"], flow, job["connections"], job["seconds"])
    json.dump({"durations": result.durations, "errors": result.errors, "took": took}, sys.stdout)


if __name__ == "__main__":
    main()
