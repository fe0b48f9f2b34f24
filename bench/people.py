"""Prints tokens of the seeded people as JSON: ours, each with a live session, and the baselines' for the same person.

Runs inside Django, with the database and the secrets of the server that is measured.
"""

import json
import os
import secrets
import sys
from datetime import UTC, datetime, timedelta

import django

READERS = 2000
NEWCOMERS = 12_000  # who activate a code, once each
PREFIX = "+7980"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()

    from users.models import User

    by_count = User.objects.order_by("-referrals_count")
    groups = {
        "ten": list(User.objects.filter(referrals_count=10)[:READERS]),
        "thousand": list(by_count.filter(referrals_count__lte=1000)[:1]),
        "most": list(by_count[:1]),
        "newcomers": newcomers(),
    }
    answer = {name: signed_in(people) for name, people in groups.items()}
    answer["invite_codes"] = [user.invite_code for user in groups["ten"]]
    answer["most_count"] = groups["most"][0].referrals_count
    json.dump(answer, sys.stdout)


def newcomers() -> list:
    from users.models import User

    # Of the codes drawn here some belong to one of the million already, so a few of these do not come in.
    User.objects.bulk_create((User.objects.draw(f"{PREFIX}{n:07}") for n in range(NEWCOMERS)), ignore_conflicts=True)
    return list(User.objects.filter(phone__startswith=PREFIX))


def signed_in(people: list) -> list[tuple[str, str]]:
    import jwt
    from django.conf import settings

    from users import tokens
    from users.models import Session

    until = datetime.now(UTC) + timedelta(days=1)
    sessions = Session.objects.bulk_create(
        [Session(user=user, salt=secrets.token_bytes(32), address="127.0.0.1", expires_at=until) for user in people]
    )
    key = settings.JWT_SECRET_KEY
    return [
        (tokens.issue(session).access, jwt.encode({"sub": str(session.user_id), "exp": until}, key, "HS256"))
        for session in sessions
    ]


if __name__ == "__main__":
    main()
