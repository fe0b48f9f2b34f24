"""The fast path of signing in: what has to happen together, in one round trip.

A sign-in in plain steps is two dozen statements, and their round trips are most of its time.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from users import prepared
from users.models import LIVE_CHALLENGES, Challenge, Session, User

RESENDS_WITHIN = timedelta(minutes=15)


def open_challenge(challenge: Challenge, *, earlier: UUID | None, seconds: int) -> None:
    """From now on the challenge takes guesses; it ends the caller's `earlier` one, and the oldest of its phone when
    there are more than may be open. What became of its message is kept with it, the provider's own code too.

    One phone's come one by one: the lock keeps two from choosing the same slot, and the constraint would.
    """
    prepared.first_row(
        "SELECT pg_advisory_xact_lock(hashtextextended('phone ' || %(phone_key)s, 0))",
        "UPDATE users_challenge SET slot = NULL WHERE id = %(earlier)s",
        """UPDATE users_challenge SET slot = NULL WHERE id IN (
               SELECT id FROM users_challenge WHERE phone_key = %(phone_key)s AND slot IS NOT NULL
               ORDER BY created_at DESC OFFSET %(others)s)""",
        """UPDATE users_challenge SET expires_at = statement_timestamp() + make_interval(secs => %(seconds)s),
               code_hash = %(code_hash)s, route = %(route)s, channel = %(channel)s, cost = %(cost)s,
               slot = (SELECT min(slot) FROM generate_series(0, %(others)s) AS slot WHERE slot NOT IN (
                   SELECT slot FROM users_challenge WHERE phone_key = %(phone_key)s AND slot IS NOT NULL))
           WHERE id = %(id)s""",
        id=challenge.id,
        phone_key=challenge.phone_key,
        code_hash=challenge.code_hash,
        route=challenge.route,
        channel=challenge.channel,
        cost=challenge.cost,
        earlier=earlier,
        seconds=seconds,
        others=LIVE_CHALLENGES - 1,
    )


def sent_in_vain(challenge: Challenge) -> int:
    """How many codes were sent to its phone of late that nobody has entered."""
    lately = Challenge.objects.filter(phone_key=challenge.phone_key, created_at__gt=Now() - RESENDS_WITHIN)
    return lately.filter(used_at=None).exclude(route="").count()


@dataclass(frozen=True)
class Entered:
    """`user` is None when two registrations of the number (or a drawn invite code) collided."""

    user: User | None
    is_new: bool


def enter(challenge_id: UUID, *, new_user: User, session: Session) -> Entered | None:
    """Spend the challenge, find its phone's user or register `new_user`, and open `session` if they may sign in.

    None when the challenge was spent already: of any number of parallel calls exactly one is not None.
    """
    row = prepared.first_row(
        """WITH used AS (
               UPDATE users_challenge SET slot = NULL, used_at = statement_timestamp()
               WHERE id = %(challenge)s AND slot IS NOT NULL RETURNING phone
           ), known AS (
               SELECT id, phone, invite_code, is_active, false AS is_new FROM users_user JOIN used USING (phone)
           ), registered AS (
               INSERT INTO users_user (id, phone, invite_code, password, is_active, is_staff, is_superuser)
               SELECT %(user)s, phone, %(invite_code)s, %(password)s, true, false, false FROM used
               WHERE NOT EXISTS (SELECT FROM known)
               ON CONFLICT DO NOTHING RETURNING id, phone, invite_code, is_active, true AS is_new
           ), owner AS (
               SELECT * FROM known UNION ALL SELECT * FROM registered
           ), opened AS (
               INSERT INTO users_session (id, user_id, generation, salt, address, user_agent, expires_at)
               SELECT %(session)s, id, 0, %(salt)s, %(address)s, %(user_agent)s, %(expires_at)s
               FROM owner WHERE is_active
           )
           SELECT owner.* FROM used LEFT JOIN owner USING (phone)""",
        challenge=challenge_id,
        user=new_user.id,
        invite_code=new_user.invite_code,
        password=new_user.password,
        session=session.id,
        salt=session.salt,
        address=session.address,
        user_agent=session.user_agent,
        expires_at=session.expires_at,
    )
    if row is None:
        return None
    user_id, phone, invite_code, is_active, is_new = row
    if user_id is None:
        return Entered(None, is_new=False)
    return Entered(User(id=user_id, phone=phone, invite_code=invite_code, is_active=is_active), is_new)


def spend(challenge_id: UUID) -> bool:
    """Use the challenge up without signing in. Of any number of parallel calls exactly one gets True."""
    open_one = Challenge.objects.filter(id=challenge_id, slot__isnull=False)
    return open_one.update(slot=None, used_at=Now()) == 1
