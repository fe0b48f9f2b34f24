"""The fast path of reading: a profile in one statement, which for one's own checks the session as well, and a slice
of its list.

Reading one's own profile is what this service does all day, and a query each for session, user, activation, slice and
count cost three times as much. So it is SQL by hand here, planned once for each connection.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from users import prepared
from users.tokens import SessionName

SLICE = 100  # referrals shown at once
NOBODY = "***"  # instead of the number of somebody who has left


class Row(NamedTuple):
    """`phones` of the newest SLICE referrals are joined by commas, and `oldest` is the id of the last; None without."""

    id: UUID
    phone: str
    invite_code: str
    activated_invite_code: str | None
    referrals_count: int
    invite_opened: int
    phones: str | None
    oldest: int | None


# The slice is read off one covering index, newest first, and an aggregate takes its rows in the order they come.
_PROFILE = f"""
    SELECT person.id, person.phone, person.invite_code, inviter.invite_code, person.referrals_count,
           person.invite_opened, newest.phones, newest.oldest
    FROM users_user AS person
    LEFT JOIN users_activation AS activation ON activation.invitee_id = person.id
    LEFT JOIN users_user AS inviter ON inviter.id = activation.inviter_id
    CROSS JOIN LATERAL (
        SELECT string_agg(coalesce(invitee_phone, '{NOBODY}'), ',') AS phones, min(id) AS oldest
        FROM (
            SELECT id, invitee_phone FROM users_activation WHERE inviter_id = person.id ORDER BY id DESC LIMIT {SLICE}
        ) AS referral
    ) AS newest
"""  # noqa: S608
_LIVE_SESSION = """
    JOIN users_session AS session ON session.user_id = person.id
    WHERE person.id = %(user)s AND session.id = %(session)s AND person.is_active
      AND session.ended_at IS NULL AND session.expires_at > statement_timestamp()
"""
_ACTIVE = "WHERE person.id = %(user)s AND person.is_active"
_OF_SESSION, _OF_USER = _PROFILE + _LIVE_SESSION, _PROFILE + _ACTIVE
_OF_MEMBER = _PROFILE + "WHERE person.id = %(user)s AND person.phone IS NOT NULL"

_BESIDE = "SELECT id, invitee_phone, created_at FROM users_activation WHERE inviter_id = %(inviter)s"
_OLDER = f"{_BESIDE} AND id < coalesce(%(start)s, {2**63 - 1}) ORDER BY id DESC LIMIT %(most)s"
_NEWER = f"{_BESIDE} AND id > %(start)s ORDER BY id LIMIT %(most)s"


def of_session(name: SessionName) -> Row | None:
    """The profile of the user signed in by that session; None unless it is live, theirs, and they may sign in."""
    return _fetch(_OF_SESSION, user=name.user_id, session=name.session_id)


def of_user(user_id: UUID) -> Row | None:
    """None when there is no such user, or they are switched off."""
    return _fetch(_OF_USER, user=user_id)


def of_member(user_id: UUID) -> Row | None:
    """The same also of those who are switched off."""
    return _fetch(_OF_MEMBER, user=user_id)


def referrals_beside(
    inviter_id: UUID, start: int | None, *, backwards: bool, most: int
) -> list[tuple[int, str | None, datetime]]:
    """`most` activations by id, number (None: has left) and time: older than `start`, or backwards the newer ones.

    The nearest to `start` come first; without it, the newest.
    """
    return prepared.all_rows(_NEWER if backwards else _OLDER, inviter=inviter_id, start=start, most=most)


def _fetch(statement: str, **whose: UUID) -> Row | None:
    row = prepared.first_row(statement, **whose)
    return Row._make(row) if row else None
