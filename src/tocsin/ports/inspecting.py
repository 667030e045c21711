"""What is asked of a store about itself: its facts, whether it is whole, and a copy of it."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from tocsin.model.ids import Millis
from tocsin.model.noun import Noun


class SharedFacts(Noun, frozen=True, kw_only=True):
    """What a server of databases tells of itself. `transaction_seconds`: how long the longest transaction has been going on in this
    database; `transactions_behind`: how many were begun since the oldest whose rows are not frozen; `eras`: partitions by time of events,
    deliveries and attempts. A role that may not see others' sessions sees less."""

    connections: int
    most_connections: int
    is_durable: bool
    has_checksums: bool
    checksum_failures: int
    replicas: int
    transaction_seconds: float
    transactions_behind: int
    live_rows: int
    dead_rows: int
    eras: int


class StoreFacts(Noun, frozen=True, kw_only=True):
    """A store at one moment; sizes in bytes. `unused_bytes` of the file are free to be used again; `free_bytes` are left on the
    disk (None: nobody can tell). `migration` is the newest one that was applied, `newest_migration` the newest that this version knows, `oldest_migration` the one that a version must know at least. `commits` were
    made by this process for `parts` pieces of work (each a commit group, or one change), and took `commit_seconds` in all."""

    engine: str
    place: str
    filesystem: str | None
    file_bytes: int
    unused_bytes: int
    wal_bytes: int
    free_bytes: int | None
    migration: int
    newest_migration: int
    oldest_migration: int
    position: int
    last_accepted_at: Millis | None
    commits: int = 0
    parts: int = 0
    commit_seconds: float = 0.0
    shared: SharedFacts | None = None


class Inspection(Protocol):
    """Looking at the store while it is used."""

    async def facts(self) -> StoreFacts: ...

    async def faults(self) -> list[str]:
        """What is wrong with the file, read as a whole: takes as long as that. Empty when nothing is."""


class StoreCopy(Noun, frozen=True, kw_only=True):
    """A consistent copy, checked; `file` is open for reading and has no name any more, so that it goes when it is closed."""

    file: BinaryIO
    size: int
    sha256: bytes


class Copies(Protocol):
    """Copies of the store as it was at one moment."""

    async def make(self, reserve_bytes: int) -> StoreCopy:
        """While everything goes on. Raises StorageFull when it would take from the reserve, and StoreUnavailable."""
