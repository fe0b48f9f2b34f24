"""An invite link: who stands behind it, and what it can do for the one who opened it."""

import enum
import uuid
from dataclasses import dataclass

from users import codes, limits, phones
from users.clients import Client
from users.errors import InvalidInput, InviteNotFound
from users.models import Activation, User
from users.services.referral import owner_of


class Standing(enum.Enum):
    """What activating would come to."""

    OPEN = "open"
    OWN = "own"
    DONE = "done"  # with this very code
    TAKEN = "taken"  # with another one


@dataclass(frozen=True)
class Invitation:
    """`inviter_phone` is masked."""

    code: str
    inviter_id: uuid.UUID
    inviter_phone: str
    standing: Standing


def invitation(*, invite_code: str, viewer: User | None, client: Client) -> Invitation:
    """What to tell somebody who opened an invite link.

    A code that nobody has counts against who asks: the viewer, or the address of somebody who is not signed in.
    Raises InviteNotFound, also for what cannot be a code, and TooManyAttempts.
    """
    try:
        code = codes.normalise_invite_code(invite_code)
    except InvalidInput:
        raise InviteNotFound() from None
    inviter = owner_of(code, asked_by=viewer) if viewer else _owner_shown_to_visitor(code, client.address)
    return Invitation(code, inviter.id, phones.mask(inviter.phone), _standing(inviter, viewer))


def noted_invitation(*, invite_code: str) -> Invitation | None:
    """The invitation somebody has opened before; None when its owner is not there any more."""
    inviter = User.objects.filter(invite_code=invite_code, is_active=True).first()
    return Invitation(invite_code, inviter.id, phones.mask(inviter.phone), Standing.OPEN) if inviter else None


def _owner_shown_to_visitor(code: str, address: str) -> User:
    """A wrong code is counted, and committed, before it is refused. Raises TooManyAttempts, InviteNotFound."""
    with limits.admitted_visitor(address=address):
        owner = User.objects.filter(invite_code=code, is_active=True).first()
        if owner is None:
            limits.record_visitor_failure(address=address)
    if owner is None:
        raise InviteNotFound()
    return owner


def _standing(inviter: User, viewer: User | None) -> Standing:
    if viewer is None:
        return Standing.OPEN
    if viewer == inviter:
        return Standing.OWN
    activation = Activation.objects.filter(invitee=viewer).first()
    if activation is None:
        return Standing.OPEN
    return Standing.DONE if activation.inviter_id == inviter.id else Standing.TAKEN
