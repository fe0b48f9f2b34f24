from datetime import timedelta

from django.core.management import BaseCommand, call_command
from django.db.models import Q
from django.db.models.functions import Now

from users.limits import STEP_UP_LASTS
from users.models import Challenge, InviteFailure, Session

BATCH = 10_000  # rows a statement, so that no lock lasts


class Command(BaseCommand):
    help = "Deletes what has been of no use for 30 days: codes, failures, sessions. Run it daily."

    def handle(self, **options):
        old = Now() - STEP_UP_LASTS
        long_dead = Q(ended_at__lt=Now() - timedelta(days=1)) | Q(expires_at__lt=Now() - timedelta(days=1))
        for rows in (
            Challenge.objects.filter(created_at__lt=old),
            InviteFailure.objects.filter(created_at__lt=old),
            Session.objects.filter(long_dead, created_at__lt=old),
        ):
            self.stdout.write(f"{rows.model._meta.verbose_name_plural}: {self.delete(rows)}")
        call_command("clearsessions")

    def delete(self, rows) -> int:
        deleted = 0
        while batch := rows.model.objects.filter(id__in=rows.values("id")[:BATCH]).delete()[0]:
            deleted += batch
        return deleted
