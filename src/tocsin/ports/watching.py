"""What other processes on the same store have settled, for those who watch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.model.watch import AttemptMade


class WatchedStore(Protocol):
    """Only a store that several processes have open has it. Raises StoreUnavailable."""

    async def made(self, settled: Sequence[tuple[int, int]]) -> list[AttemptMade]:
        """The attempts of these names that are still kept, those of deliveries first. A name is the number of a delivery and of its
        attempt; a batch is named by its number below zero."""
