"""Who is signed in: sessions in the store, found by the hash of a token that only the browser has, bound to an API key."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

import msgspec

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.access import Caller
from tocsin.model.ids import KeyId, Millis
from tocsin.model.noun import Noun
from tocsin.ports import KeptSession, SessionStore
from tocsin.telemetry import log
from tocsin.ui.toasts import Toasts

IDLE_MS: Final = 8 * 3600 * 1000
ABSOLUTE_MS: Final = 24 * 3600 * 1000
TOUCH_MS: Final = 60_000
"""How often it is stored that a session is used."""
FRESH_SECONDS: Final = 1.0
"""For how long what was read of a session is taken for true: so long after it ended elsewhere it may still be good."""
MAX_KNOWN: Final = 4096
TOKEN_BYTES: Final = 32


class SessionKeys(Protocol):
    """The API keys that sessions are bound to."""

    def caller_by_hash(self, hashed: bytes) -> Caller | None:
        """Whoever holds the key with this SHA-256; None when it lets nobody in."""

    def caller_by_id(self, key_id: KeyId) -> Caller | None:
        """Whoever holds the key; None when it lets nobody in, or is not known here yet."""

    async def follow(self) -> None:
        """Read all keys anew. Raises StoreUnavailable."""


class Session:
    """One browser that is signed in, for one request. `csrf` is in each of its forms, `secret` seals what comes back in them; both
    come of the token, so that nothing is kept for them."""

    __slots__ = ("caller", "csrf", "is_by_link", "secret", "toasts")

    def __init__(self, token: str, kept: KeptSession, toasts: str = "") -> None:
        self.caller = kept.caller
        self.is_by_link = kept.is_by_link
        self.csrf = _derived(token, b"form")
        self.secret = _derived(token, b"typed")
        self.toasts = Toasts(_derived(token, b"toasts"), toasts)


class _Known(Noun, frozen=True, kw_only=True):
    """What was read of a session, `at` on a clock that only goes on. `stored_at`: the last use that is in the store."""

    kept: KeptSession
    at: float
    stored_at: Millis

    def is_over(self, now: Millis) -> bool:
        """Whether it was idle for too long, or has lasted for too long."""
        return now - self.kept.seen_at >= IDLE_MS or now - self.kept.started_at >= ABSOLUTE_MS


class Sessions:
    """The sessions of all servers on this database; what was read of one is remembered for a moment."""

    __slots__ = ("_background", "_keys", "_known", "_now_ms", "_store")

    def __init__(self, store: SessionStore, keys: SessionKeys, now_ms: Callable[[], Millis]) -> None:
        self._store = store
        self._keys = keys
        self._now_ms = now_ms
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._background: set[asyncio.Task[None]] = set()

    async def start(self, key: str, *, is_by_link: bool = False) -> str | None:
        """Sign in by an API key: the token of a new session, None when the key lets nobody in. Raises StoreUnavailable, StorageFull."""
        caller = self._keys.caller_by_hash(hash_of(key))
        if caller is None:
            return None
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = self._now_ms()
        await self._store.add(hash_of(token), caller.key_id, now, now - IDLE_MS, is_by_link=is_by_link)
        return token

    async def find(self, token: str, *, by_itself: bool = False, toasts: str = "") -> Session | None:
        """The session of this token; None when there is none, it is over, or its API key lets nobody in any more. A page that
        asks `by_itself` does not keep it from being idle. Raises StoreUnavailable where it was not in use a moment ago."""
        hashed, now = hash_of(token), self._now_ms()
        known = self._known.get(hashed)
        if known is None or not self._is_fresh(known):
            known = await self._read(hashed, known, now)
        if known is None or known.is_over(now):
            self._known.pop(hashed, None)
            return None
        if not by_itself:
            known = self._used(hashed, known, now)
        self._known[hashed] = known
        self._known.move_to_end(hashed)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return Session(token, known.kept, toasts)

    async def end(self, token: str) -> None:
        """Sign out. Raises StoreUnavailable, StorageFull: then it may go on elsewhere."""
        hashed = hash_of(token)
        self._known.pop(hashed, None)
        await self._store.end(hashed)
        self._known.pop(hashed, None)

    def _is_fresh(self, known: _Known) -> bool:
        """A key that was revoked here, or is not known here yet, has the store asked."""
        is_new = monotonic() - known.at < FRESH_SECONDS
        return self._keys.caller_by_id(known.kept.caller.key_id) is not None and is_new

    async def _read(self, hashed: bytes, known: _Known | None, now: Millis) -> _Known | None:
        at = monotonic()
        try:
            kept = await self._store.find(hashed, now)
            if kept is not None and self._keys.caller_by_id(kept.caller.key_id) is None:
                await self._keys.follow()
        except StoreUnavailable:
            if known is not None and self._keys.caller_by_id(known.kept.caller.key_id) is not None:
                return known
            raise
        if kept is None:
            return None
        if known is not None and known.kept.seen_at > kept.seen_at:
            return _Known(
                kept=msgspec.structs.replace(kept, seen_at=known.kept.seen_at), at=at, stored_at=known.stored_at
            )
        return _Known(kept=kept, at=at, stored_at=kept.seen_at)

    def _used(self, hashed: bytes, known: _Known, now: Millis) -> _Known:
        """It is used now; that is stored now and then, and no page waits for it."""
        stored_at = known.stored_at
        if now - stored_at >= TOUCH_MS:
            stored_at = now
            task = asyncio.get_running_loop().create_task(self._touch(hashed, now), name="session")
            self._background.add(task)
            task.add_done_callback(self._background.discard)
        return _Known(kept=msgspec.structs.replace(known.kept, seen_at=now), at=known.at, stored_at=stored_at)

    async def _touch(self, hashed: bytes, now: Millis) -> None:
        try:
            await self._store.touch(hashed, now)
        except (StoreUnavailable, StorageFull) as error:
            log.warning("session.not_touched", problem=error.slug)


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _derived(token: str, purpose: bytes) -> str:
    return hmac.digest(token.encode("utf-8", "surrogatepass"), b"tocsin " + purpose, "sha256").hex()
