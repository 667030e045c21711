"""Ways in beside a typed key: one-time links, kept in the store by their hash; and how many wrong guesses an address has."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tocsin.model.ids import Millis
from tocsin.ports import SessionStore
from tocsin.ui.sessions import TOKEN_BYTES, hash_of

LINK_MS: Final = 15 * 60 * 1000
GUESSES: Final = 10
GUESS_WINDOW_MS: Final = 60_000
MAX_ADDRESSES: Final = 1024


class Links:
    """One-time links: each opens one session, within a quarter of an hour. Raises StoreUnavailable, StorageFull."""

    __slots__ = ("_now_ms", "_store")

    def __init__(self, store: SessionStore, now_ms: Callable[[], Millis]) -> None:
        self._store = store
        self._now_ms = now_ms

    async def make(self) -> str:
        """A new token for `/ui/sign-in?link=`."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = self._now_ms()
        await self._store.add_link(hash_of(token), now, now + LINK_MS)
        return token

    async def take(self, token: str) -> bool:
        """Whether the link was good; it no longer is."""
        return await self._store.take_link(hash_of(token), self._now_ms())


class Guesses:
    """Wrong keys and links by address, of the last minute; the oldest address is forgotten when there are too many."""

    __slots__ = ("_by_address", "_now_ms")

    def __init__(self, now_ms: Callable[[], Millis]) -> None:
        self._now_ms = now_ms
        self._by_address: OrderedDict[str, list[Millis]] = OrderedDict()

    def wait_seconds(self, address: str) -> int:
        """How long this address has to wait before it may guess again; 0: not at all."""
        recent = self._recent(address)
        return 0 if len(recent) < GUESSES else (recent[0] + GUESS_WINDOW_MS - self._now_ms()) // 1000 + 1

    def count(self, address: str) -> None:
        """A wrong guess."""
        self._by_address[address] = [*self._recent(address), self._now_ms()][-GUESSES:]
        self._by_address.move_to_end(address)
        if len(self._by_address) > MAX_ADDRESSES:
            self._by_address.popitem(last=False)

    def _recent(self, address: str) -> list[Millis]:
        since = self._now_ms() - GUESS_WINDOW_MS
        return [at for at in self._by_address.get(address, ()) if at > since]
