"""What the pipeline needs of the outside world: each method is one transaction (or one request), and all take many.

The ports carry a holder from the first day: on the embedded store there is one, and it is always this
process.
"""

from __future__ import annotations

from tocsin.ports.batching import Batches, BatchPage, Following, Formed
from tocsin.ports.reading import (
    AuditQuery,
    DeliveryQuery,
    DeliveryView,
    EndpointQuery,
    EventQuery,
    JobQuery,
    JobView,
    KeyQuery,
    Page,
    ReplayQuery,
    StatsView,
    Views,
)
from tocsin.ports.replaying import Candidates, Replays
from tocsin.ports.sealing import DataKeys, KeyRing, MasterKeys, MasterKeySource, WrappedKey
from tocsin.ports.templates import Cause, NoValue, Templates
from tocsin.ports.writing import (
    BEGINNING,
    Answers,
    Cursor,
    Directory,
    DuePage,
    Fanned,
    Holder,
    JobOver,
    Log,
    Place,
    Queue,
    SecretBox,
    Sender,
    StandingStore,
    StoredEndpoint,
    Waiting,
)

__all__ = [
    "BEGINNING",
    "Answers",
    "AuditQuery",
    "BatchPage",
    "Batches",
    "Candidates",
    "Cause",
    "Cursor",
    "DataKeys",
    "DeliveryQuery",
    "DeliveryView",
    "Directory",
    "DuePage",
    "EndpointQuery",
    "EventQuery",
    "Fanned",
    "Following",
    "Formed",
    "Holder",
    "JobOver",
    "JobQuery",
    "JobView",
    "KeyQuery",
    "KeyRing",
    "Log",
    "MasterKeySource",
    "MasterKeys",
    "NoValue",
    "Page",
    "Place",
    "Queue",
    "ReplayQuery",
    "Replays",
    "SecretBox",
    "Sender",
    "StandingStore",
    "StatsView",
    "StoredEndpoint",
    "Templates",
    "Views",
    "Waiting",
    "WrappedKey",
]
