"""Try the routes to a phone: `manage.py sms_test +79136740000`, or only see what would be sent."""

import uuid
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from users import codes, sms
from users.errors import DomainError
from users.services.arguments import normalise_phone


class Command(BaseCommand):
    help = "Send a message with a code that opens nothing, and say what each route that was asked answered."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("phone", help="in any usual form")
        parser.add_argument("--dry-run", action="store_true", help="send nothing; show the texts and what they cost")
        parser.add_argument("--every-route", action="store_true", help="go on where one has taken the message")

    def handle(self, *, phone: str, dry_run: bool, every_route: bool, **options) -> None:
        try:
            normal = normalise_phone(phone)
        except DomainError as refusal:
            raise CommandError(str(refusal.detail)) from None
        if dry_run:
            for language, _name in settings.LANGUAGES:
                self._show(_message(normal, language), language)
        else:
            self._send(_message(normal, settings.LANGUAGE_CODE), every_route)

    def _show(self, message: sms.Message, language: str) -> None:
        cost = sms.list_price(message)
        counted = f"{len(message.text)} characters, {sms.segments(message.text)} segments"
        price = "no price in SMS_COST" if cost is None else f"costs {cost}"
        self.stdout.write(f"--- {language}: {counted}, {price}\n{message.text}")

    def _send(self, message: sms.Message, every_route: bool) -> None:
        outcomes = []
        for attempt in sms.attempts(message):
            self.stdout.write(_words(attempt))
            outcomes.append(attempt.answer.outcome)
            if outcomes[-1] != "refused" and not every_route:
                break
        if not outcomes:
            raise CommandError("No route serves the region of this number.")
        if set(outcomes) == {"refused"}:
            raise CommandError("No route took the message.")


def _message(phone: str, language: str) -> sms.Message:
    host = urlsplit(settings.SITE_URL).hostname or settings.ALLOWED_HOSTS[0]
    code = codes.new_one_time_code(settings.OTP_DIGITS)
    return sms.Message(phone, code, str(uuid.uuid4()), host=host, language=language)


def _words(attempt: sms.Attempt) -> str:
    route, answer = attempt.route, attempt.answer
    known = [answer.outcome, answer.why, f"status {answer.status}" if answer.status else ""]
    known += [f"by {answer.channel}" if answer.outcome == "sent" else "", f"{attempt.seconds * 1000:.0f} ms"]
    return f"{route.number} {route.scheme}: " + ", ".join(word for word in known if word)
