"""The databases: one of Zovi's for each size, and the people of the small one once more in the baselines' table."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg2

from project import localdb

BASELINE_TABLES = """
    CREATE TABLE bench_user AS
        SELECT u.id, u.phone AS phone_number, u.invite_code, a.inviter_id, u.created_at AS joined_at
        FROM users_user u LEFT JOIN users_activation a ON a.invitee_id = u.id;
    ALTER TABLE bench_user ADD PRIMARY KEY (id), ADD UNIQUE (phone_number), ADD UNIQUE (invite_code),
        ADD FOREIGN KEY (inviter_id) REFERENCES bench_user (id);
    CREATE INDEX ON bench_user (inviter_id);
    CREATE TABLE bench_code (id bigserial PRIMARY KEY, phone_number varchar(16) UNIQUE NOT NULL,
        code varchar(4) NOT NULL, created_at timestamptz NOT NULL);
    ANALYZE bench_user;
"""
INVITERS = """
    SELECT u.id::text, u.phone, u.invite_code, invited.count FROM users_user u
    JOIN (SELECT inviter_id, count(*) FROM users_activation GROUP BY inviter_id) invited ON invited.inviter_id = u.id
"""


class Person(NamedTuple):
    id: str
    phone: str
    invite_code: str
    referrals: int


class Database:
    """One database of the benchmark's own cluster."""

    def __init__(self, name: str, cluster: Path):
        self.name = name
        self.cluster = cluster
        self.url = localdb.url(cluster, name)

    def create(self, users: int, referrals: int) -> None:
        with cursor(localdb.url(self.cluster)) as admin:
            admin.execute(f"CREATE DATABASE {self.name}")
        self.manage("migrate", "--verbosity", "0")
        self.manage("seed_demo", "--users", str(users), "--referrals", str(referrals))

    def add_baseline_tables(self) -> None:
        with cursor(self.url) as database:
            database.execute(BASELINE_TABLES)

    def manage(self, *arguments: str) -> None:
        environment = os.environ | {"DATABASE_URL": self.url, "DEMO": "1"}
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    def inviters_of(self, referrals: int, most: int) -> list[Person]:
        return self._inviters("WHERE invited.count = %s ORDER BY u.phone LIMIT %s", referrals, most)

    def greatest_inviter(self) -> Person:
        return self._inviters("ORDER BY invited.count DESC LIMIT 1")[0]

    def _inviters(self, which: str, *values: int) -> list[Person]:
        with cursor(self.url) as database:
            database.execute(INVITERS + which, values)
            return [Person(*row) for row in database]


def postgres_of(cluster: Path) -> psutil.Process:
    """PostgreSQL's own process, whose children serve the connections."""
    with cursor(localdb.url(cluster)) as database:
        database.execute("SELECT pg_backend_pid()")
        return psutil.Process(database.fetchone()[0]).parent()


@contextmanager
def cursor(url: str):
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as opened:
        yield opened
    connection.close()
