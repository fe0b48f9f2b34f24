"""The data both sides read: a database of ours for each size, and the same people once more in the baselines' table."""

import os
import subprocess
import sys
from contextlib import contextmanager

import psycopg2

from project import localdb

BASELINE_TABLES = """
    DROP TABLE IF EXISTS bench_user, bench_code;
    CREATE TABLE bench_user AS
        SELECT u.id, u.phone AS phone_number, u.invite_code, a.inviter_id, u.created_at AS joined_at
        FROM users_user u LEFT JOIN users_activation a ON a.invitee_id = u.id;
    ALTER TABLE bench_user ADD PRIMARY KEY (id), ADD UNIQUE (phone_number), ADD UNIQUE (invite_code),
        ADD FOREIGN KEY (inviter_id) REFERENCES bench_user (id);
    CREATE INDEX ON bench_user (inviter_id);
    CREATE TABLE bench_code (id bigserial PRIMARY KEY, phone_number varchar(16) UNIQUE NOT NULL,
        code varchar(4) NOT NULL, created_at timestamptz NOT NULL);
    VACUUM ANALYZE bench_user;
"""


class Database:
    """One database of the benchmark's own cluster."""

    def __init__(self, name: str, cluster):
        self.name = name
        self.admin_url = localdb.url(cluster)
        self.url = self.admin_url.replace("@/postgres?", f"@/{name}?")
        self.host = str(localdb._socket_folder(cluster))
        self.user = localdb.USER
        self.dsn = f"host={self.host} user={self.user} dbname={name}"

    def create(self, users: int, referrals: int) -> None:
        admin = psycopg2.connect(self.dsn.replace(f"dbname={self.name}", "dbname=postgres"))
        admin.autocommit = True
        admin.cursor().execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        admin.cursor().execute(f"CREATE DATABASE {self.name}")
        admin.close()
        self.manage("migrate", "--verbosity", "0")
        self.manage("seed_demo", "--users", str(users), "--referrals", str(referrals))

    def add_baseline_tables(self) -> None:
        with self.cursor() as cursor:
            for statement in BASELINE_TABLES.split(";"):
                if statement.strip():
                    cursor.execute(statement)

    def manage(self, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=os.environ | {"DATABASE_URL": self.url, "DEMO": "1"},
            input=given,
            text=True,
            check=True,
            stdout=subprocess.PIPE,
        )
        return done.stdout

    @contextmanager
    def cursor(self):
        connection = psycopg2.connect(self.dsn)
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
        connection.close()
