"""Everybody else who may be wrong only so often: with invite codes, passwords, and keys of services."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from users import prepared
from users.limits.looking import LOCK_EACH, REACHED, look, refuse_or_alarm
from users.limits.table import ADMINS, INVITES, SERVICES, VISITS, Limit
from users.models import AddressFailure, InviteFailure

_VISITOR = "(SELECT %(address)s::inet AS address)"


@contextmanager
def admitted_invite(*, user_id: uuid.UUID) -> Iterator[None]:
    """A short transaction in which somebody signed in looks an invite code up and records a failure.

    Raises TooManyAttempts.
    """
    with _admitted(INVITES, f"invites of {user_id}", "(SELECT %(user_id)s::uuid AS user_id)", user_id=user_id):
        yield


def record_invite_failure(*, user_id: uuid.UUID) -> None:
    InviteFailure.objects.create(user_id=user_id)


@contextmanager
def admitted_visitor(*, address: str) -> Iterator[None]:
    """The same for somebody who is not signed in. Raises TooManyAttempts."""
    with _admitted(VISITS, f"visits of {address}", _VISITOR, address=address):
        yield


def record_visitor_failure(*, address: str) -> None:
    AddressFailure.objects.create(door=AddressFailure.Door.INVITE, address=address)


def count_admin_attempt(*, address: str) -> AddressFailure:
    """Before a password is hashed, its attempt counts as a failure; `forgive` takes back one that was none.

    So of any number of parallel attempts no more are hashed than the limit allows. Raises TooManyAttempts.
    """
    with _admitted(ADMINS, f"administration by {address}", _VISITOR, address=address):
        return AddressFailure.objects.create(door=AddressFailure.Door.ADMIN, address=address)


def count_service_failure(*, address: str) -> None:
    """Raises TooManyAttempts when that was one too many."""
    with _admitted(SERVICES, f"services at {address}", _VISITOR, address=address):
        AddressFailure.objects.create(door=AddressFailure.Door.SERVICE, address=address)


def forgive(failure: AddressFailure) -> None:
    failure.delete()


@contextmanager
def _admitted(limits: tuple[Limit, ...], key: str, asked: str, **values: object) -> Iterator[None]:
    with transaction.atomic():
        row = prepared.first_row(LOCK_EACH, look(limits, asked), REACHED, keys=[key], **values)
        refuse_or_alarm(row[0] if row else "", limits)
        yield
