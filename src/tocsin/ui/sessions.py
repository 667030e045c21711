"""Who is signed in: sessions in memory, found by the hash of a token that only the browser has, bound to an API key."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tocsin.model.access import Caller
from tocsin.model.ids import Millis

IDLE_MS: Final = 8 * 3600 * 1000
ABSOLUTE_MS: Final = 24 * 3600 * 1000
MAX_SESSIONS: Final = 4096
MAX_TOASTS: Final = 8
TOKEN_BYTES: Final = 32
CallerByHash = Callable[[bytes], Caller | None]
"""Whoever holds the API key with this SHA-256; None when it lets nobody in."""


class Session:
    """One browser that is signed in. `csrf` is in each of its forms; `toasts` are shown with the next page, once."""

    __slots__ = ("caller", "csrf", "is_ended", "key_hash", "last_seen", "started", "toasts")

    def __init__(self, caller: Caller, key_hash: bytes, now: Millis) -> None:
        self.caller = caller
        self.key_hash = key_hash
        self.csrf = secrets.token_urlsafe(TOKEN_BYTES)
        self.started = self.last_seen = now
        self.toasts: list[str] = []
        self.is_ended = False

    def tell(self, toast: str) -> None:
        """Show a line with the next page."""
        self.toasts.append(toast)
        del self.toasts[:-MAX_TOASTS]

    def take_toasts(self) -> tuple[str, ...]:
        """What is to be told, and not again."""
        toasts, self.toasts = tuple(self.toasts), []
        return toasts

    def is_over(self, now: Millis) -> bool:
        """Whether it was idle for too long, or has lasted for too long."""
        return now - self.last_seen >= IDLE_MS or now - self.started >= ABSOLUTE_MS


class Sessions:
    """The sessions of this server, the one used last at the end; a restart ends all of them."""

    __slots__ = ("_by_hash", "_caller_by_hash", "_now_ms")

    def __init__(self, caller_by_hash: CallerByHash, now_ms: Callable[[], Millis]) -> None:
        self._caller_by_hash = caller_by_hash
        self._now_ms = now_ms
        self._by_hash: OrderedDict[bytes, Session] = OrderedDict()

    def start(self, key: str) -> str | None:
        """Sign in by an API key: the token of a new session, None when the key lets nobody in."""
        hashed = hash_of(key)
        caller = self._caller_by_hash(hashed)
        if caller is None:
            return None
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._by_hash[hash_of(token)] = Session(caller, hashed, self._now_ms())
        if len(self._by_hash) > MAX_SESSIONS:
            self._by_hash.popitem(last=False)
        return token

    def find(self, token: str, *, by_itself: bool = False) -> Session | None:
        """The session of this token; None when there is none, it is over, or its API key lets nobody in any more. A page that
        asks `by_itself` does not keep it from being idle."""
        hashed = hash_of(token)
        session = self._by_hash.get(hashed)
        if session is None:
            return None
        now = self._now_ms()
        caller = None if session.is_over(now) else self._caller_by_hash(session.key_hash)
        if caller is None:
            del self._by_hash[hashed]
            return None
        session.caller = caller
        if not by_itself:
            session.last_seen = now
            self._by_hash.move_to_end(hashed)
        return session

    def end(self, token: str) -> None:
        """Sign out."""
        session = self._by_hash.pop(hash_of(token), None)
        if session is not None:
            session.is_ended = True


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
