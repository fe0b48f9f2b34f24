from users.management.exports import ExportCommand
from users.services import exporting


class Command(ExportCommand):
    help = "Writes who came by whom as CSV, in the order they came."
    export = staticmethod(exporting.export_referrals)
