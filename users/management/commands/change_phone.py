from django.core.management import BaseCommand, CommandError, CommandParser

from users import services
from users.errors import DomainError
from users.models import User
from users.services.arguments import normalise_phone, parse_id


class Command(BaseCommand):
    help = (
        "Moves an account to another number without a code: its sessions end, and the old number is told. "
        "By its id it gives one again to an account that has lost its own to somebody who started afresh with it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("old", help="in any usual form, or the account's id")
        parser.add_argument("new", help="in any usual form")

    def handle(self, *, old: str, new: str, **options) -> None:
        try:
            user_id = parse_id(old)
            user = User.objects.get(id=user_id) if user_id else User.objects.get_by_natural_key(old)
            if not user.phone and not user.set_aside_at:
                raise CommandError("whoever had this account has left")
            services.set_phone(user=user, phone=normalise_phone(new))
        except User.DoesNotExist:
            raise CommandError("nobody has this number, or this id") from None
        except DomainError as refusal:
            raise CommandError(str(refusal.detail)) from None
        self.stdout.write(f"The number of {user.id} is changed.")
