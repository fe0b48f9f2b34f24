"""The door for WSGI servers: `gunicorn project.wsgi`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.DATABASES["default"]["OPTIONS"].setdefault("options", settings.SERVING_DATABASE_OPTIONS)
application = get_wsgi_application()
