"""How often invite links are opened, by day (UTC).

Whoever opens one need not have signed in, and so costs the database nothing that they could multiply: visits are added
up in the process and written together, at most once in PAUSE_SECONDS. A process that is killed takes those with it.
"""

import atexit
import logging
import threading
import uuid
from collections import Counter

from django.db import Error, connection

from users import agents, prepared
from users.clients import Client
from users.services.invitations import Invitation, Standing

PAUSE_SECONDS = 10.0
MOST = 10_000  # links that a process remembers until it writes

logger = logging.getLogger(__name__)

# Rows are locked in the order of their ids, so that processes which write at once wait for each other in turn. Whoever
# has left meanwhile is passed over.
_WRITE = """
    WITH opened AS (
        SELECT person.id, given.times
        FROM unnest(%(ids)s::uuid[], %(times)s::int[]) AS given (id, times) JOIN users_user AS person USING (id)
        WHERE person.phone IS NOT NULL ORDER BY person.id FOR NO KEY UPDATE OF person
    ), counted AS (
        INSERT INTO users_inviteopening AS kept (inviter_id, day, times)
        SELECT id, (statement_timestamp() AT TIME ZONE 'UTC')::date, times FROM opened
        ON CONFLICT (inviter_id, day) DO UPDATE SET times = kept.times + EXCLUDED.times
    )
    UPDATE users_user SET invite_opened = invite_opened + opened.times FROM opened WHERE users_user.id = opened.id
"""


def note_opening(*, invitation: Invitation, client: Client) -> None:
    """Count that somebody opened the link: no program, not the owner, and nobody who came by it already."""
    is_news = invitation.standing not in {Standing.OWN, Standing.DONE}
    if is_news and not agents.is_program(client.user_agent):
        _noted.add(invitation.inviter_id)


def write_openings() -> None:
    """Write what this process has counted; what cannot be written now is kept for the next time."""
    times = _noted.take()
    if not times:
        return
    try:
        prepared.all_rows(_WRITE, ids=list(times), times=list(times.values()))
    except Error as error:
        _noted.put_back(times)
        logger.warning("openings_not_written", extra={"facts": {"error": type(error).__name__}})


class _Noted:
    """A clock runs only while there is something to write."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: Counter[uuid.UUID] = Counter()
        self._clock: threading.Timer | None = None

    def add(self, inviter: uuid.UUID) -> None:
        with self._lock:
            if inviter in self._times or len(self._times) < MOST:
                self._times[inviter] += 1
                self._start_clock()

    def take(self) -> Counter[uuid.UUID]:
        with self._lock:
            taken, self._times = self._times, Counter()
            return taken

    def put_back(self, times: Counter[uuid.UUID]) -> None:
        with self._lock:
            self._times += times
            self._start_clock()

    def _start_clock(self) -> None:
        if self._clock is None:
            self._clock = threading.Timer(PAUSE_SECONDS, self._on_time)
            self._clock.daemon = True
            self._clock.start()

    def _on_time(self) -> None:
        with self._lock:
            self._clock = None
        try:
            write_openings()
        finally:
            connection.close()


_noted = _Noted()
atexit.register(write_openings)
