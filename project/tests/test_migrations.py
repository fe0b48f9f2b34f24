"""A migration runs while the version before it serves: what that one could not live with is named."""

import pytest
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import models
from django.db.migrations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    DeleteModel,
    Migration,
    RemoveField,
    RemoveIndex,
    RenameField,
    RenameModel,
    RunPython,
    RunSQL,
)
from django.db.models import F, Q
from django.db.models.functions import Now

from tests.support.migrations import faults_of, later_migrations

pytestmark = pytest.mark.django_db(transaction=True)

SHORT = models.Index(fields=["user_agent"], name="session_by_browser")
CHECK = models.CheckConstraint(name="session_has_a_browser", condition=~Q(user_agent=""))
UNIQUE = models.UniqueConstraint(fields=["salt"], name="session_salt_is_its_own")
NULLABLE = AddField("session", "nickname", models.CharField(max_length=9, null=True))
BROWSER = {"expression": F("user_agent"), "output_field": models.CharField(max_length=200), "db_persist": True}
WITH_DEFAULT = AddField("session", "nickname", models.CharField(max_length=9, db_default=""))


def toy(*operations, atomic: bool = True, safe_because: dict[str, str] | None = None) -> Migration:
    migration = Migration("0002_toy", "users")
    migration.operations, migration.atomic = list(operations), atomic
    migration.safe_because = safe_because or {}
    return migration


@pytest.mark.parametrize(
    ("operations", "atomic"),
    [
        ([NULLABLE], True),
        ([WITH_DEFAULT], True),
        ([AddIndexConcurrently("session", SHORT)], False),
        ([RemoveIndexConcurrently("session", "session_by_time")], False),
        ([AddConstraintNotValid("session", CHECK)], True),
        ([ValidateConstraint("session", CHECK.name)], True),
        (
            [
                CreateModel(
                    "Toy", [("id", models.BigAutoField(primary_key=True)), ("name", models.TextField(unique=True))]
                )
            ],
            True,
        ),
        ([AlterField("session", "user_agent", models.CharField("agent", max_length=200))], True),
        ([RunSQL("COMMENT ON TABLE users_session IS 'browsers'")], True),
        ([AddField("session", "at", models.DateTimeField(db_default=Now()))], True),
        ([RunSQL("CREATE FUNCTION toy() RETURNS void LANGUAGE sql AS 'UPDATE users_session SET salt = salt'")], True),
    ],
    ids=[
        "nullable",
        "default",
        "index",
        "no index",
        "not valid",
        "validated",
        "new table",
        "words",
        "comment",
        "time",
        "function",
    ],
)
def test_what_the_version_before_can_live_with_passes(operations, atomic):
    assert faults_of(toy(*operations, atomic=atomic)) == set()


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        (AddField("session", "nickname", models.CharField(max_length=9, default="")), "NOT_NULL"),
        (AlterField("session", "ended_at", models.DateTimeField()), "NOT_NULL"),
        (RemoveField("session", "user_agent"), "DROP_COLUMN"),
        (RenameField("session", "user_agent", "agent"), "RENAME_COLUMN"),
        (RenameModel("Session", "Login"), "RENAME_TABLE"),
        (DeleteModel("Message"), "DROP_TABLE"),
        (AlterField("session", "user_agent", models.CharField(max_length=20)), "ALTER_COLUMN"),
        (AddIndex("session", SHORT), "CREATE_INDEX"),
        (RemoveIndex("session", "session_by_time"), "DROP_INDEX"),
        (AddConstraint("session", UNIQUE), "ADD_UNIQUE"),
        (AddConstraint("session", CHECK), "CONSTRAINT"),
        (RunSQL("UPDATE users_session SET user_agent = ''"), "EVERY_ROW"),
        (RunSQL("ALTER TABLE users_session DROP COLUMN user_agent"), "DROP_COLUMN"),
        (RunSQL("alter table users_session drop column user_agent"), "DROP_COLUMN"),
        (RunSQL("ALTER TABLE ONLY public.users_session ADD CONSTRAINT toy CHECK (user_agent <> '')"), "CONSTRAINT"),
        (RunSQL("ALTER TABLE users_session ADD COLUMN toy int CHECK (toy > 0)"), "CONSTRAINT"),
        (AddField("session", "toy", models.UUIDField(db_default=RandomUUID())), "EVERY_ROW"),
        (AddField("session", "toy", models.GeneratedField(**BROWSER)), "EVERY_ROW"),
        (RunSQL("ALTER TABLE users_session ADD COLUMN toy bigserial"), "EVERY_ROW"),
        (RunSQL("ALTER TABLE users_message SET LOGGED"), "EVERY_ROW"),
        (RunSQL("SELECT 1; UPDATE users_session SET user_agent = ''"), "EVERY_ROW"),
        (RunSQL("WITH one AS (SELECT 1) DELETE FROM users_session"), "EVERY_ROW"),
        (RunSQL("DO $$ BEGIN UPDATE users_session SET user_agent = ''; END $$"), "EVERY_ROW"),
        (RunSQL("INSERT INTO users_invitednumber SELECT phone_key FROM users_challenge"), "EVERY_ROW"),
        (RunSQL("TRUNCATE users_message"), "EVERY_ROW"),
        (RunPython(lambda apps, editor: None), "RUN_PYTHON"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_it_cannot_live_with_is_named_unless_a_reason_stands_beside_it(operation, fault):
    assert fault in faults_of(toy(operation))
    assert fault not in faults_of(toy(operation, safe_because={fault: "no version reads it any more"}))
    assert fault in faults_of(toy(operation, safe_because={fault: ""}))


def test_a_constraint_is_not_validated_while_its_own_lock_is_held():
    steps = [AddConstraintNotValid("session", CHECK), ValidateConstraint("session", CHECK.name)]
    assert "CONSTRAINT" in faults_of(toy(*steps))


def test_what_is_no_transaction_holds_one_step_for_half_of_it_cannot_be_tried_again():
    steps = [AddIndexConcurrently("session", SHORT), RemoveIndexConcurrently("session", "session_by_time")]
    assert faults_of(toy(*steps, atomic=False)) == {"HALF_DONE"}
    assert faults_of(toy(*steps, atomic=False, safe_because={"HALF_DONE": "walked by hand"})) == set()


def test_an_index_is_not_built_behind_a_lock_that_is_held():
    assert "CREATE_INDEX_EXCLUSIVE" in faults_of(toy(NULLABLE, AddIndex("session", SHORT)))


def test_every_migration_of_ours_may_run_while_the_version_before_serves():
    assert {migration.name: faults_of(migration) for migration in later_migrations() if faults_of(migration)} == {}
