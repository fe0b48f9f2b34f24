"""What happens to whoever named the right code, in the statement that compared it: see limits.try_code.

A sign-in in plain steps is two dozen statements, and their round trips are most of its time.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from users import events
from users.models import Challenge, Session, User
from users.webhooks import EventType


def _columns(model: type[Model], table: str) -> str:
    return ", ".join(f"{table}.{field.column}" for field in model._meta.concrete_fields)


SPEND = f"answer AS (SELECT {_columns(Challenge, 'tried')} FROM tried)"

# Two registrations of the number, or of a generated invite code, may collide, or a test and somebody real have had one
# number: then there is no owner.
ENTER = f"""known AS (
        SELECT {_columns(User, "users_user")}, false AS is_new
        FROM users_user JOIN tried USING (phone, is_test) WHERE tried.used_at IS NOT NULL
        FOR SHARE OF users_user -- waits for whoever is switching them off
    ), registered AS (
        INSERT INTO users_user (id, phone, invite_code, password, is_active, is_staff, is_superuser, is_test)
        SELECT %(user)s::uuid, phone, %(invite_code)s, %(password)s, true, false, false, is_test
        FROM tried WHERE used_at IS NOT NULL AND NOT EXISTS (SELECT FROM known)
        ON CONFLICT DO NOTHING RETURNING {_columns(User, "users_user")}, true AS is_new
    ), owner AS (
        SELECT * FROM known UNION ALL SELECT * FROM registered
    ), opened AS (
        INSERT INTO users_session (id, user_id, generation, salt, address, user_agent, expires_at)
        SELECT %(session)s::uuid, id, 0, %(salt)s, %(address)s::inet, %(user_agent)s, %(expires_at)s
        FROM owner WHERE is_active RETURNING {_columns(Session, "users_session")}
    ), answer AS (
        SELECT {_columns(Challenge, "tried")}, owner.is_new, {_columns(User, "owner")}, {_columns(Session, "opened")}
        FROM tried LEFT JOIN owner ON true LEFT JOIN opened ON true
    )"""

_IF_TEST = """CASE WHEN owner.is_test THEN '{"test": true}'::jsonb ELSE '{}' END"""
_ENTERED = f"""
    SELECT '{EventType.USER_CREATED}', jsonb_build_object('user_id', id, 'invite_code', invite_code) || {_IF_TEST}
    FROM owner WHERE is_new
    UNION ALL
    SELECT '{EventType.USER_SIGNED_IN}',
        jsonb_build_object('user_id', owner.id, 'session_id', opened.id, 'is_new_user', owner.is_new) || {_IF_TEST}
    FROM opened JOIN owner ON owner.id = opened.user_id
"""


def enter() -> str:
    return ENTER + events.recorded_with(_ENTERED)


def tried_of(row: Iterable[Any]) -> Challenge | None:
    return _loaded(Challenge, iter(row))


def entered_of(row: Iterable[Any]) -> tuple[Challenge | None, bool, User | None, Session | None]:
    """The challenge, whether its user is new, and they with their session, as far as there are any."""
    values = iter(row)
    challenge = _loaded(Challenge, values)
    is_new = bool(next(values, False))
    return challenge, is_new, _loaded(User, values), _loaded(Session, values)


def _loaded(model: type[Model], values: Any) -> Any:
    fields = model._meta.concrete_fields
    row = list(islice(values, len(fields)))
    return model.from_db(DEFAULT_DB_ALIAS, [field.attname for field in fields], row) if row and row[0] else None
