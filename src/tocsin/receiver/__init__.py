"""A kit for receivers: verify what arrives, drop what arrived before, and a small real server to try it with.

Standard library only, and nothing of the server: what is here may be used or copied by any receiver.
"""

from tocsin.receiver.arrival import Arrival, Reading, reading_of
from tocsin.receiver.inbox import Inbox
from tocsin.receiver.server import Receiver
from tocsin.receiver.verify import Hmac, NotVerified, StandardWebhooks, Verifier

__all__ = [
    "Arrival",
    "Hmac",
    "Inbox",
    "NotVerified",
    "Reading",
    "Receiver",
    "StandardWebhooks",
    "Verifier",
    "reading_of",
]
