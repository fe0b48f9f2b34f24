"""The production server: gunicorn's master, event loops for workers, and the embedded database for as long as it runs.

A worker's event loop (uvicorn's) has the connections, and a few threads have Django: see connections.py, reading.py,
bridge.py and lanes.py.
"""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import uvicorn
import uvloop
from django.conf import settings
from django.db import connections
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker as GunicornWorker

from project import localdb
from project.bridge import Bridge
from project.connections import Connection
from project.deliverer import delivering
from project.postgres.base import cut_off_the_late

GRACEFUL_SECONDS = 23
KEEP_ALIVE_SECONDS = 30
TICK_SECONDS = 0.25
FEW_CONNECTIONS = 8
MOST_CONNECTIONS = 10_000  # a process


class Loop(uvicorn.Server):
    """uvicorn's server on sockets that other workers accept from, too. `each_moment` is called a few times a second."""

    def __init__(self, bridge: Bridge, each_moment: Callable[["Loop"], None] = lambda loop: None):
        super().__init__(
            uvicorn.Config(
                bridge,
                interface="asgi3",
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,  # who the client is, we read ourselves: users/clients.py
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACEFUL_SECONDS,
            )
        )
        self._bridge = bridge
        self._each_moment = each_moment
        self._passed_over = 0
        self._arriving: set[asyncio.Task] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._listeners = sockets or []
        for listener in self._listeners:
            listener.setblocking(False)
            self._listen(listener)
        self._moments = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            self._each_moment(self)
            self._bridge.refuse_those_who_waited()
            cut_off_the_late()
            for connection in list(self.server_state.connections):
                connection.look_after()
            await asyncio.sleep(TICK_SECONDS)

    def _listen(self, listener: socket.socket) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(listener, self._accept_or_pass, listener)

    def _accept_or_pass(self, listener: socket.socket) -> None:
        """All workers are woken for a new connection. As long as there are few, who has fewer takes it sooner."""
        has = len(self.server_state.connections)
        if self._passed_over < has <= FEW_CONNECTIONS:
            self._passed_over += 1
            return
        self._passed_over = 0
        self._accept(listener)

    def _accept(self, listener: socket.socket) -> bool:
        loop = asyncio.get_running_loop()
        try:
            client, _address = listener.accept()
        except BlockingIOError:  # another worker was faster
            return False
        except OSError:  # too many files are open: ask again, but not at once and for ever
            loop.remove_reader(listener)
            loop.call_later(TICK_SECONDS, self._listen, listener)
            return False
        self._make_room()
        protocol = partial(Connection, self.config, self.server_state, {})
        task = loop.create_task(loop.connect_accepted_socket(protocol, client))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        return True

    def _make_room(self) -> None:
        """Where there are too many connections, one of those that wait for no answer has to go."""
        everybody = self.server_state.connections
        if len(everybody) >= MOST_CONNECTIONS:
            leaving = next((one for one in everybody if not one.is_answering()), None)
            if leaving:
                leaving.transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve those too whom the kernel has let in by the time the last worker closes the socket."""
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
            while self._accept(listener):
                pass
            listener.close()
        await asyncio.gather(*self._arriving, return_exceptions=True)
        await super().shutdown(sockets=[])
        self._moments.cancel()


class Worker(GunicornWorker):
    def run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            loop = Loop(Bridge(self.wsgi, runner.get_loop()), self._report)
            runner.run(loop.serve(self.sockets))

    def _report(self, loop: Loop) -> None:
        self.notify()
        if os.getppid() != self.ppid:  # nobody else would ever stop us
            loop.should_exit = True


class Master(Arbiter):
    """gunicorn's, which starts new workers on SIGHUP, and goes with the terminal it was started from."""

    def __init__(self, app):
        super().__init__(app)
        is_to_stay = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # as nohup has it
        self._goes_with_terminal = not is_to_stay and has_terminal()

    def handle_hup(self) -> None:
        if self._goes_with_terminal and not has_terminal():
            self.handle_term()
        else:
            super().handle_hup()


def has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


class Server(BaseApplication):
    def load_config(self) -> None:
        options = {
            "bind": f"[{settings.HOST}]:{settings.PORT}"
            if ":" in settings.HOST
            else f"{settings.HOST}:{settings.PORT}",
            "workers": settings.WEB_CONCURRENCY,
            "worker_class": Worker,
            "backlog": 4096,
            "preload_app": True,
            "graceful_timeout": GRACEFUL_SECONDS + 2,
            "timeout": 60,
            # On somebody's screen its comings and goings would push the addresses out of sight.
            "loglevel": "warning" if settings.DEMO and settings.LOG_LEVEL == "INFO" else settings.LOG_LEVEL.lower(),
            "forwarded_allow_ips": "",  # who the client is, we read ourselves: users/clients.py
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        Master(self).run()

    def load(self):
        """Before the workers fork: they share all this for as long as no collection of garbage writes to it."""
        from project.wsgi import application
        from users import agents

        agents.is_program("Zovi")  # reads its lists, a quarter of a second, which no visitor has to wait for
        gc.collect()
        gc.freeze()
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
        allow_many_files()
        with delivering():
            Server().run()
    except KeyboardInterrupt:
        sys.exit(0)
    except RuntimeError as error:
        sys.exit(f"zovi: {error}")
    finally:
        if settings.DATABASE_IS_EMBEDDED:
            localdb.release()


def allow_many_files() -> None:
    """Each connection is one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # where hard is unlimited and the kernel's own limit is not
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
