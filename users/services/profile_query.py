"""The fast path of reading: a profile in one statement, which for one's own checks the session as well, and a page
of its list.

Reading one's own profile is what this service does all day, and a query each for session, user, activation, page and
count cost three times as much. So it is SQL by hand here, planned once for each connection.

With a read replica the primary says only whether the session is live and which version of the profile is current, and
the replica shows it if that is the version it has. If it lags, or is away, the primary answers as without one.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from users.services.replica import Replica
from users.tokens import SessionName

PAGE = 100  # referrals shown at once
NOBODY = "***"  # instead of the number of somebody who has left


class Row(NamedTuple):
    """`ids`, `phones` and `times` (ISO 8601) of the newest PAGE referrals are joined by commas, None without any."""

    id: UUID
    phone: str
    invite_code: str
    activated_invite_code: str | None
    referrals_count: int
    ids: str | None
    phones: str | None
    times: str | None


# The page is read off one covering index, newest first, and an aggregate takes its rows in the order they come.
_PROFILE = f"""
    SELECT person.id, person.phone, person.invite_code, inviter.invite_code, person.referrals_count,
           page.ids, page.phones, page.times
    FROM users_user AS person
    LEFT JOIN users_activation AS activation ON activation.invitee_id = person.id
    LEFT JOIN users_user AS inviter ON inviter.id = activation.inviter_id
    CROSS JOIN LATERAL (
        SELECT string_agg(coalesce(invitee_phone, '{NOBODY}'), ',') AS phones,
               string_agg(created_at::text, ',') AS times,
               string_agg(id::text, ',') AS ids
        FROM (
            SELECT id, invitee_phone, created_at FROM users_activation
            WHERE inviter_id = person.id ORDER BY id DESC LIMIT {PAGE}
        ) AS newest
    ) AS page
"""  # noqa: S608
_LIVE_SESSION = """
    JOIN users_session AS session ON session.user_id = person.id
    WHERE person.id = %(user)s AND session.id = %(session)s AND person.is_active
      AND session.ended_at IS NULL AND session.expires_at > statement_timestamp()
"""
_ACTIVE = "WHERE person.id = %(user)s AND person.is_active"
_OF_SESSION, _OF_USER = _PROFILE + _LIVE_SESSION, _PROFILE + _ACTIVE

# What is shown changes with the person's row, of which PostgreSQL gives each version an xmin, the same on a streaming
# replica; the triggers of migrations 0004 and 0008 see to that for the list. Only who invited them stands elsewhere.
_VERSION = """
    SELECT person.xmin, activation.inviter_id
    FROM users_user AS person LEFT JOIN users_activation AS activation ON activation.invitee_id = person.id
"""
_VERSION_OF_SESSION, _VERSION_OF_USER = _VERSION + _LIVE_SESSION, _VERSION + _ACTIVE
_OF_VERSION = f"""{_PROFILE}
    WHERE person.id = %(user)s AND person.xmin = %(xmin)s AND activation.inviter_id IS NOT DISTINCT FROM %(inviter)s
"""
_BESIDE = "SELECT id, invitee_phone, created_at FROM users_activation WHERE inviter_id = %(inviter)s"
_OLDER = f"{_BESIDE} AND id < coalesce(%(start)s, {2**63 - 1}) ORDER BY id DESC LIMIT %(most)s"
_NEWER = f"{_BESIDE} AND id > %(start)s ORDER BY id LIMIT %(most)s"

replica = Replica()


def of_session(name: SessionName) -> Row | None:
    """The profile of the user signed in by that session; None unless it is live, his, and he may sign in."""
    return _fetch(_OF_SESSION, _VERSION_OF_SESSION, user=name.user_id, session=name.session_id)


def of_user(user_id: UUID) -> Row | None:
    """None when there is no such user, or he is switched off."""
    return _fetch(_OF_USER, _VERSION_OF_USER, user=user_id)


def referrals_beside(
    inviter_id: UUID, start: int | None, *, backwards: bool, most: int
) -> list[tuple[int, str | None, datetime]]:
    """`most` activations by id, number (None: has left) and time: older than `start`, or backwards the newer ones.

    The nearest to `start` come first; without it, the newest.
    """
    return connection.fetch_all_prepared(_NEWER if backwards else _OLDER, inviter=inviter_id, start=start, most=most)


def _fetch(profile: str, version: str, **whose: UUID) -> Row | None:
    if replica.is_worth_asking():
        current = connection.fetch_prepared(version, **whose)
        if current is None:
            return None
        xmin, inviter = current
        row = replica.fetch(_OF_VERSION, user=whose["user"], xmin=xmin, inviter=inviter)
        if row:
            return Row._make(row)
    row = connection.fetch_prepared(profile, **whose)
    return Row._make(row) if row else None
