"""What happened, for one's own backend: written with it, fed in order, posted to webhooks."""

from users.events.delivery import deliver_due, deliver_forever, host_of
from users.events.feed import Happened, after, place, was_drawn
from users.events.recording import raise_alarm, record, recorded_with

__all__ = [
    "Happened",
    "after",
    "deliver_due",
    "deliver_forever",
    "host_of",
    "place",
    "raise_alarm",
    "record",
    "recorded_with",
    "was_drawn",
]
