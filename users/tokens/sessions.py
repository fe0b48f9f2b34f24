"""Who is signed in where: opened, found, ended."""

import secrets
import uuid
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, transaction
from django.db.models import Model, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from users import events, prepared
from users.clients import Client
from users.models import Session, User
from users.webhooks import EndReason, EventType

SEEN_EVERY = timedelta(minutes=10)


def new_session(client: Client) -> Session:
    """Not saved yet, and nobody's."""
    return Session(
        salt=secrets.token_bytes(32),
        address=client.address,
        user_agent=client.user_agent,
        expires_at=timezone.now() + timedelta(seconds=settings.REFRESH_TOKEN_TTL),
    )


def open_session(user: User, client: Client) -> Session:
    session = new_session(client)
    session.user = user
    session.save(force_insert=True)
    return session


def end_session(session: Session, *, reason: EndReason = EndReason.LOGGED_OUT) -> None:
    """From the next request on none of its tokens is good. Ending it again changes nothing."""
    end_sessions(Session.objects.filter(id=session.id), reason=reason)


def end_sessions(sessions: QuerySet[Session], *, reason: EndReason) -> int:
    """Returns how many had not ended before."""
    going_on = sessions.filter(ended_at=None)
    with transaction.atomic():
        # In one order, so that no two who end the same ones wait in a circle.
        locked = going_on.order_by("id").select_for_update(of=("self",))
        ended = list(locked.values_list("id", "user_id"))
        Session.objects.filter(id__in=[session_id for session_id, _ in ended]).update(ended_at=Now())
        events.record(
            EventType.SESSION_ENDED,
            *({"user_id": user_id, "session_id": session_id, "reason": reason} for session_id, user_id in ended),
        )
    return len(ended)


def note_seen(session: Session) -> None:
    """Their client has come again. Written down when the last time is ten minutes ago, so hardly any request writes.

    An app is seen when it refreshes its tokens: for it this is not asked. Where nothing can be written, they
    come unseen.
    """
    if timezone.now() - session.seen_at > SEEN_EVERY:
        with suppress(OperationalError):
            Session.objects.filter(id=session.id, seen_at__lt=Now() - SEEN_EVERY).update(seen_at=Now())


def resume(session_id: str) -> User | None:
    """The user of a session, with `user.session` set; None when it has ended, expired, or the user is switched off."""
    try:
        row = prepared.first_row(_session_and_user(), id=uuid.UUID(session_id))
    except ValueError:
        return None
    if row is None:
        return None
    of_session = len(Session._meta.concrete_fields)
    session, user = _loaded(Session, row[:of_session]), _loaded(User, row[of_session:])
    session.user, user.session = user, session
    return user


@lru_cache(maxsize=1)
def _session_and_user() -> str:
    """What the ORM says to read a live session with its user; its one parameter is the id. It is asked in nearly every
    call, and composing it each time took half of a page of referrals."""
    sql, [_] = live_sessions().select_related("user").filter(id=uuid.UUID(int=0)).query.sql_with_params()
    return sql.replace("%s", "%(id)s")


def _loaded(model: type[Model], values: tuple) -> Any:
    return model.from_db(DEFAULT_DB_ALIAS, [field.attname for field in model._meta.concrete_fields], values)


def live_sessions() -> QuerySet[Session]:
    return Session.objects.filter(ended_at=None, expires_at__gt=Now(), user__is_active=True)
