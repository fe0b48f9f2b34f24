"""The door for WSGI servers: `gunicorn project.wsgi`."""

import os
from contextlib import suppress

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

settings.DATABASES["default"]["OPTIONS"].setdefault("options", settings.SERVING_DATABASE_OPTIONS)
with suppress(OSError):  # where nothing was collected yet, WhiteNoise wants at least the folder
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
django.setup(set_prefix=False)

from project import http, urls  # noqa: F401 -- the map is read now, once for all workers, not by a request of each


class Application(WSGIHandler):
    request_class = http.Request


application = Application()
