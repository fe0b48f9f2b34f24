from datetime import timedelta

from django.core.management import BaseCommand, call_command
from django.db import transaction
from django.db.models import Max, OuterRef, Q, Subquery
from django.db.models.functions import Greatest, Now

from users import limits
from users.models import (
    AddressFailure,
    Challenge,
    CodeFailure,
    Event,
    GuardDecision,
    InviteFailure,
    InviteOpening,
    Session,
    User,
)

MONTH, YEAR = timedelta(days=30), timedelta(days=365)
DOORS = (*limits.VISITS, *limits.ADMINS, *limits.SERVICES)
BATCH = 10_000  # rows a statement, so that no lock lasts
SESSIONS = 1000  # of these, whose users are locked meanwhile


class Command(BaseCommand):
    help = (
        "Deletes what has been of no use for 30 days: codes, sessions, events; wrong codes, and the days "
        "on which links were opened, after a year. Run it daily."
    )

    def handle(self, **options):
        old = Now() - limits.rows_are_kept(limits.SENDS, at_least=MONTH)
        forgotten = Now() - limits.rows_are_kept((*limits.LENGTHS, *limits.TRIES), at_least=YEAR)
        long_dead = Q(ended_at__lt=Now() - timedelta(days=1)) | Q(expires_at__lt=Now() - timedelta(days=1))
        for rows in (
            Challenge.objects.filter(created_at__lt=old),
            GuardDecision.objects.filter(hour__lt=Now() - YEAR),
            CodeFailure.objects.filter(created_at__lt=forgotten),
            InviteFailure.objects.filter(created_at__lt=Now() - limits.rows_are_kept(limits.INVITES, at_least=MONTH)),
            InviteOpening.objects.filter(day__lt=Now() - YEAR),
            AddressFailure.objects.filter(created_at__lt=Now() - limits.rows_are_kept(DOORS, at_least=MONTH)),
            Session.objects.filter(long_dead, created_at__lt=Now() - MONTH),
            Event.objects.filter(created_at__lt=Now() - MONTH),
        ):
            self.stdout.write(f"{rows.model._meta.verbose_name_plural}: {self.delete(rows)}")
        call_command("clearsessions")

    def delete(self, rows) -> int:
        deleted, batch = 0, SESSIONS if rows.model is Session else BATCH
        while ids := list(rows.values_list("pk", flat=True)[:batch]):
            chosen = rows.model.objects.filter(pk__in=ids)
            with transaction.atomic():
                if rows.model is Session:
                    remember_when_seen(chosen)
                deleted += chosen.delete()[0]
        return deleted


def remember_when_seen(sessions) -> None:
    """On their users: ACCOUNT_IDLE_DAYS asks who was here when. Locked in the order of their ids, as everywhere."""
    users = User.objects.filter(sessions__in=sessions).distinct()
    list(User.objects.select_for_update(no_key=True).filter(pk__in=users.values("pk")).order_by("pk").values("pk"))
    newest = sessions.filter(user=OuterRef("pk")).order_by().values("user").annotate(at=Max("seen_at")).values("at")
    User.objects.filter(pk__in=users.values("pk")).update(seen_at=Greatest("seen_at", Subquery(newest)))
