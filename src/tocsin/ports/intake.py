"""The replicated intake: submissions stand there, in order, until the store accepts them; and what the store knows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tocsin.errors import TocsinError
from tocsin.model.audit import AuditEntry
from tocsin.model.intake import Arrival, IntakeCursor, IntakeState, Receipt, Taking
from tocsin.model.submission import Accepted, Decide, Needs
from tocsin.ports.writing import Holder


class Arrivals(Protocol):
    """What is read of some partitions."""

    async def next(self) -> list[Arrival]:
        """What comes next, in order and without gaps; empty when nothing came for a second or so. Raises IntakeUnavailable: then it is to
        be read anew, from where the store is."""

    async def behind(self) -> int:
        """How much there is beyond what was read. Raises IntakeUnavailable."""

    async def close(self) -> None: ...


class Intake(Protocol):
    """The servers of the intake. Everything raises IntakeUnavailable when they cannot be reached or do not agree."""

    async def open(self) -> None:
        """Begin to connect, wait for it a moment, and go on doing so whatever happens, until `close`."""

    async def close(self) -> None: ...

    async def make(self) -> IntakeState:
        """Make it unless it is there."""

    async def state(self) -> IntakeState | None:
        """None when the servers are there, and the intake is not."""

    async def append(self, contents: Sequence[tuple[int, bytes]]) -> list[TocsinError | None]:
        """Put these (partition, content) behind what is there, in this order; None for what is kept by a majority. Tried again for some
        seconds, so that what was kept may be there twice."""

    async def read(self, after: Mapping[int, int]) -> Arrivals:
        """Whatever is behind these sequences, by partition."""

    async def drop(self, partition: int, upto: int) -> None:
        """Keep nothing of a partition up to and including this sequence."""

    async def tell(self, node: str, content: bytes) -> None:
        """Say something to another process, which may not hear it."""

    async def listen(self, node: str, heard: Callable[[bytes], None]) -> None:
        """Hear what is told to this process."""


class IntakeStore(Protocol):
    """How far the store has taken what the intake has, and what it remembers of it."""

    async def adopt(self, incarnation: str, partitions: int) -> None:
        """Take from this incarnation from now on, from its beginning, unless there is one already."""

    async def renew(self, incarnation: str, entry: AuditEntry) -> None:
        """Take from this one in place of the one that was adopted, from its beginning; numbers of nodes stay known. Nobody else has the
        store open meanwhile."""

    async def cursors(self) -> tuple[str | None, dict[int, IntakeCursor]]:
        """The incarnation (None: none was adopted) and how far each partition was accepted."""

    async def accept(
        self,
        holder: Holder,
        incarnation: str,
        takings: Sequence[tuple[Taking, Needs]],
        moves: Mapping[int, tuple[IntakeCursor, IntakeCursor]],
        decide: Decide,
    ) -> list[Accepted | TocsinError] | None:
        """Accept these, all in one transaction, and move the cursors of their partitions from one place to another with it; with it also
        receipts of what is late or refused, and notices of what was refused late. None when a cursor was elsewhere: nothing was written.
        One that the store cannot take is refused alone. Raises Fenced when the holder was, StoreUnavailable."""

    async def receipt(self, receipt_id: str, tenant: str | None) -> Receipt | None:
        """One that was written, seen by a tenant (None: the operator)."""

    async def remove_receipts(self, before: int, limit: int) -> int:
        """Those written before a time (ms), at most so many; gives how many."""
