"""The door for WSGI servers: `gunicorn project.wsgi`."""

import os
from contextlib import suppress

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.DATABASES["default"]["OPTIONS"].setdefault("options", settings.SERVING_DATABASE_OPTIONS)
with suppress(OSError):  # where nothing was collected yet, WhiteNoise wants at least the folder
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
application = get_wsgi_application()

from project import urls  # noqa: F401 -- read now, once for all workers, and not by the first request of each
