"""Batches: what they need of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.model.batch import Batch, BatchClaim, BatchSettlement
from tocsin.model.delivery import Claim
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.ports.writing import Holder, Waiting


class BatchPage(Noun, frozen=True, kw_only=True):
    """Batches that are due now, and when the earliest of the others will be, if any."""

    claims: tuple[BatchClaim, ...]
    next_due_at: int | None


class Following(Noun, frozen=True, kw_only=True):
    """Deliveries that may go with others, in number order, and how many `more` there would be, as far as it was counted."""

    claims: tuple[Claim, ...]
    more: int


class Formed(Noun, frozen=True, kw_only=True):
    """A batch with the numbers of its members, in order; none: there is no such batch. `ready` became so by it."""

    batch: Batch
    members: tuple[int, ...]
    ready: tuple[Claim, ...] = ()


class Batches(Protocol):
    """Batches of deliveries. Members keep their order keys until their batch is through, also when they are cancelled."""

    async def following(self, numbers: Sequence[int], now: Millis, limit: int, limit_bytes: int) -> Following:
        """Deliveries that are due and wait, for the sake of order, for nobody but these ready ones and one another: the first
        so many in number order, or so many bytes of data. As many again are counted."""

    async def form(self, holder: Holder, batch: Batch, members: Sequence[int], left: Sequence[int]) -> Formed:
        """Store a batch (the store gives `number`) of those deliveries that are pending, in no batch, and wait for nobody but
        one another. What was cancelled of these and of those that are `left` over kept its order keys for the batch, and gives
        them up."""

    async def due(self, endpoint: int, lane: int, now: int, limit: int) -> BatchPage:
        """Batches of a lane that are due now and wait for no other, with their members."""

    async def settle(self, holder: Holder, settlement: BatchSettlement) -> tuple[list[BatchClaim], list[Claim]] | None:
        """Write the outcome and the attempt of a batch; gives the batches that can be sent because of it (children of a split,
        and what waited for it), and the deliveries that became ready; None when all of it was written before: then these are found
        in the store."""

    async def dissolve(self, holder: Holder, numbers: Sequence[int], now: Millis) -> list[Claim]:
        """There are no such batches any more, nor any that wait for them: what is pending of them may join another one, or go by
        itself. Gives the deliveries that became ready because others had ended."""

    async def pending(self, endpoint: int, lane: int, after: int, limit: int) -> list[int]:
        """The numbers of a lane's pending batches behind a number, in order."""

    async def waiting(self, partitions: Sequence[int]) -> list[Waiting]:
        """Every lane of these partitions' endpoints with a pending batch, due or not."""
