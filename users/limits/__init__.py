"""Who may send, guess and look."""

from users.limits.sending import Admission, admit_fixed, admit_send, open_challenge, take_back, wait_before_send
from users.limits.table import ADMINS, FIXED, INVITES, LENGTHS, SENDS, SERVICES, STEPS, TRIES, VISITS, rows_are_kept
from users.limits.trying import ASKED_SECONDS, locked_phones, try_code
from users.limits.visiting import (
    admitted_invite,
    admitted_visitor,
    count_admin_attempt,
    count_service_failure,
    forgive,
    record_invite_failure,
    record_visitor_failure,
)

__all__ = [
    "ADMINS",
    "ASKED_SECONDS",
    "FIXED",
    "INVITES",
    "LENGTHS",
    "SENDS",
    "SERVICES",
    "STEPS",
    "TRIES",
    "VISITS",
    "Admission",
    "admit_fixed",
    "admit_send",
    "admitted_invite",
    "admitted_visitor",
    "count_admin_attempt",
    "count_service_failure",
    "forgive",
    "locked_phones",
    "open_challenge",
    "record_invite_failure",
    "record_visitor_failure",
    "rows_are_kept",
    "take_back",
    "try_code",
    "wait_before_send",
]
