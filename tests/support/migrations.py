"""What in a migration would stop the version before it, or keep everybody waiting while it runs.

While a new version is rolled out the one before serves from the same tables. django-migration-linter reads the SQL for
what that one could not live with; what holds a table for as long as it is large is added here.
"""

import re
from collections.abc import Iterable

from django.db import connection
from django.db.migrations import Migration, RunPython
from django.db.migrations.loader import MigrationLoader
from django_migration_linter.sql_analyser import PostgresqlAnalyser
from django_migration_linter.sql_analyser.base import Check, CheckMode, CheckType

FIRST = ("users", "0001_initial")  # it creates what it touches, and nothing served before it


# Those that are the same for every row of a statement: any other is worked out for each, which writes the whole table.
_SAME_FOR_ALL = "NOW|STATEMENT_TIMESTAMP|TRANSACTION_TIMESTAMP"
_REWRITING = (
    rf"DEFAULT \(?(?!(?:{_SAME_FOR_ALL})\()\w+\(",
    r"GENERATED (ALWAYS|BY DEFAULT) AS",
    r"\b(SMALL|BIG)?SERIAL\b",
)
_WRITING = (
    r"\bUPDATE\b.*\bSET\b",
    r"\bDELETE FROM\b",
    r"\bINSERT INTO\b.*\b(SELECT|TABLE)\b",
    r"\b(TRUNCATE|CLUSTER|VACUUM FULL)\b",
    r"\bLOCK( TABLE)? \w",
    r"\bSET (UN)?LOGGED\b",
)
_DEFINES = r"(CREATE|COMMENT|DROP) "  # what it says is done later, row by row


def _checks_every_row(statements: list[str], **_) -> bool:
    """A constraint on a table that is there already, added without NOT VALID, or validated before that lock is gone."""
    added = [
        re.match(r"ALTER TABLE (?:ONLY )?(\S+) .*\b(CHECK|FOREIGN KEY|EXCLUDE|PRIMARY KEY)\b(.*)", sql)
        for sql in statements
    ]
    ours = [found for found in added if found and not _creates(statements, found[1])]
    validates = any("VALIDATE CONSTRAINT" in sql for sql in statements)
    return any(validates or "NOT VALID" not in found[3] for found in ours)


def _creates(statements: list[str], table: str) -> bool:
    return any(sql.startswith(f"CREATE TABLE {table} ") for sql in statements)


def _writes_every_row(statement: str, **_) -> bool:
    if re.match(_DEFINES, statement):
        return False
    rewrites = "ADD COLUMN" in statement and any(re.search(sign, statement) for sign in _REWRITING)
    return rewrites or any(re.search(sign, statement) for sign in _WRITING)


class Analyser(PostgresqlAnalyser):
    migration_checks = [
        *PostgresqlAnalyser.migration_checks,
        Check("CONSTRAINT", _checks_every_row, "checks every row under a lock", CheckMode.TRANSACTION, CheckType.ERROR),
        Check("EVERY_ROW", _writes_every_row, "writes or locks every row", CheckMode.ONE_LINER, CheckType.ERROR),
    ]


def faults_of(migration: Migration) -> set[str]:
    """Codes of what is wrong, but for those in `migration.safe_because`, where a reason stands for each.

    `safe_because = {"DROP_COLUMN": "no version since 1.2 reads it"}`
    """
    reasons: dict[str, str] = getattr(migration, "safe_because", {})
    analyser = Analyser(exclude_migration_tests=[code for code, why in reasons.items() if why])
    analyser.analyse(list(_sql_of(migration)))
    found = {issue.code for issue in [*analyser.errors, *analyser.warnings]}
    return found | {code for code in _unseen_in(migration) if not reasons.get(code)}


def _unseen_in(migration: Migration) -> Iterable[str]:
    """What no SQL shows: programs, and steps of which half may be done, so that they cannot be tried again."""
    if any(isinstance(operation, RunPython) for operation in migration.operations):
        yield "RUN_PYTHON"
    if not migration.atomic and len(migration.operations) > 1:
        yield "HALF_DONE"


def _sql_of(migration: Migration) -> Iterable[str]:
    """Each statement on one line and in capitals, as the linter wants to have them."""
    graph = MigrationLoader(connection).graph
    key = (migration.app_label, migration.name)
    before = graph.make_state(key, at_end=False) if key in graph.nodes else graph.make_state(FIRST)
    with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
        migration.apply(before, editor, collect_sql=True)
    statements = [" ".join(sql.upper().split()) for sql in editor.collected_sql if not sql.startswith("--")]
    return ["BEGIN;", *statements, "COMMIT;"] if migration.atomic else statements


def later_migrations() -> list[Migration]:
    """Of ours, all but the first."""
    loader = MigrationLoader(connection)
    return [found for key, found in loader.disk_migrations.items() if key[0] == FIRST[0] and key != FIRST]
