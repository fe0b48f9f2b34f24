"""The stories: what a person can do here. Plain values in, models or small dataclasses out; no request, no response."""

from users.services.account import delete_account, export_of
from users.services.referral import (
    Profile,
    Referral,
    ReferralPage,
    activate_invite,
    own_profile,
    profile_of,
    referrals,
    user_page,
    user_referrals,
)
from users.services.sign_in import SentCode, SignIn, logout, refresh, request_code, verify_code

__all__ = [
    "Profile",
    "Referral",
    "ReferralPage",
    "SentCode",
    "SignIn",
    "activate_invite",
    "delete_account",
    "export_of",
    "logout",
    "own_profile",
    "profile_of",
    "referrals",
    "refresh",
    "request_code",
    "user_page",
    "user_referrals",
    "verify_code",
]
