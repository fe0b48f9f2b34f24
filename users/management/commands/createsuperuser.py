from django.contrib.auth.management.commands import createsuperuser


class Command(createsuperuser.Command):
    help = "Makes an administrator: somebody new, or somebody who signs in by SMS and gets a password beside."

    # Django refuses a number that somebody has; here that is who is meant (UserManager.create_superuser).
    username_is_unique = False
