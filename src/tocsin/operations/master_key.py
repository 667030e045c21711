"""The master key: it opens the data keys at start, and may be changed for another one while the server runs.

Secrets are sealed with data keys, and those are kept wrapped by a master key. So a change of the master key touches a
few rows in one transaction, whatever the number of secrets; at any moment the stored keys are wrapped by the old one or the new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.errors import Conflict, Misconfigured
from tocsin.model.audit import SERVER, Actor
from tocsin.model.ids import IdMint, Millis
from tocsin.model.noun import Noun
from tocsin.operations.auditing import audit_entry
from tocsin.ports import DataKeys, KeyRing, MasterKeys, MasterKeySource, WrappedKey

DATA_KEY_BYTES: Final = 32


class Rewrapped(Noun, frozen=True, kw_only=True):
    """What a re-wrap did. Keys are named by their ids: `master_key` wraps all data keys now, `replaced` wrapped some before,
    `not_needed` are given but wrap nothing. `data_keys` counts them; `newest_data_key` seals new values."""

    master_key: str
    replaced: tuple[str, ...]
    not_needed: tuple[str, ...]
    data_keys: int
    newest_data_key: int


class MasterKey:
    """The master key of this server. `entropy` gives n random bytes; `ring` gets the data keys."""

    __slots__ = ("_busy", "_entropy", "_given", "_mint", "_now_ms", "_ring", "_source", "_store")

    def __init__(
        self,
        store: DataKeys,
        source: MasterKeySource,
        ring: KeyRing,
        *,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._source = source
        self._ring = ring
        self._mint = mint
        self._now_ms = now_ms
        self._entropy = entropy
        self._given: tuple[MasterKeys, ...] = ()
        self._busy = asyncio.Lock()

    async def open(self) -> None:
        """Open the data keys, or make the first one. Those that another of the given master keys wraps are re-wrapped by the
        first. Raises Misconfigured when the master key is not the right one, or not there."""
        stored = await self._store.load()
        given = self._source.read(may_make=not stored)
        data_keys = self._opened(stored, (given,))
        if not stored:
            data_keys[1] = self._entropy(DATA_KEY_BYTES)
            await self._store.save(self._wrapped(data_keys, given), None)
        elif any(key.master_key != given.ids[0] for key in stored):
            await self._save(stored, data_keys, given, SERVER)
        self._given = (given,)
        self._ring.hold(data_keys)

    async def rewrap(self, by: Actor) -> Rewrapped:
        """Read the master key's file again, make a new data key for new values, and wrap all data keys by the first key in the
        file. The key that was first before may be missing there. Raises Conflict when the file cannot be used, or there is
        none: then nothing has changed."""
        if not self._source.is_file:
            raise Conflict(
                "The master key is given as a value, not as a file that could be read again. Put the new key before the old "
                "one there and restart the server: it re-wraps when it starts."
            )
        async with self._busy:
            try:
                given = await asyncio.to_thread(self._source.read, may_make=False)
                stored = await self._store.load()
                data_keys = self._opened(stored, (given, *self._given))
            except Misconfigured as error:
                raise Conflict(error.detail) from error
            newest = max(data_keys) + 1
            data_keys[newest] = self._entropy(DATA_KEY_BYTES)
            replaced = await self._save(stored, data_keys, given, by)
            self._given = (given,)
            self._ring.hold(data_keys)
        return Rewrapped(
            master_key=given.ids[0],
            replaced=replaced,
            not_needed=given.ids[1:],
            data_keys=len(data_keys),
            newest_data_key=newest,
        )

    async def _save(
        self, stored: Sequence[WrappedKey], data_keys: dict[int, bytes], given: MasterKeys, by: Actor
    ) -> tuple[str, ...]:
        """Store all data keys wrapped by the first master key; gives the ids of those that wrapped them before."""
        first = given.ids[0]
        before = tuple(dict.fromkeys(key.master_key for key in stored))
        entry = audit_entry(
            self._mint,
            self._now_ms(),
            by,
            "master_key.rewrapped",
            first,
            tenant=None,
            before={"master_keys": before, "data_keys": len(stored)},
            after={"master_keys": (first,), "data_keys": len(data_keys)},
        )
        await self._store.save(self._wrapped(data_keys, given), entry)
        return tuple(name for name in before if name != first)

    def _wrapped(self, data_keys: dict[int, bytes], given: MasterKeys) -> list[WrappedKey]:
        """`created_at` counts for those that are not stored yet."""
        now = self._now_ms()
        return [
            WrappedKey(id=number, master_key=given.ids[0], wrapped=given.wrap(key, _context(number)), created_at=now)
            for number, key in data_keys.items()
        ]

    def _opened(self, stored: Sequence[WrappedKey], given: Sequence[MasterKeys]) -> dict[int, bytes]:
        return {key.id: _unwrapped(key, given) for key in stored}


def _unwrapped(key: WrappedKey, given: Sequence[MasterKeys]) -> bytes:
    context = _context(key.id)
    for keys in given:
        try:
            data_key = keys.unwrap(key.master_key, key.wrapped, context)
        except ValueError as error:
            raise Misconfigured(
                f"Data key {key.id} in the database is damaged: its master key does not open it."
            ) from error
        if data_key is not None:
            return data_key
    named = ", ".join(name for keys in given[:1] for name in keys.ids)
    raise Misconfigured(
        f"The secrets in this database are sealed with master key {key.master_key}, which was not given (given: {named}). "
        "Nothing was changed."
    )


def _context(number: int) -> str:
    return f"data key {number}"
