"""What is measured, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field
from math import nan
from statistics import median


@dataclass(frozen=True)
class Size:
    users: int
    many_users: int
    most_referrals: int
    readers: int
    crowds: tuple[int, int]
    rounds: int
    seconds: int
    warm_seconds: float


FULL = Size(10_000, 1_000_000, 100_000, readers=500, crowds=(1000, 3000), rounds=5, seconds=3, warm_seconds=2)
SHORT = Size(2_500, 4_000, 2_000, readers=50, crowds=(60, 180), rounds=1, seconds=1, warm_seconds=0.2)


@dataclass(frozen=True)
class Row:
    """One thing done by clients again and again."""

    server: str
    what: str
    label: str
    by_greatest: bool = False  # by whoever has the most referrals, else by people with ten


ROWS = {
    "me": Row("zovi", "me", "**Zovi**, REST `me`"),
    "graphql": Row("zovi", "graphql", "**Zovi**, GraphQL `me`"),
    "floor": Row("floor", "me", "raw WSGI + PyJWT + one SQL, granian"),
    "fastapi": Row("fastapi", "me", "FastAPI + asyncpg, uvicorn"),
    "better_auth": Row("better_auth", "me", "better-auth + Hono, Node"),
    "drf": Row("drf", "me", "Django + DRF, granian"),
    "graphene": Row("graphene", "graphql", "stock graphene-django, granian"),
    "sign_in": Row("zovi", "sign_in", "**Zovi**, first sign-in (two calls)"),
    "better_auth_sign_in": Row("better_auth", "sign_in", "better-auth + Hono, first sign-in"),
    "drf_sign_in": Row("drf", "sign_in", "Django + DRF, first sign-in"),
    "activate": Row("zovi", "activate", "**Zovi**, activation"),
    "refs": Row("zovi", "refs", "**Zovi**, referrals"),
    "me_many": Row("zovi_many", "me", "**Zovi**, `me`, many users"),
    "me_most": Row("zovi_many", "me", "**Zovi**, `me`, the most referrals", by_greatest=True),
    "refs_most": Row("zovi_many", "refs", "**Zovi**, referrals, the most", by_greatest=True),
    "sign_in_many": Row("zovi_many", "sign_in", "**Zovi**, first sign-in, many users"),
}
CROWD = "crowd"  # the part that is no row: many at once, and readers beside them


@dataclass
class Measured:
    """A figure for each round, and what went wrong in all of them. Microseconds are of processor time, per flow."""

    rate: list[float] = field(default_factory=list)
    app_us: list[float] = field(default_factory=list)
    database_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    worst_ms: list[float] = field(default_factory=list)
    done: int = 0
    refused: int = 0
    failed: Counter = field(default_factory=Counter)

    def unanswered(self) -> int:
        return self.failed.total() + self.refused

    def median(self, what: str) -> float:
        figures = getattr(self, what)
        return median(figures) if figures else nan


@dataclass
class Results:
    """`rows` also holds the crowds and the readers beside them, under the names below."""

    size: Size
    machine_before: str
    rows: dict[str, Measured] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)
    seed_seconds: float = nan
    load_share: float = 0.0  # the most that the load took of the processor time of load, server and database

    def row(self, name: str) -> Measured:
        return self.rows.setdefault(name, Measured())

    def median(self, name: str, what: str) -> float:
        return self.rows[name].median(what) if name in self.rows else nan


def crowd_of(people: int) -> str:
    return f"crowd of {people}"


def readers_beside(people: int) -> str:
    """0: the readers alone."""
    return f"readers beside {people}"
