"""The production server: gunicorn with threads, and the embedded database for as long as it runs."""

import signal
import sys

from django.conf import settings
from django.db import connections
from gunicorn.app.base import BaseApplication

from project import localdb


class Server(BaseApplication):
    def load_config(self) -> None:
        options = {
            "bind": f"[{settings.HOST}]:{settings.PORT}"
            if ":" in settings.HOST
            else f"{settings.HOST}:{settings.PORT}",
            "workers": settings.WEB_CONCURRENCY,
            "worker_class": "gthread",
            "threads": settings.SERVER_THREADS,
            "worker_connections": 2 * settings.SERVER_THREADS,
            "backlog": 4096,
            "preload_app": True,
            "graceful_timeout": 25,
            "timeout": 60,
            "keepalive": 30,
            "loglevel": settings.LOG_LEVEL.lower(),
            "forwarded_allow_ips": "",  # who the client is, we read ourselves: users/clients.py
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self):
        from project.wsgi import application

        return application


def run(prepare=lambda: None) -> None:
    """Serve until SIGTERM or Ctrl-C. `prepare` runs first, with the database up.

    Ends the process: status 0 after a signal.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until gunicorn takes the signals over
    try:
        if settings.DATABASE_IS_EMBEDDED:
            localdb.hold()
        prepare()
        for connection in connections.all(initialized_only=True):
            connection.close()
            connection.close_pool()
        Server().run()
    except KeyboardInterrupt:
        sys.exit(0)
    except RuntimeError as error:
        sys.exit(f"zovi: {error}")
    finally:
        if settings.DATABASE_IS_EMBEDDED:
            localdb.release()
