"""The production server: gunicorn with threads, and the embedded database for as long as it runs."""

import select
import signal
import socket
import sys
import time
from contextlib import suppress

from django.conf import settings
from django.db import connections
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import TConn, ThreadWorker

from project import localdb

STAY_MILLISECONDS = 20
HESITATION = 20e-6  # seconds
PIECE = 64 * 1024  # bytes


class Socket(socket.socket):
    """Sends an answer in one piece, and is told to block only when it does not.

    gunicorn sends head and body apart, and sets the mode anew for each request. Every such call lets another thread
    have the interpreter, and to get it back costs more than the call.
    """

    def __init__(self, fileno: int):
        super().__init__(fileno=fileno)
        super().setblocking(True)
        self._held: bytearray | None = None

    def setblocking(self, flag: bool) -> None:
        if flag != self.getblocking():
            super().setblocking(flag)

    def hold(self) -> None:
        """From now on keep what is sent, until `release` or a PIECE is full."""
        self._held = bytearray()

    def release(self) -> None:
        held, self._held = self._held, None
        if held and self.fileno() != -1:
            super().sendall(held)

    def sendall(self, data, flags: int = 0) -> None:
        if self._held is None:
            super().sendall(data, flags)
            return
        self._held += data
        if len(self._held) > PIECE:
            self.release()

    def sendfile(self, *arguments, **options) -> int:
        self.release()
        return super().sendfile(*arguments, **options)


def close(held: Socket) -> None:
    """Say goodbye and go: what the client does with it is no reason to wait, as gunicorn would for two seconds."""
    with suppress(OSError):
        held.shutdown(socket.SHUT_WR)
        for _ in range(16):  # what nobody has read would make the kernel drop the answer
            if not held.recv(PIECE, socket.MSG_DONTWAIT):
                break
    held.close()


class Worker(ThreadWorker):
    """A thread stays with its connection for a moment, for the request that often follows at once.

    gunicorn's own worker hands each request from its main thread to another and back, which costs a third of what a
    request costs. As long as there are more threads than connections nobody waits for the one that stays.
    """

    def accept(self, listener) -> None:
        """All processes wake for a new connection: the fewer one has, the sooner it takes it."""
        time.sleep(min(self.nr_conns, 5) * HESITATION)
        super().accept(listener)

    def handle(self, conn: TConn) -> object:
        if not conn.initialized:
            conn.sock = Socket(conn.sock.detach())
            conn.close = lambda graceful=False: close(conn.sock)
        result = super().handle(conn)
        while result is True and self.alive and self._asks_again(conn):
            result = super().handle(conn)
        return result

    def handle_request(self, req, conn: TConn) -> object:
        conn.sock.hold()
        try:
            return super().handle_request(req, conn)
        finally:
            conn.sock.release()

    def _asks_again(self, conn: TConn) -> bool:
        if self.nr_conns >= self.cfg.threads or conn.is_http2 or conn.parser.unreader.buf.getvalue():
            return False
        poll = select.poll()
        poll.register(conn.sock, select.POLLIN)
        return bool(poll.poll(STAY_MILLISECONDS))

    def set_accept_enabled(self, enabled: bool) -> None:
        """When stopping, serve those too whom the socket let into its queue before it is closed."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                while select.select([listener], [], [], 0)[0]:
                    self.accept(listener)
                listener.close()


class Server(BaseApplication):
    def load_config(self) -> None:
        options = {
            "bind": f"[{settings.HOST}]:{settings.PORT}"
            if ":" in settings.HOST
            else f"{settings.HOST}:{settings.PORT}",
            "workers": settings.WEB_CONCURRENCY,
            "worker_class": Worker,
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
