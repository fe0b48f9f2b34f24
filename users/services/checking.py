"""Every count and copy that is kept beside its source, held against it; and the guards that keep them so."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from users.models import Challenge
from users.services.arguments import phone_key

SHOWN = 10

# What must hold, and a query for the ids of the rows that break it.
_CHECKS = {
    "the number of people who came, on each user": """SELECT person.id FROM users_user AS person
        LEFT JOIN (SELECT inviter_id, count(*) AS people FROM users_activation GROUP BY 1) AS came
            ON came.inviter_id = person.id
        WHERE person.referrals_count <> coalesce(came.people, 0)""",
    "the number of openings of a link, on each user": """SELECT person.id FROM users_user AS person
        JOIN (SELECT inviter_id, sum(times) AS times FROM users_inviteopening GROUP BY 1) AS opened
            ON opened.inviter_id = person.id
        WHERE person.invite_opened < opened.times""",
    "the number of who came, on each activation": """SELECT came.id FROM users_activation AS came
        JOIN users_user AS person ON person.id = came.invitee_id
        WHERE came.invitee_phone IS DISTINCT FROM person.phone""",
    "that nobody who has left is signed in": """SELECT session.id FROM users_session AS session
        JOIN users_user AS person ON person.id = session.user_id
        WHERE NOT person.is_active AND session.ended_at IS NULL AND session.expires_at > now()""",
    "that no test and nobody real have invited each other": """SELECT came.id FROM users_activation AS came
        JOIN users_user AS guest ON guest.id = came.invitee_id
        JOIN users_user AS host ON host.id = came.inviter_id
        WHERE guest.is_test <> host.is_test""",
    "what of a delivery is due, done or given up": """SELECT id FROM users_delivery
        WHERE next_attempt_at IS NOT NULL AND delivered_at IS NOT NULL""",
    "the places of events that were posted": """SELECT event.id FROM users_event AS event
        WHERE place IS NULL AND EXISTS (SELECT FROM users_delivery WHERE event_id = event.id)""",
    "that every trigger of ours is on": """SELECT tgname FROM pg_trigger
        WHERE NOT tgisinternal AND tgenabled <> 'O' AND tgrelid::regclass::text LIKE 'users\\_%'""",
    "that every index and constraint is whole": """SELECT indexrelid::regclass::text FROM pg_index
        WHERE NOT indisvalid AND indrelid::regclass::text LIKE 'users\\_%'
        UNION ALL SELECT conname FROM pg_constraint
        WHERE NOT convalidated AND conrelid::regclass::text LIKE 'users\\_%'""",
}
OF_PEPPER = "the keys of phones, made with OTP_PEPPER or the last of its fallbacks"


@dataclass(frozen=True)
class Checked:
    """`wrong` rows break it; `shown` names the first of them."""

    what: str
    wrong: int
    shown: list[str]


def check_data() -> Iterator[Checked]:
    """Each as soon as it is known. Reads only, and takes no lock that anybody waits for."""
    for what, query in _CHECKS.items():
        with connection.cursor() as cursor:
            cursor.execute(f"""WITH wrong (id) AS ({query})
                SELECT (SELECT count(*) FROM wrong), ARRAY(SELECT id::text FROM wrong ORDER BY 1 LIMIT {SHOWN})""")
            yield Checked(what, *cursor.fetchone())
    yield _check_keys()


def _check_keys() -> Checked:
    """Only a program that has the pepper can tell."""
    kept = Challenge.objects.exclude(phone="").values_list("id", "phone", "phone_key")
    wrong = [
        str(challenge)
        for challenge, phone, key in kept.iterator(chunk_size=5000)
        if phone.startswith("+") and phone_key(phone) != key
    ]
    return Checked(OF_PEPPER, len(wrong), wrong[:SHOWN])
