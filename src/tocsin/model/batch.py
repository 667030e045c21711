"""A batch: several deliveries of one endpoint in one request. Its members are fixed before it is first sent."""

from __future__ import annotations

from typing import Literal

from tocsin.model.attempt import Attempt
from tocsin.model.delivery import Claim, Delivery
from tocsin.model.ids import BatchId, DeliveryId, Millis
from tocsin.model.noun import Noun

BatchState = Literal["pending", "delivered", "dead", "split"]


class Batch(Noun, frozen=True, kw_only=True):
    """`step`, `at_once` and `attempts` as of a delivery; attempts count on through a split. Time in ms."""

    number: int
    id: BatchId
    tenant: str
    endpoint: int
    lane: int
    step: int = 0
    at_once: int = 0
    attempts: int = 0
    created_at: Millis

    def as_delivery(self) -> Delivery:
        """What the rules for a single delivery judge: a batch is retried and given up on as one."""
        return Delivery(
            number=self.number,
            id=DeliveryId(self.id),
            tenant=self.tenant,
            endpoint=self.endpoint,
            lane=self.lane,
            created_at=self.created_at,
            step=self.step,
            attempts=self.attempts,
            at_once=self.at_once,
        )


class BatchClaim(Noun, frozen=True, kw_only=True):
    """A batch that is to be sent, with its members in order."""

    batch: Batch
    members: tuple[Claim, ...]


class Part(Noun, frozen=True, kw_only=True):
    """A child batch that a split makes: deliveries by number. `waits` for the part before it, for the sake of order."""

    id: BatchId
    members: tuple[int, ...]
    waits: bool = False


class BatchSettlement(Noun, frozen=True, kw_only=True):
    """What the store is to write after the exchange of a batch: `parts` for a split, which are due at once with the schedule
    step `schedule_step`. A batch that is `split` without parts is dissolved: its members go on by themselves. Times in ms."""

    batch: Batch
    state: BatchState
    reason: str | None
    due_at: Millis
    schedule_step: int
    at_once: int
    attempt: Attempt
    settled_at: Millis
    parts: tuple[Part, ...] = ()
