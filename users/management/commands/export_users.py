from users.management.exports import ExportCommand
from users.services import exporting


class Command(ExportCommand):
    help = "Writes everybody who has not left as CSV: number, invite code, who invited them, when they registered."
    export = staticmethod(exporting.export_users)
