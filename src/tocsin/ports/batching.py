"""Batches: what they need of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.model.batch import Batch, BatchClaim, BatchSettlement
from tocsin.model.delivery import Claim
from tocsin.model.noun import Noun
from tocsin.ports.writing import Holder, Waiting


class BatchPage(Noun, frozen=True, kw_only=True):
    """Batches that are due now, and when the earliest of the others will be, if any."""

    claims: tuple[BatchClaim, ...]
    next_due_at: int | None


class Batches(Protocol):
    """Batches of deliveries."""

    async def form(self, holder: Holder, batch: Batch, members: Sequence[int]) -> tuple[Batch, tuple[int, ...]]:
        """Store a batch (the store gives `number`) of those deliveries that are still ready; gives which these are."""

    async def due(self, holder: Holder, endpoint: int, lane: int, now: int, limit: int) -> BatchPage:
        """Batches of a lane that are due now, with their members."""

    async def settle(self, holder: Holder, settlement: BatchSettlement) -> tuple[list[BatchClaim], list[Claim]]:
        """Write the outcome and the attempt of a batch; gives the children of a split, and the deliveries that became ready."""

    async def close(self, batch: Batch, now: int) -> None:
        """Nothing is to be sent of it any more: its members were settled one by one."""

    async def waiting(self, holder: Holder) -> list[Waiting]:
        """Every lane with a pending batch, due or not."""
