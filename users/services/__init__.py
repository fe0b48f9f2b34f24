"""The stories: what a person can do here. Plain values in, models or small dataclasses out; no request, no response."""

from users.services.account import delete_account, export_of
from users.services.administration import admitted_password, end_sessions, find_user, switch_users
from users.services.awaiting import AwaitedCode, awaited_code
from users.services.backend import (
    Member,
    Service,
    find_member,
    introspect,
    member,
    member_referrals,
    service_of,
    switch_member,
)
from users.services.events import (
    EventSlice,
    Waiting,
    event_named,
    events_after,
    given_up_deliveries,
    replay_deliveries,
    replay_events,
    waiting_deliveries,
)
from users.services.fixed_numbers import FixedNumbers, fixed_numbers
from users.services.invitations import Invitation, Standing, invitation, noted_invitation
from users.services.messages import Delivered, inbox
from users.services.numbers import require_may_give_number_up
from users.services.openings import note_opening, write_openings
from users.services.phone_number import change_phone, require_may_change_phone, set_phone, signed_in_recently
from users.services.referral import (
    ActivatedInvite,
    Profile,
    Referral,
    ReferralSlice,
    activate_invite,
    inviter_phone,
    may_activate,
    own_profile,
    profile_of,
    referrals,
    user_profile,
    user_referrals,
)
from users.services.sessions import OwnSession, SessionSlice, end_other_sessions, end_session, logout, sessions_of
from users.services.sign_in import SentCode, SignIn, refresh, request_code, verify_code
from users.services.statistics import DayCounts, arrivals, daily_counts, opened_links

__all__ = [
    "ActivatedInvite",
    "AwaitedCode",
    "DayCounts",
    "Delivered",
    "EventSlice",
    "FixedNumbers",
    "Invitation",
    "Member",
    "OwnSession",
    "Profile",
    "Referral",
    "ReferralSlice",
    "SentCode",
    "Service",
    "SessionSlice",
    "SignIn",
    "Standing",
    "Waiting",
    "activate_invite",
    "admitted_password",
    "arrivals",
    "awaited_code",
    "change_phone",
    "daily_counts",
    "delete_account",
    "end_other_sessions",
    "end_session",
    "end_sessions",
    "event_named",
    "events_after",
    "export_of",
    "find_member",
    "find_user",
    "fixed_numbers",
    "given_up_deliveries",
    "inbox",
    "introspect",
    "invitation",
    "inviter_phone",
    "logout",
    "may_activate",
    "member",
    "member_referrals",
    "note_opening",
    "noted_invitation",
    "opened_links",
    "own_profile",
    "profile_of",
    "referrals",
    "refresh",
    "replay_deliveries",
    "replay_events",
    "request_code",
    "require_may_change_phone",
    "require_may_give_number_up",
    "service_of",
    "sessions_of",
    "set_phone",
    "signed_in_recently",
    "switch_member",
    "switch_users",
    "user_profile",
    "user_referrals",
    "verify_code",
    "waiting_deliveries",
    "write_openings",
]
