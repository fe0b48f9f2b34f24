from django.core.management import BaseCommand, CommandError, CommandParser

from users import services
from users.errors import DomainError
from users.models import User
from users.services.arguments import normalise_phone


class Command(BaseCommand):
    help = "Moves an account to another number without a code: its sessions end, and the old number is told."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("old", help="in any usual form")
        parser.add_argument("new", help="in any usual form")

    def handle(self, *, old: str, new: str, **options) -> None:
        try:
            user = User.objects.get_by_natural_key(old)
            services.set_phone(user=user, phone=normalise_phone(new))
        except User.DoesNotExist:
            raise CommandError("nobody has this number") from None
        except DomainError as refusal:
            raise CommandError(str(refusal.detail)) from None
        self.stdout.write(f"The number of {user.id} is changed.")
