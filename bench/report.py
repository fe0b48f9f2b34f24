"""What a run says: the goals, each with its figure and whether it was reached, all that was measured, and a chart."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from bench.run import Bench

# req/s in the earlier measurement on another machine that set the goals, where these two ran beside the tuned seed.
# They do not run here: what is said of them is our ratio to Django + DRF, divided by theirs.
TUNED_SEED, BETTER_AUTH, ALLAUTH = 1112, 1359, 771
TUNED_SEED_SIGN_IN, BETTER_AUTH_SIGN_IN = 424, 513
BETTER_AUTH_IDLE_MB = 256
CONNECTIONS = 8

ROWS = {
    "me": "**Zovi**, REST `me`",
    "graphql": "**Zovi**, GraphQL `me`",
    "refs": "**Zovi**, refs page",
    "floor": "raw WSGI + PyJWT + one SQL",
    "fastapi": "FastAPI + asyncpg",
    "drf": "Django + DRF, gunicorn tuned",
    "readme": "Django + DRF, `runserver`, DEBUG",
    "graphene": "stock graphene-django",
    "sign_in": "**Zovi**, first sign-in (two calls)",
    "drf_sign_in": "Django + DRF, first sign-in",
    "activate": "**Zovi**, activation",
    "me_few": "**Zovi**, `me`, few users",
    "me_ten": "**Zovi**, `me`, many users, 10 referrals",
    "me_thousand": "**Zovi**, `me`, many users, 1,000 referrals",
    "me_most": "**Zovi**, `me`, many users, the most referrals",
    "refs_most": "**Zovi**, refs page, many users, the most referrals",
    "sign_in_few": "**Zovi**, first sign-in, few users",
    "sign_in_many": "**Zovi**, first sign-in, many users",
    "me_quiet": "**Zovi**, `me`, two readers alone",
    "me_beside": "**Zovi**, `me`, two readers beside the crowd",
    "crowd": "**Zovi**, the crowd asks for a code",
}

# What the README shows of them, and how the Russian one calls what is not a name.
IN_README = ("me", "graphql", "floor", "fastapi", "drf", "readme", "graphene", "sign_in", "drf_sign_in")
HEAD = "| | per second | processor µs: app | + PostgreSQL | p50 ms | p99 ms | failed |"
RULE = "|---|---:|---:|---:|---:|---:|---:|"
RUSSIAN_HEAD = "| | в секунду | процессор, мкс: приложение | + PostgreSQL | p50, мс | p99, мс | ошибок |"
IN_RUSSIAN = {
    "floor": "чистый WSGI + PyJWT + один SQL",
    "drf": "Django + DRF, настроенный gunicorn",
    "sign_in": "**Zovi**, первый вход (два вызова)",
    "drf_sign_in": "Django + DRF, первый вход",
}


@dataclass(frozen=True)
class Goal:
    number: str
    text: str
    figure: float
    bound: float
    at_most: bool = False
    unit: str = "x"
    note: str = ""

    def reached(self) -> str:
        if isnan(self.figure):
            return "not measured"
        return "yes" if (self.figure <= self.bound if self.at_most else self.figure >= self.bound) else "**no**"

    def line(self) -> str:
        sign = "≤" if self.at_most else "≥"
        figure = "–" if isnan(self.figure) else f"{self.figure:,.2f}{self.unit}"
        bound = f"{sign} {self.bound:g}{self.unit}"
        return f"| {self.number} | {self.text}{self.note} | {bound} | {figure} | {self.reached()} |"


def goals(bench: "Bench") -> list[Goal]:
    def rate(name: str) -> float:
        return bench.measured[name].median("rate")

    def cpu(name: str) -> float:
        return bench.measured[name].median("app_us") + bench.measured[name].median("database_us")

    def p50(name: str) -> float:
        return bench.measured[name].median("p50_ms")

    implied = " (not run here: implied by the reference measurement)"
    seed_better_auth, seed_allauth = BETTER_AUTH / TUNED_SEED, ALLAUTH / TUNED_SEED
    sign_in_better_auth = BETTER_AUTH_SIGN_IN / TUNED_SEED_SIGN_IN
    failed = float(sum(bench.measured["crowd"].errors.values()) + sum(bench.measured["me_beside"].errors.values()))
    crowd = f"{bench.size.crowd:,} ask for a code at once"
    return [
        Goal("G1", "REST `me`, requests/s, to Django + DRF tuned", rate("me") / rate("drf"), 4),
        Goal("G1", "REST `me`, requests/s, to Django + DRF as a README starts it", rate("me") / rate("readme"), 25),
        Goal("G2", "REST `me`, requests/s, to FastAPI + asyncpg", rate("me") / rate("fastapi"), 1),
        Goal("G2", "to better-auth", rate("me") / rate("drf") / seed_better_auth, 3, note=implied),
        Goal("G2", "to django-allauth", rate("me") / rate("drf") / seed_allauth, 4, note=implied),
        Goal("G3", "REST `me`, processor time, to the floor", cpu("me") / cpu("floor"), 3, at_most=True),
        Goal("G4", "GraphQL `me`, requests/s, to stock graphene-django", rate("graphql") / rate("graphene"), 5),
        Goal("G4", "GraphQL `me`, requests/s, to our REST `me`", rate("graphql") / rate("me"), 0.9),
        Goal("G5", "first sign-ins/s, to Django + DRF tuned", rate("sign_in") / rate("drf_sign_in"), 4),
        Goal("G5", "to better-auth", rate("sign_in") / rate("drf_sign_in") / sign_in_better_auth, 3, note=implied),
        Goal("G5", "first sign-ins/s, many users to few", rate("sign_in_many") / rate("sign_in_few"), 0.9),
        Goal("G6", "`me` p50, the most referrals to 10", p50("me_most") / p50("me_ten"), 1.2, at_most=True),
        Goal("G7", f"{crowd}: failed answers", failed, 0, at_most=True, unit=""),
        Goal("G7", f"{crowd}: p99", bench.measured["crowd"].median("p99_ms") / 1e3, 2.5, at_most=True, unit=" s"),
        Goal("G7", "`me` p50 beside them, to alone", p50("me_beside") / p50("me_quiet"), 1.5, at_most=True),
        Goal(
            "G8",
            "memory when idle, to better-auth's 256 MB",
            bench.facts["idle_mb"] / BETTER_AUTH_IDLE_MB,
            0.6,
            at_most=True,
            note=f" ({bench.facts['idle_mb']:.0f} MB)",
        ),
        Goal("G8", "memory with the crowd waiting", bench.facts["waiting_mb"], 350, at_most=True, unit=" MB"),
    ]


def write(bench: "Bench", *, took: float, load_before: float) -> tuple[str, str]:
    """The text of RESULTS.md and the chart."""
    size = bench.size
    lines = [
        "# What `make bench` measured",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}, {_machine()}.",
        f"Load average {load_before:.1f} before, {os.getloadavg()[0]:.1f} at the end; {took / 60:.1f} minutes.",
        f"Few users: {size.users:,}. Many users: {size.many_users:,}, migrated and seeded in"
        f" {bench.facts['seed_seconds']:.0f} s. The most referrals: {bench.facts['most_referrals']:,.0f}.",
        f"Medians of {size.rounds} interleaved rounds of {size.seconds:g} s each, {CONNECTIONS} connections.",
        "",
        "Absolute figures belong to this machine and hour; the ratios are what counts. Zovi runs as `make run` starts",
        "it, with 2 workers, session check, masking, error format and middleware on, limits off. The baselines in",
        "`bench/baselines` run with 2 workers too, check no session, and read the same people from one table of their",
        "own on the same database server.",
        "",
        "| | goal | bound | figure | reached |",
        "|---|---|---:|---:|---|",
        *[goal.line() for goal in goals(bench)],
        "",
        "![requests a second](me.svg)",
        "",
        HEAD,
        RULE,
        *[_row(bench, name, label) for name, label in ROWS.items()],
        "",
        f"Memory (PSS) of all serving processes: Zovi idle {bench.facts['idle_mb']:.0f} MB, after the load"
        f" {bench.facts['busy_mb']:.0f} MB, with {size.crowd:,} waiting {bench.facts['waiting_mb']:.0f} MB;",
        f"after the load Django + DRF {bench.facts['drf_mb']:.0f} MB, FastAPI {bench.facts['fastapi_mb']:.0f} MB,"
        f" floor {bench.facts['floor_mb']:.0f} MB.",
        "",
    ]
    return "\n".join(lines), chart(bench)


def show_in_readmes(bench: "Bench", folder: Path) -> None:
    """The rows IN_README, between the marks for them."""
    for name, head, labels in (("README.md", HEAD, {}), ("README.ru.md", RUSSIAN_HEAD, IN_RUSSIAN)):
        rows = [_row(bench, row, labels.get(row, ROWS[row])) for row in IN_README]
        table = "\n".join([head, RULE, *rows])
        before, after = re.split("(?s)(?<=<!-- bench -->\n).*(?=\n<!-- /bench -->)", (folder / name).read_text())
        (folder / name).write_text(before + table + after)


def _row(bench: "Bench", name: str, label: str) -> str:
    measured = bench.measured[name]
    cells = [
        _cell(measured.median(what), digits) if getattr(measured, what) else "–"
        for what, digits in (("rate", 0), ("app_us", 0), ("database_us", 0), ("p50_ms", 2), ("p99_ms", 2))
    ]
    return f"| {label} | {' | '.join(cells)} | {sum(measured.errors.values())} |"


def _cell(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git(
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ".",
        ":!bench/RESULTS.md",
        ":!bench/me.svg",
        ":!README*.md",
    )
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")


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


BAR, GAP, LEFT, WIDTH = 22, 8, 230, 720


def chart(bench: "Bench") -> str:
    """Requests a second of each profile read, as bars."""
    shown = [
        name for name in ("me", "graphql", "fastapi", "floor", "drf", "graphene", "readme") if bench.measured[name].rate
    ]
    rates = {name: bench.measured[name].median("rate") for name in shown}
    most = max(rates.values())
    place: Callable[[int], int] = lambda row: 10 + row * (BAR + GAP)  # noqa: E731
    bars = []
    for row, name in enumerate(sorted(shown, key=lambda name: -rates[name])):
        length = (WIDTH - LEFT - 80) * rates[name] / most
        label = ROWS[name].replace("*", "").replace("`", "")
        kind = "ours" if label.startswith("Zovi") else "theirs"
        middle = place(row) + BAR - 7
        bars.append(
            f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{label}</text>'
            f'<rect class="{kind}" x="{LEFT}" y="{place(row)}" width="{length:.0f}" height="{BAR}" rx="3"/>'
            f'<text x="{LEFT + length + 6:.0f}" y="{middle}">{rates[name]:,.0f}/s</text>'
        )
    height = place(len(bars)) + 4
    style = (
        "text{font:13px system-ui,sans-serif;fill:#222}.ours{fill:#2f6f5e}.theirs{fill:#b9c2c9}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}.ours{fill:#5fb39b}.theirs{fill:#59636b}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="Profile reads a second"><style>{style}</style>{"".join(bars)}</svg>\n'
    )
