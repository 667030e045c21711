"""Who is signed in to the web interface, and links that sign in: kept where every process finds them, and a restart too."""

from __future__ import annotations

from typing import Protocol

from tocsin.model.access import Caller
from tocsin.model.ids import KeyId, Millis
from tocsin.model.noun import Noun


class KeptSession(Noun, frozen=True, kw_only=True):
    """A session that has not ended, by an API key that lets its `caller` in. `is_by_link`: the key was made for it by a one-time link."""

    caller: Caller
    started_at: Millis
    seen_at: Millis
    is_by_link: bool


class SessionStore(Protocol):
    """Sessions and one-time links, by the SHA-256 of the token that only the browser has. Raises StoreUnavailable, StorageFull."""

    async def add(self, hashed: bytes, key_id: KeyId, now: Millis, over: Millis, *, is_by_link: bool) -> None:
        """Begin a session. Those not seen since `over`, and of this key all but the newest, end with that."""

    async def find(self, hashed: bytes, now: Millis) -> KeptSession | None:
        """None when there is no such session, or its key was revoked or has expired."""

    async def touch(self, hashed: bytes, now: Millis) -> None:
        """It was used."""

    async def end(self, hashed: bytes) -> None:
        """Nobody is signed in by it any more."""

    async def add_link(self, hashed: bytes, now: Millis, ends_at: Millis) -> None:
        """A link that is good once, until then. Those that are too old go."""

    async def take_link(self, hashed: bytes, now: Millis) -> bool:
        """Whether the link was good; it no longer is."""
