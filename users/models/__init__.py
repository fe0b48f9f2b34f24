"""The tables, and behind every rule that two requests could race, a constraint."""

from users.models.challenges import LIVE_CHALLENGES, AddressFailure, Challenge, CodeFailure, GuardDecision
from users.models.events import Delivery, Event, GoneEndpoint
from users.models.messages import KEEP_MESSAGE, Message
from users.models.people import NO_PASSWORD, PhoneField, User
from users.models.referrals import Activation, InvitedNumber, InviteFailure, InviteOpening
from users.models.sessions import Session

__all__ = [
    "KEEP_MESSAGE",
    "LIVE_CHALLENGES",
    "NO_PASSWORD",
    "Activation",
    "AddressFailure",
    "Challenge",
    "CodeFailure",
    "Delivery",
    "Event",
    "GoneEndpoint",
    "GuardDecision",
    "InviteFailure",
    "InviteOpening",
    "InvitedNumber",
    "Message",
    "PhoneField",
    "Session",
    "User",
]
