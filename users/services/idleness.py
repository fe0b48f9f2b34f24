"""An account nobody has used for ACCOUNT_IDLE_DAYS: its number may be somebody else's by now, so who signs in is asked.

Used is what has a session that was seen: at a sign-in, a refresh, or a page. Administrators and tests are never asked,
and those who are switched off stay so.
"""

from django.conf import settings

from users import prepared
from users.models import User

_SINCE = "statement_timestamp() - make_interval(days => %(idle_days)s::int)"
_IS_IDLE = f"""person.is_active AND NOT person.is_staff AND NOT person.is_superuser AND NOT person.is_test
    AND greatest(person.created_at, person.seen_at) < {_SINCE}
    AND NOT EXISTS (SELECT FROM users_session WHERE user_id = person.id AND seen_at >= {_SINCE})"""

# Of the row `challenge`: whether who names its code has to be asked.
OF_CHALLENGE = f"""EXISTS (SELECT FROM users_user AS person
    WHERE person.phone = challenge.phone AND NOT challenge.is_test AND {_IS_IDLE})"""


def is_asked_about() -> bool:
    """Whether anybody is asked at all."""
    return settings.ACCOUNT_IDLE_DAYS > 0


def is_idle(user: User) -> bool:
    found = prepared.first_row(
        f"SELECT EXISTS (SELECT FROM users_user AS person WHERE person.id = %(user)s AND {_IS_IDLE})",
        user=user.id,
        idle_days=settings.ACCOUNT_IDLE_DAYS,
    )
    return found == (True,)
