"""The load, from a process of its own: clients on kept connections that ask, wait for the answer and ask again.

Reads one job from standard input and writes what came of it to standard output, both JSON. `bench/wrk.lua` says the
same of wrk, which takes a fraction of the processor time but cannot use one answer in the next question.
"""

import asyncio
import json
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httptools
import uvloop

from bench import flows

GIVE_UP_SECONDS = 30


class Connection(asyncio.Protocol):
    """One client's connection, opened when it asks and kept for as long as the server keeps it."""

    def __init__(self, port: int):
        self.port = port
        self.transport: asyncio.Transport | None = None

    async def ask(self, request: str) -> flows.Answer:
        loop = asyncio.get_running_loop()
        if self.transport is None:
            self.transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self.port)
        self.answer = loop.create_future()
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.transport.write(request.encode())
        return await self.answer

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if not self.parser.should_keep_alive():
            self.close()
        self.answer.set_result(flows.Answer(self.parser.get_status_code(), self.headers, self.body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None:
            self.transport = None
            if not self.answer.done():
                self.answer.set_exception(ConnectionError("connection lost"))

    def close(self) -> None:
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.close()


@dataclass
class Tally:
    """What all clients of a job came to. `durations` are seconds, of flows that went well."""

    durations: list[float] = field(default_factory=list)
    results: list = field(default_factory=list)
    refused: int = 0
    failed: Counter = field(default_factory=Counter)


async def client(job: dict, items: Iterator, tally: Tally, stop: asyncio.Event) -> None:
    connection, flow = Connection(job["port"]), getattr(flows, job["flow"])
    for item in items:
        if stop.is_set():
            break
        began = time.perf_counter()
        try:
            result = await flow(connection.ask, item, job)
        except flows.Refused:
            tally.refused += 1
        except (flows.Unexpected, OSError) as wrong:
            tally.failed[str(wrong)] += 1
        else:
            tally.durations.append(time.perf_counter() - began)
            tally.results.append(result)
    connection.close()


async def run(job: dict) -> dict:
    """`items` once each; or, where the job gives `seconds`, any of them again and again until then or SIGTERM."""
    tally, stop, loop = Tally(), asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    items = iter(job["items"])
    if job["seconds"]:
        loop.call_later(job["seconds"], stop.set)
        items = iter(lambda: random.choice(job["items"]), None) if job["flow"] == "read" else items
    began = time.perf_counter()
    clients = [asyncio.create_task(client(job, items, tally, stop)) for _ in range(job["connections"])]
    _, stuck = await asyncio.wait(clients, timeout=job["seconds"] + GIVE_UP_SECONDS)
    took = time.perf_counter() - began
    tally.failed["no answer"] += len(stuck)
    for each in stuck:
        each.cancel()
    times = tally.durations
    if job["seconds"] and times:
        times = unhurried(times, took * job["connections"] / len(times))
    return {
        "done": len(tally.durations),
        "took": took,
        "p50_ms": percentile(times, 0.50) * 1e3,
        "p99_ms": percentile(times, 0.99) * 1e3,
        "worst_ms": max(times, default=0) * 1e3,
        "refused": tally.refused,
        "failed": +tally.failed,
        "results": tally.results if job["flow"] == "sign_in" else [],
    }


def unhurried(times: list[float], interval: float) -> list[float]:
    """A client that is kept waiting asks less often: counts what it would have waited for, as wrk does."""
    missed = []
    for waited in times:
        rest = waited - interval
        while rest > interval:
            missed.append(rest)
            rest -= interval
    return times + missed


def percentile(times: list[float], part: float) -> float:
    return sorted(times)[int(len(times) * part)] if times else 0.0


def main() -> None:
    job = json.load(sys.stdin)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    json.dump(uvloop.run(run(job)), sys.stdout)


if __name__ == "__main__":
    main()
