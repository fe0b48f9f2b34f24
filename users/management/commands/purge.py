from datetime import timedelta

from django.core.management import BaseCommand, call_command
from django.db.models import Q
from django.db.models.functions import Now

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
)

MONTH, YEAR = timedelta(days=30), timedelta(days=365)
DOORS = (*limits.VISITS, *limits.ADMINS, *limits.SERVICES)
BATCH = 10_000  # rows a statement, so that no lock lasts


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
        deleted = 0
        while batch := rows.model.objects.filter(id__in=rows.values("id")[:BATCH]).delete()[0]:
            deleted += batch
        return deleted
