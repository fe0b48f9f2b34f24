"""An invite link: who stands behind it, and what it can do for the one who opened it."""

import enum
from dataclasses import dataclass

from users import codes, phones
from users.errors import InvalidInput, InviteNotFound
from users.models import Activation, User


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
    inviter_phone: str
    standing: Standing


def invitation(*, invite_code: str, viewer: User | None) -> Invitation:
    """What to tell somebody who opened an invite link. Raises InviteNotFound, also for what cannot be a code."""
    try:
        code = codes.normalise_invite_code(invite_code)
    except InvalidInput:
        raise InviteNotFound() from None
    inviter = User.objects.filter(invite_code=code, is_active=True).first()
    if inviter is None:
        raise InviteNotFound()
    return Invitation(code, phones.mask(inviter.phone), _standing(inviter, viewer))


def _standing(inviter: User, viewer: User | None) -> Standing:
    if viewer is None:
        return Standing.OPEN
    if viewer == inviter:
        return Standing.OWN
    activation = Activation.objects.filter(invitee=viewer).first()
    if activation is None:
        return Standing.OPEN
    return Standing.DONE if activation.inviter_id == inviter.id else Standing.TAKEN
