"""Large data for a demo: people and who invited whom, by COPY, as the tables' own triggers would have written it."""

import random
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, cycle, islice, repeat

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import connection, transaction

from users import codes
from users.copying import Lines
from users.models import NO_PASSWORD, User

PREFIX = "+799"  # Russian mobile numbers: these are numbers a demo may have, and nobody gets a message
NUMBERS = 10**8
TENS = 10  # referrals of an ordinary inviter

USER_COLUMNS = "id, password, is_superuser, phone, invite_code, is_active, is_staff, created_at, referrals_count"
ACTIVATION_COLUMNS = "invitee_id, inviter_id, invitee_phone, created_at"
# Every third who opened a link of the first came by it.
_OPENINGS = """WITH opened AS (
        INSERT INTO users_inviteopening (inviter_id, day, times)
        SELECT inviter_id, (created_at AT TIME ZONE 'UTC')::date AS day, 3 * count(*) FROM users_activation
        WHERE inviter_id = ANY(%(owners)s::uuid[]) GROUP BY inviter_id, day
        RETURNING inviter_id, times
    )
    UPDATE users_user SET invite_opened = invite_opened + counted.times
    FROM (SELECT inviter_id, sum(times) AS times FROM opened GROUP BY inviter_id) AS counted
    WHERE id = counted.inviter_id"""
TRIGGERS = ("activation_is_counted", "activation_has_phone")


class Command(BaseCommand):
    help = (
        "Adds people to a demo. The first has --referrals referrals, the next a tenth of that, and so on down to ten; "
        "then everybody has ten, for as long as there are people left to be invited."
    )

    def add_arguments(self, parser):
        parser.add_argument("--users", type=int, default=10_000, help="how many people (default 10000)")
        parser.add_argument("--referrals", type=int, default=1000, help="how many the first one invited (default 1000)")

    def handle(self, *, users: int, referrals: int, **options):
        if not settings.DEMO:
            raise CommandError("these people do not exist: only a demo takes them (DEMO=1)")
        if not 0 <= referrals < users:
            raise CommandError("--referrals must be less than --users")
        started = time.monotonic()
        people, owners = plan(users, referrals)
        with transaction.atomic(), connection.cursor() as cursor:
            self.copy(cursor, "users_user", USER_COLUMNS, (_user_line(person) for person in people), users)
            # Row by row the triggers would work for minutes; what they would write is in the rows already.
            cursor.execute(_switch_triggers("DISABLE"))
            invited = sum(person.inviter is not None for person in people)
            lines = (_activation_line(person) for person in people if person.inviter)
            self.copy(cursor, "users_activation", ACTIVATION_COLUMNS, lines, invited)
            cursor.execute(_OPENINGS, {"owners": [owner.id for owner in owners]})
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(_switch_triggers("ENABLE"))
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE users_user, users_activation")
        self.stdout.write(f"{users:,} people and {invited:,} activations in {time.monotonic() - started:.1f} s")
        for owner in owners:
            self.stdout.write(f"  {owner.phone}  {owner.invite_code}  {owner.referrals_count:,} referrals")

    def copy(self, cursor, table: str, columns: str, lines: Iterator[str], total: int) -> None:
        def show(done: int) -> None:
            self.stdout.write(f"\r{table} {done:,} of {total:,}", ending="")
            self.stdout.flush()

        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", Lines(lines, show))
        self.stdout.write("")


class Person:
    """`inviter` is who brought this one, if anybody did."""

    __slots__ = ("created_at", "id", "invite_code", "inviter", "phone", "referrals_count")

    def __init__(self, id: uuid.UUID, phone: str, invite_code: str, created_at: datetime):
        self.id = id
        self.phone = phone
        self.invite_code = invite_code
        self.created_at = created_at
        self.inviter: Person | None = None
        self.referrals_count = 0


def plan(users: int, referrals: int) -> tuple[list[Person], list[Person]]:
    """The people in the order they came, and the first of them, who have many referrals.

    Whoever invites does so from their first day until today, and everybody comes after who invited them.
    """
    ladder = [referrals]
    while ladder[-1] // 10 >= TENS:
        ladder.append(ladder[-1] // 10)
    people = [Person(*who) for who in _newcomers(users)]
    owners, others = people[: len(ladder)], people[1:]
    many = list(islice(chain.from_iterable(map(repeat, owners, ladder)), len(others)))
    few = len(ladder)  # so many of them, and those behind whom they come, were invited by the first
    random.shuffle(shuffled := many[few:])
    came = {len(others) * number // len(many) for number in range(len(many))}
    _invite((others[place] for place in sorted(came)), many[:few] + shuffled)
    rest = [person for person in others[few:] if person.inviter is None]
    _invite(rest, cycle(people[few : few - (-len(rest) // TENS)]))
    return people, owners


def _invite(invited: Iterable[Person], inviters: Iterable[Person]) -> None:
    for person, inviter in zip(invited, inviters, strict=False):
        person.inviter = inviter
        inviter.referrals_count += 1


def _newcomers(users: int) -> Iterator[tuple[uuid.UUID, str, str, datetime]]:
    """Numbers after those of the last run, codes nobody has, a year of registrations.

    The ids come sorted, so that a million of them fill their indexes from left to right.
    """
    last = User.objects.filter(phone__startswith=PREFIX).order_by("-phone").values_list("phone", flat=True).first()
    first = int(last[len(PREFIX) :]) + 1 if last else 0
    if first + users > NUMBERS:
        raise CommandError(f"there are only {NUMBERS:,} demo numbers")
    taken = set(User.objects.values_list("invite_code", flat=True))
    now, year = datetime.now(UTC), timedelta(days=365)
    for number, id in enumerate(sorted(uuid.uuid4() for _ in range(users))):
        while (code := _any_code()) in taken:
            pass
        taken.add(code)
        yield id, f"{PREFIX}{first + number:08}", code, now - year * (1 - number / users)


def _any_code() -> str:
    """From no cryptographic source: nobody's, and six times as fast."""
    return "".join(random.choices(codes.INVITE_ALPHABET, k=codes.INVITE_LENGTH))  # noqa: S311


def _user_line(person: Person) -> str:
    fields = (
        f"{person.id}\t{NO_PASSWORD}\tf\t{person.phone}\t{person.invite_code}\tt\tf",
        f"{person.created_at}\t{person.referrals_count}\n",
    )
    return "\t".join(fields)


def _activation_line(person: Person) -> str:
    return f"{person.id}\t{person.inviter.id}\t{person.phone}\t{person.created_at}\n"


def _switch_triggers(to: str) -> str:
    return f"ALTER TABLE users_activation {', '.join(f'{to} TRIGGER {trigger}' for trigger in TRIGGERS)}"
