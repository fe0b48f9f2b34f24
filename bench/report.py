"""What a run says: the goals, each with its figure and whether it was reached, all that was measured, and a chart."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isnan, nan
from pathlib import Path

import psutil

from bench.load import CONNECTIONS, WRK
from bench.results import ROWS, Measured, Results, crowd_of, readers_beside
from bench.servers import WORKERS

BETTER_AUTH_IDLE_MB = 256  # where the goals were set, on another machine
HEAD = "| | per second | processor µs: app | + PostgreSQL | p50 ms | p99 ms | failed |"
RULE = "|---|---:|---:|---:|---:|---:|---:|"
CROWD_HEAD = "| at once | answered | 503 with Retry-After | failed | p50 s | p99 s | longest s | memory MB |"
READERS_HEAD = "| readers | per second | p50 ms | p99 ms | longest ms | failed |"


@dataclass(frozen=True)
class Goal:
    number: str
    text: str
    figure: float
    bound: float
    unit: str = "x"
    at_most: bool = False

    def line(self) -> str:
        sign = "≤" if self.at_most else "≥"
        figure = "–" if isnan(self.figure) else f"{self.figure:,.2f}{self.unit}"
        return f"| {self.number} | {self.text} | {sign} {self.bound:g}{self.unit} | {figure} | {self.reached()} |"

    def reached(self) -> str:
        if isnan(self.figure):
            return "not measured"
        if self.figure <= self.bound if self.at_most else self.figure >= self.bound:
            return "yes"
        if not self.bound:
            return "**no**"
        part = self.bound / self.figure if self.at_most else self.figure / self.bound
        return f"**{part:.2f}** of the goal"


def goals(results: Results) -> list[Goal]:
    def faster(ours: str, theirs: str) -> float:
        return results.median(ours, "rate") / results.median(theirs, "rate")

    def cpu(name: str) -> float:
        return results.median(name, "app_us") + results.median(name, "database_us")

    idle = results.memory_mb.get("zovi, before the crowds", nan)
    waiting = results.memory_mb.get(crowd_of(results.size.crowds[0]), nan)
    growth = results.median("me_most", "p50_ms") / results.median("me_many", "p50_ms")
    return [
        Goal("G1", "REST `me`, requests/s, to Django + DRF tuned", faster("me", "drf"), 4),
        Goal("G2", "REST `me`, requests/s, to FastAPI + asyncpg", faster("me", "fastapi"), 1.2),
        Goal("G2", "... by processor time, FastAPI's to ours", cpu("fastapi") / cpu("me"), 1.2),
        Goal("G2", "REST `me`, requests/s, to better-auth", faster("me", "better_auth"), 4),
        Goal("G3", "REST `me`, processor time, to the floor", cpu("me") / cpu("floor"), 2, at_most=True),
        Goal("G4", "GraphQL `me`, requests/s, to stock graphene-django", faster("graphql", "graphene"), 6),
        Goal("G4", "GraphQL `me`, requests/s, to FastAPI + asyncpg", faster("graphql", "fastapi"), 1),
        Goal("G5", "first sign-ins/s, to Django + DRF, which counts nothing", faster("sign_in", "drf_sign_in"), 1.8),
        Goal("G5", "first sign-ins/s, to better-auth", faster("sign_in", "better_auth_sign_in"), 1.5),
        Goal("G5", "first sign-ins/s, many users to few", faster("sign_in_many", "sign_in"), 0.9),
        Goal("G6", "`me` p50, the most referrals to 10", growth, 1.1, at_most=True),
        *crowd_goals(results),
        Goal("G8", "memory when idle, half of better-auth's 256", idle, BETTER_AUTH_IDLE_MB / 2, " MB", at_most=True),
        Goal("G8", "memory with the crowd waiting", waiting, 160, " MB", at_most=True),
    ]


def crowd_goals(results: Results) -> Iterable[Goal]:
    """The smaller crowd must be served; of the larger one some may be told to come again."""
    smaller, larger = results.size.crowds
    refused = results.rows[crowd_of(smaller)].refused if crowd_of(smaller) in results.rows else nan
    p99 = results.median(crowd_of(smaller), "p99_ms") / 1e3
    yield Goal("G7", f"{smaller:,} at once: failed or refused", failed(results, smaller) + refused, 0, "", at_most=True)
    yield Goal("G7", f"{smaller:,} at once: p99", p99, 2.8, " s", at_most=True)
    yield from readers_goals(results, smaller)
    yield Goal("G7", f"{larger:,} at once: failed, not refused", failed(results, larger), 0, "", at_most=True)
    yield from readers_goals(results, larger)


def readers_goals(results: Results, people: int) -> Iterable[Goal]:
    p50, alone = (results.median(readers_beside(number), "p50_ms") for number in (people, 0))
    p99 = results.median(readers_beside(people), "p99_ms")
    yield Goal("G7", f"{people:,} at once: readers' p50, to alone", p50 / alone, 1.5, at_most=True)
    yield Goal("G7", f"{people:,} at once: readers' p99", p99, 100, " ms", at_most=True)


def failed(results: Results, people: int) -> float:
    """Answers that were wrong or did not come, of the crowd and of the readers beside it."""
    if crowd_of(people) not in results.rows:
        return nan
    return results.rows[crowd_of(people)].failed.total() + results.rows[readers_beside(people)].unanswered()


def text(results: Results, *, minutes: float) -> str:
    """What RESULTS.md says."""
    size = results.size
    lines = [
        "# What `make bench` measured",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, {_machine()}.",
        f"Before: {results.machine_before}. At the end: load average {os.getloadavg()[0]:.1f}; {minutes:.1f} minutes.",
        f"Few users: {size.users:,}. Many users: {size.many_users:,}, one of them with {size.most_referrals:,}"
        f" referrals, migrated and seeded in {_cell(results.seed_seconds)} s.",
        f"Medians of {size.rounds} interleaved rounds of {size.seconds} s, {CONNECTIONS} connections; reads by"
        f" {'wrk' if WRK else '`client.py`, as wrk is not installed'}. The load took at most"
        f" {results.load_share:.0%} of the processor time.",
        "",
        "Absolute figures belong to this machine and hour; the ratios are what counts. Zovi runs as `make run` starts",
        f"it, with {WORKERS} workers, session check, masking, error format and middleware on, limits off. Those in",
        f"`bench/baselines` have {WORKERS} workers too, each on the fastest server it has, and read the same people on",
        "the same database server; of them only better-auth checks a session.",
        "",
        "| | goal | bound | measured | reached |",
        "|---|---|---:|---:|---|",
        *[goal.line() for goal in goals(results)],
        "",
        "![requests a second](me.svg)",
        "",
        HEAD,
        RULE,
        *[_row(results.rows[name], row.label) for name, row in ROWS.items() if name in results.rows],
        "",
        f"All of a crowd ask for a code at once and wait the demo's 1-2 s, beside {CONNECTIONS} readers on kept"
        f" connections; in {size.rounds} rounds:",
        "",
        *_table(CROWD_HEAD, [_crowd(results, people) for people in size.crowds]),
        "",
        *_table(READERS_HEAD, [_readers(results, people) for people in (0, *size.crowds)]),
        "",
        "Memory of all serving processes, MB (what they share counted once), ready and after the load:",
        "",
        *_table("| | ready | after the load |", _memory(results)),
        "",
    ]
    return "\n".join(lines)


def _row(measured: Measured, label: str) -> str:
    figures = [("rate", 0), ("app_us", 0), ("database_us", 0), ("p50_ms", 2), ("p99_ms", 2)]
    cells = [_cell(measured.median(what), digits) for what, digits in figures]
    return f"| {label} | {' | '.join(cells)} | {measured.unanswered()} |"


def _table(head: str, rows: Iterable[str]) -> list[str]:
    return [head, "|---|" + "---:|" * (head.count("|") - 2), *rows]


def _crowd(results: Results, people: int) -> str:
    measured = results.rows.get(crowd_of(people), Measured())
    counts = f"{measured.done:,} | {measured.refused:,} | {measured.failed.total():,}"
    times = [_cell(measured.median(what) / 1e3, 2) for what in ("p50_ms", "p99_ms", "worst_ms")]
    return f"| {people:,} | {counts} | {' | '.join(times)} | {_cell(results.memory_mb.get(crowd_of(people), nan))} |"


def _readers(results: Results, people: int) -> str:
    measured = results.rows.get(readers_beside(people), Measured())
    figures = [("rate", 0), ("p50_ms", 2), ("p99_ms", 2), ("worst_ms", 0)]
    cells = [_cell(measured.median(what), digits) for what, digits in figures]
    return f"| {f'beside {people:,}' if people else 'alone'} | {' | '.join(cells)} | {measured.unanswered()} |"


def _memory(results: Results) -> Iterable[str]:
    for name in dict.fromkeys(row.server for row in ROWS.values()):
        if name in results.memory_mb:
            yield f"| {name} | {_cell(results.memory_mb[name])} | {_cell(results.memory_mb[f'{name}, loaded'])} |"


def _cell(value: float, digits: int = 0) -> str:
    return "–" if isnan(value) else f"{value:,.{digits}f}"


def _commit() -> str:
    ours = (":!bench/RESULTS.md", ":!bench/me.svg")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *ours)
    return (_git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} processors, {memory:.0f} GB, {platform.system()} {platform.machine()},"
        f" Python {'.'.join(map(str, sys.version_info[:3]))}"
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    names = [line for line in path.read_text().splitlines() if line.startswith("model name")] if path.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or "unknown processor"


BAR, GAP, LEFT, WIDTH = 22, 8, 260, 720
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.ours{fill:#2f6f5e}.theirs{fill:#b9c2c9}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.ours{fill:#5fb39b}.theirs{fill:#59636b}}"
)


def chart(results: Results) -> str:
    """Requests a second of each profile read over few users, as bars."""
    reads = [name for name, row in ROWS.items() if row.what in {"me", "graphql"} and row.server != "zovi_many"]
    rates = {name: results.median(name, "rate") for name in reads if name in results.rows}
    bars = []
    for place, (name, rate) in enumerate(sorted(rates.items(), key=lambda bar: -bar[1])):
        top, length = 10 + place * (BAR + GAP), (WIDTH - LEFT - 80) * rate / max(rates.values())
        label, kind = re.sub("[*`]", "", ROWS[name].label), "ours" if ROWS[name].server == "zovi" else "theirs"
        bars.append(
            f'<text x="{LEFT - 8}" y="{top + BAR - 7}" text-anchor="end">{label}</text>'
            f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{length:.0f}" height="{BAR}" rx="3"/>'
            f'<text x="{LEFT + length + 6:.0f}" y="{top + BAR - 7}">{rate:,.0f}/s</text>'
        )
    height = 14 + len(bars) * (BAR + GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="Profile reads a second"><style>{STYLE}</style>{"".join(bars)}</svg>\n'
    )
