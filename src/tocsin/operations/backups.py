"""Backups: a copy of the whole store as it is, for whoever asks as operator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from tocsin.errors import Conflict
from tocsin.model.audit import Actor
from tocsin.model.ids import IdMint, Millis
from tocsin.model.noun import Noun
from tocsin.operations.auditing import audit_entry
from tocsin.ports import Copies, Directory, StoreCopy

TARGET: Final = "backup"
"""What an entry of the audit log is about: a backup has no id, it is not kept here."""


class BackupTaken(Noun, frozen=True, kw_only=True):
    """What the audit log tells of a backup."""

    size: int
    sha256: str


class Backups:
    """One at a time; each is told of in the audit log before it is given away."""

    def __init__(
        self, copies: Copies, directory: Directory, mint: IdMint, now_ms: Callable[[], Millis], *, reserve_bytes: int
    ) -> None:
        self._copies = copies
        self._directory = directory
        self._mint = mint
        self._now_ms = now_ms
        self._reserve_bytes = reserve_bytes
        self._busy = asyncio.Lock()

    async def make(self, by: Actor) -> StoreCopy:
        """The store as it is now. Raises Conflict while another one is made, StorageFull, StoreUnavailable."""
        if self._busy.locked():
            raise Conflict("Another backup is being made.")
        async with self._busy:
            copy = await self._copies.make(self._reserve_bytes)
        taken = BackupTaken(size=copy.size, sha256=copy.sha256.hex())
        try:
            entry = audit_entry(
                self._mint, self._now_ms(), by, "backup.taken", TARGET, tenant=None, before=None, after=taken
            )
            await self._directory.tell(entry)
        except BaseException:
            copy.file.close()
            raise
        return copy
