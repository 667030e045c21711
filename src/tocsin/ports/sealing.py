"""The keys of secrets at rest: data keys in the store, each wrapped by a master key that the store never sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tocsin.model.audit import AuditEntry
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun


class WrappedKey(Noun, frozen=True, kw_only=True):
    """A data key as stored: `master_key` is the id of the master key that wraps it."""

    id: int
    master_key: str
    wrapped: bytes
    created_at: Millis


class DataKeys(Protocol):
    """The data keys of a store. They are added to and wrapped anew, never removed."""

    async def load(self) -> list[WrappedKey]:
        """All of them, the oldest first."""

    async def save(self, keys: Sequence[WrappedKey], entry: AuditEntry | None, *, over: Sequence[WrappedKey]) -> bool:
        """Add those that are new, replace what is stored of the others, and write the entry of the audit log: all in one
        transaction. False when what is stored is not `over` any more: somebody was quicker, and nothing was written."""


class MasterKeys(Protocol):
    """Master keys as they were given: the first one wraps, each opens."""

    @property
    def ids(self) -> tuple[str, ...]:
        """What each is called, the first one first. An id does not tell the key."""

    def wrap(self, data_key: bytes, context: str) -> bytes: ...

    def unwrap(self, master_key: str, wrapped: bytes, context: str) -> bytes | None:
        """The data key; None when the master key of that id is not among these. ValueError when it does not open."""


class MasterKeySource(Protocol):
    """Where the master keys are given. `is_file`: it can be read again while the server runs, and may say something else."""

    @property
    def is_file(self) -> bool: ...

    def read(self, *, may_make: bool) -> MasterKeys:
        """The master keys as they are given now. Where none is, one is made if it may be. Raises Misconfigured."""


class KeyRing(Protocol):
    """Whoever seals with the data keys."""

    def hold(self, data_keys: Mapping[int, bytes], *, sealing: int | None = None) -> None:
        """From now on seal with this one (None: the newest), open with each. The oldest one names secrets."""
