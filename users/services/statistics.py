"""How many came when. Days are UTC's."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from users.models import Activation, Challenge, InviteOpening, Session, User


@dataclass(frozen=True)
class DayCounts:
    day: date
    users: int
    activations: int
    codes: int
    sessions: int


def arrivals(*, user: User, days: int = 30) -> list[tuple[date, int]]:
    """How many entered the user's code on each of the last `days` days, oldest first, days without any included."""
    shown = _last_days(days)
    counted = _per_day(user.referrals.all(), since=shown[0])
    return [(day, counted.get(day, 0)) for day in shown]


def opened_links(*, user: User, days: int = 30) -> list[tuple[date, int]]:
    """How many times the user's link was opened on each of these days."""
    shown = _last_days(days)
    counted = dict(InviteOpening.objects.filter(inviter=user, day__gte=shown[0]).values_list("day", "times"))
    return [(day, counted.get(day, 0)) for day in shown]


def daily_counts(*, days: int = 7) -> list[DayCounts]:
    """What happened on each of the last `days` days, newest first."""
    shown = _last_days(days)
    codes = Challenge.objects.filter(is_test=False)  # of a test number nothing is sent
    tables = [User.objects.all(), Activation.objects.all(), codes, Session.objects.all()]
    counted = [_per_day(rows, since=shown[0]) for rows in tables]
    return [DayCounts(day, *(counts.get(day, 0) for counts in counted)) for day in reversed(shown)]


def _last_days(days: int) -> list[date]:
    today = timezone.now().date()
    return [today - timedelta(days=ago) for ago in reversed(range(days))]


def _per_day(rows: QuerySet, *, since: date) -> dict[date, int]:
    midnight = datetime.combine(since, time(), tzinfo=UTC)
    per_day: Iterable = (
        rows.filter(created_at__gte=midnight).values_list(TruncDate("created_at")).annotate(Count("pk")).order_by()
    )
    return dict(per_day)
