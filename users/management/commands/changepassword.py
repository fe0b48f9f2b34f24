from django.contrib.auth.management.commands import changepassword
from django.core.management import CommandError

from users.models import User


class Command(changepassword.Command):
    help = "Changes a password. Takes the phone number in any usual form."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.set_defaults(username=None)

    def handle(self, *args, username: str | None, **options):
        try:
            user = User.objects.get_by_natural_key(username or input("Phone: "))
        except User.DoesNotExist:
            raise CommandError("nobody has this number") from None
        return super().handle(*args, username=user.phone, **options)
