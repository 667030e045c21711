"""The live tail: what a watcher asks to be shown, and what there is to see."""

from __future__ import annotations

from typing import Literal

from tocsin.model.attempt import Attempt, Outcome
from tocsin.model.delivery import Claim, DeliveryState
from tocsin.model.event import Event
from tocsin.model.ids import BatchId, EndpointId, EventId
from tocsin.model.noun import Noun

Kind = Literal["event", "attempt"]


class AttemptMade(Noun, frozen=True, kw_only=True):
    """An attempt that is written down, and the deliveries it was made for: one, or all of a batch. `state` is what it makes of
    them, unless one was cancelled meanwhile. `endpoint_id` None: the endpoint was deleted meanwhile."""

    tenant: str
    endpoint_id: EndpointId | None
    batch_id: BatchId | None
    state: DeliveryState
    attempt: Attempt
    claims: tuple[Claim, ...]


Sight = Event | AttemptMade
"""What there is to see: an event that was accepted, or an attempt that was made."""


class Watch(Noun, frozen=True, kw_only=True):
    """What a watcher asks to be shown: what all that is not None holds for. `tenant` None: of all (the operator). `event_types`
    are globs, one of which suffices. `endpoint`, `state` and `outcome` hold for attempts only."""

    tenant: str | None
    kind: Kind | None = None
    event_types: tuple[str, ...] | None = None
    subject_type: str | None = None
    subject_id: str | None = None
    event: EventId | None = None
    job: str | None = None
    endpoint: EndpointId | None = None
    state: DeliveryState | None = None
    outcome: Outcome | None = None

    @property
    def has_events(self) -> bool:
        """Whether an event can be among what is shown."""
        return self.kind != "attempt" and self.endpoint is None and self.state is None and self.outcome is None

    @property
    def has_attempts(self) -> bool:
        """Whether an attempt can be."""
        return self.kind != "event"
