"""Inviting: a person's profile, who came by their code, and naming the one who invited them."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from users import audit, codes, events, limits, phones, tokens
from users.errors import (
    InvalidToken,
    InviteAlreadyActivated,
    InviteNotFound,
    NotFound,
    NotYourPhone,
    OwnInvite,
)
from users.models import Activation, InvitedNumber, User
from users.services import profile_query, slices
from users.services.arguments import normalise_phone, parse_id, phone_key
from users.services.profile_query import NOBODY, SLICE
from users.webhooks import EventType

ShowPhone = Callable[[str], str]


@dataclass(frozen=True)
class Referral:
    """`cursor` continues the list after this one."""

    id: int
    phone: str
    activated_at: datetime

    @property
    def cursor(self) -> str:
        return slices.write_cursor(slices.OLDER, str(self.id))


@dataclass(frozen=True)
class ReferralSlice:
    """Newest first. `next` and `previous` are opaque cursors, None at the ends."""

    items: list[Referral]
    next: str | None
    previous: str | None


@dataclass(frozen=True)
class Profile:
    """`phones` are those of the first 100 of `referrals_count`. All are masked in somebody else's profile.

    `invite_opened` is how many times their invite link was opened; `next` is the cursor of the rest, None when that
    was all.
    """

    id: uuid.UUID
    phone: str
    invite_code: str
    activated_invite_code: str | None
    referrals_count: int
    invite_opened: int
    phones: list[str]
    next: str | None


@dataclass(frozen=True)
class ActivatedInvite:
    """`inviter_phone` is masked."""

    invite_code: str
    inviter_phone: str


def activate_invite(*, user: User, invite_code: str, phone: str | None = None) -> ActivatedInvite:
    """Enter somebody's invite code, once for ever; the same one again changes nothing.

    `phone`, when given, must be the user's own. Raises InvalidInput, InvalidPhone, RegionNotAllowed, NotYourPhone,
    OwnInvite, InviteNotFound, InviteAlreadyActivated, TooManyAttempts, and InvalidToken when the user is leaving.
    """
    if phone and normalise_phone(phone) != user.phone:
        raise NotYourPhone()
    code = codes.normalise_invite_code(invite_code)
    if code == user.invite_code:
        raise OwnInvite()
    inviter = owner_of(code, asked_by=user)
    if _activate(user, inviter):
        audit.invite_activated(user.id, inviter.id)
    return ActivatedInvite(inviter.invite_code, phones.mask(inviter.phone))


def _activate(user: User, inviter: User) -> bool:
    """Whether that is news. Neither of the two leaves or is switched off meanwhile."""
    with transaction.atomic():
        present = User.objects.present(user.id, inviter.id)
        if inviter.id not in present:
            raise InviteNotFound()
        if user.id not in present:
            raise InvalidToken()
        earlier = Activation.objects.filter(invitee=user).first()
        if earlier is None:
            if _is_invited_number(present[user.id].phone):
                raise InviteAlreadyActivated()
            Activation.objects.create(invitee=user, inviter=inviter)
            told = {"inviter_id": inviter.id, "invitee_id": user.id, "invite_code": inviter.invite_code}
            events.record(EventType.REFERRAL_ACTIVATED, told)
    if earlier and earlier.inviter_id != inviter.id:
        raise InviteAlreadyActivated()
    return earlier is None


def owner_of(code: str, *, asked_by: User) -> User:
    """A wrong code is counted, and committed, before it is refused; one of a test is wrong to everybody else, and the
    other way round. Raises TooManyAttempts, InviteNotFound."""
    with limits.admitted_invite(user_id=asked_by.id):
        owner = User.objects.filter(invite_code=code, is_active=True, is_test=asked_by.is_test).first()
        if owner is None:
            limits.record_invite_failure(user_id=asked_by.id)
    if owner is None:
        raise InviteNotFound()
    return owner


def may_activate(*, user: User) -> bool:
    """Whether there is any use in asking the user for an invite code."""
    return not (Activation.objects.filter(invitee=user).exists() or _is_invited_number(user.phone))


def inviter_phone(*, user: User) -> str | None:
    """The masked number of whoever invited the user; None when nobody did, or they have left."""
    phone = User.objects.filter(referrals__invitee=user).values_list("phone", flat=True).first()
    return phones.mask(phone) if phone else None


def _is_invited_number(phone: str) -> bool:
    """Once for ever holds for a number, even if its owner gives it up and another account has it."""
    return InvitedNumber.objects.filter(phone_key=phone_key(phone)).exists()


def own_profile(*, authorization: str) -> Profile:
    """The profile of whoever an Authorization header speaks for, with full numbers.

    Checks the session on the way. Raises NotAuthenticated, InvalidToken.
    """
    row = profile_query.of_session(tokens.read(authorization))
    if row is None:
        raise InvalidToken()
    return profile_from(row, show_phone=str)


def profile_of(*, user: User) -> Profile:
    """The profile of a user who is signed in already, with full numbers. Raises NotFound when they have left."""
    return profile_from(profile_query.of_user(user.id), show_phone=str)


def user_profile(*, viewer: User, user_id: str) -> Profile:
    """Anybody's profile; every number masked unless it is the viewer's own. Raises NotFound."""
    wanted = parse_id(user_id)
    row = profile_query.of_user(wanted) if wanted else None
    return profile_from(row, show_phone=str if wanted == viewer.id else phones.mask)


def referrals(*, user: User, cursor: str | None = None, first: int = SLICE) -> ReferralSlice:
    """One slice of those who entered the user's code, `first` at most.

    Raises InvalidInput for a cursor that is not ours and for less than 1 or more than 100 at once.
    """
    return _slice(user, cursor, first, show_phone=str)


def user_referrals(*, viewer: User, user_id: str, cursor: str | None = None, first: int = SLICE) -> ReferralSlice:
    """The same of anybody; every number masked unless they are the viewer. Raises NotFound, InvalidInput."""
    user, show_phone = _seen_by(viewer, user_id)
    return _slice(user, cursor, first, show_phone)


def _seen_by(viewer: User, user_id: str) -> tuple[User, ShowPhone]:
    """Whose list it is, and how the viewer sees the numbers on it. Raises NotFound."""
    wanted = parse_id(user_id)
    if wanted == viewer.id:
        return viewer, str
    user = User.objects.filter(id=wanted, is_active=True).first() if wanted else None
    if user is None:
        raise NotFound()
    return user, phones.mask


def profile_from(row: profile_query.Row | None, show_phone: ShowPhone = str) -> Profile:
    """Raises NotFound without a row."""
    if row is None:
        raise NotFound()
    shown = row.phones.split(",") if row.phones else []
    if show_phone is not str:
        shown = [NOBODY if phone == NOBODY else show_phone(phone) for phone in shown]
    return Profile(
        id=row.id,
        phone=show_phone(row.phone),
        invite_code=row.invite_code,
        activated_invite_code=row.activated_invite_code,
        referrals_count=row.referrals_count,
        invite_opened=row.invite_opened,
        phones=shown,
        next=slices.write_cursor(slices.OLDER, str(row.oldest)) if row.oldest and row.referrals_count > SLICE else None,
    )


def _slice(user: User, cursor: str | None, first: int, show_phone: ShowPhone) -> ReferralSlice:
    slices.require_size(first)
    backwards, start = slices.read_cursor(cursor, _read_position)
    found = profile_query.referrals_beside(user.id, start, backwards=backwards, most=first + 1)
    rows, after, before = slices.cut(
        found, first, backwards=backwards, is_first=start is None, position=lambda row: str(row[0])
    )
    items = [Referral(row_id, show_phone(phone) if phone else NOBODY, at) for row_id, phone, at in rows]
    return ReferralSlice(items, next=after, previous=before)


def _read_position(text: str) -> int:
    row_id = int(text)
    if not 0 < row_id < 2**63 or str(row_id) != text:
        raise ValueError
    return row_id
