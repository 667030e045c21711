"""How endpoints stand, where several processes share a store: what others have written, and what they wish of an endpoint's holder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.model.audit import AuditEntry
from tocsin.model.consent import Consent
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.noun import Noun


class Wish(Noun, frozen=True, kw_only=True):
    """What came to another process, and is for the holder of an endpoint to do: take what its receiver said (`consent`), or send
    to it again whatever it was paused for (None)."""

    endpoint: int
    consent: Consent | None = None


class StandingsMoved(Noun, frozen=True, kw_only=True):
    """What was written of standings since a revision, and every wish that nobody has fulfilled yet, each with its number."""

    revision: int
    standings: tuple[Standing, ...]
    wishes: tuple[tuple[int, Wish], ...]


class SharedStandings(Protocol):
    """Only a store that several processes have open has these. Raises StoreUnavailable, StorageFull."""

    async def since(self, revision: int) -> StandingsMoved:
        """What moved after a revision of the standings; after 0, everything."""

    async def wish(self, wish: Wish, entry: AuditEntry | None = None) -> None:
        """Kept until it is fulfilled, together with its entry in the audit log; a newer one of its kind replaces it."""

    async def fulfil(self, numbers: Sequence[int]) -> None:
        """These are done; one that was replaced meanwhile stays."""


class Elsewhere(Protocol):
    """Other processes, which hold endpoints. Raises StoreUnavailable, StorageFull."""

    def holds(self, endpoint: Endpoint) -> bool:
        """Whether this process does."""

    async def refresh(self) -> None:
        """See how endpoints stand now."""

    async def wish(self, wish: Wish, standing: Standing, entry: AuditEntry | None = None) -> None:
        """Have the holder do it, so that the endpoint comes to stand so."""
