"""The master key: it opens the data keys at start, and may be changed for another one while the server runs.

Secrets are sealed with data keys, and those are kept wrapped by a master key. So a change of the master key touches a
few rows in one transaction, whatever the number of secrets; at any moment the stored keys are wrapped by the old one or the new.
Where several servers share a database, a new data key seals only once the others have had time to open it as well.
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
from tocsin.telemetry import log

DATA_KEY_BYTES: Final = 32
_TRIES: Final = 5
"""Against others that are quicker."""


class Rewrapped(Noun, frozen=True, kw_only=True):
    """What a re-wrap did. Keys are named by their ids: `master_key` wraps all data keys now, `replaced` wrapped some before,
    `not_needed` are given but wrap nothing. `data_keys` counts them; `newest_data_key` seals new values,
    with several servers on the database some seconds later."""

    master_key: str
    replaced: tuple[str, ...]
    not_needed: tuple[str, ...]
    data_keys: int
    newest_data_key: int


class MasterKey:
    """The master key of this server. `entropy` gives n random bytes; `ring` gets the data keys. `spread_seconds`: how long it may
    take until the other servers have seen a new one. `told` is called when there is one."""

    __slots__ = (
        "_busy",
        "_data_keys",
        "_entropy",
        "_given",
        "_mint",
        "_now_ms",
        "_ring",
        "_sealing",
        "_source",
        "_spread_seconds",
        "_store",
        "problem",
        "told",
    )

    def __init__(
        self,
        store: DataKeys,
        source: MasterKeySource,
        ring: KeyRing,
        *,
        mint: IdMint,
        now_ms: Callable[[], Millis],
        entropy: Callable[[int], bytes],
        spread_seconds: float = 0.0,
    ) -> None:
        self.told: Callable[[], None] = _nothing
        self.problem: str | None = None
        """Why a data key that another server made cannot be opened here."""
        self._spread_seconds = spread_seconds
        self._data_keys: dict[int, bytes] = {}
        self._sealing = 0
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
        for _ in range(_TRIES):
            stored = await self._store.load()
            given = self._source.read(may_make=not stored)
            data_keys = self._opened(stored, (given,))
            if not stored:
                data_keys[1] = self._entropy(DATA_KEY_BYTES)
                is_saved = await self._store.save(self._wrapped(data_keys, given), None, over=stored)
            elif any(key.master_key != given.ids[0] for key in stored):
                is_saved = await self._save(stored, data_keys, given, SERVER) is not None
            else:
                is_saved = True
            if is_saved:
                self._given, self._data_keys = (given,), data_keys
                self._seal_with(max(data_keys))
                return
        raise Misconfigured("Other servers keep changing the data keys in the database. Start this one again.")

    async def follow(self) -> None:
        """Another server may have made a data key. Raises StoreUnavailable."""
        async with self._busy:
            stored = await self._store.load()
            unknown = [key for key in stored if key.id not in self._data_keys]
            self.problem = None
            try:
                given = await asyncio.to_thread(self._source.read, may_make=False) if unknown else None
                added = self._opened(unknown, (*([given] if given else []), *self._given))
            except Misconfigured as error:
                self.problem = error.detail
                log.error("master_key.not_followed", problem=error.detail)
                return
            if added:
                self._hold({**self._data_keys, **added})

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
            if replaced is None:
                raise Conflict("Another server changes the data keys at the moment. Try again.")
            self._given = (given,)
            self._hold(data_keys)
        self.told()
        return Rewrapped(
            master_key=given.ids[0],
            replaced=replaced,
            not_needed=given.ids[1:],
            data_keys=len(data_keys),
            newest_data_key=newest,
        )

    async def _save(
        self, stored: Sequence[WrappedKey], data_keys: dict[int, bytes], given: MasterKeys, by: Actor
    ) -> tuple[str, ...] | None:
        """Store all data keys wrapped by the first master key; gives the ids of those that wrapped them before, None when
        somebody was quicker."""
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
        if not await self._store.save(self._wrapped(data_keys, given), entry, over=stored):
            return None
        return tuple(name for name in before if name != first)

    def _wrapped(self, data_keys: dict[int, bytes], given: MasterKeys) -> list[WrappedKey]:
        """`created_at` counts for those that are not stored yet."""
        now = self._now_ms()
        return [
            WrappedKey(id=number, master_key=given.ids[0], wrapped=given.wrap(key, _context(number)), created_at=now)
            for number, key in data_keys.items()
        ]

    def _hold(self, data_keys: dict[int, bytes]) -> None:
        """Open with all of them at once; seal with a new one when the others can open it too."""
        known, self._data_keys = self._data_keys, data_keys
        newest = max(data_keys)
        if not self._spread_seconds:
            self._seal_with(newest)
            return
        self._seal_with(self._sealing)
        if newest not in known:
            asyncio.get_running_loop().call_later(self._spread_seconds, self._seal_with, newest)

    def _seal_with(self, number: int) -> None:
        self._sealing = number
        self._ring.hold(self._data_keys, sealing=number)

    def _opened(self, stored: Sequence[WrappedKey], given: Sequence[MasterKeys]) -> dict[int, bytes]:
        return {key.id: _unwrapped(key, given) for key in stored}


def _nothing() -> None:
    """Nobody else is to be told."""


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
