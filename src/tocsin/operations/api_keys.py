"""API keys: made, found, revoked. The table in memory answers every request; the store keeps only hashes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from tocsin.errors import Conflict, InvalidRequest, Misconfigured, NotFound
from tocsin.model.access import ApiKey, Caller, Role
from tocsin.model.audit import SERVER, Actor
from tocsin.model.ids import IdMint, KeyId, Millis
from tocsin.model.noun import Noun
from tocsin.operations.auditing import audit_entry
from tocsin.operations.documents import key_shown
from tocsin.ports import Directory

KEY_PREFIX: Final = "tok_"
MIN_GIVEN_LENGTH: Final = 16
KEYS_AT_ONCE: Final = 256
"""Keys put into the table before others get a turn."""
_LAST: Final = "This is the last operator key that is valid. Make another one first."


class NewKey(Noun, frozen=True, kw_only=True):
    """A key just made; `value` is never shown again."""

    key: ApiKey
    value: str


class _Known(Noun, frozen=True, kw_only=True):
    """A key that was not revoked, and whoever holds it."""

    key: ApiKey
    caller: Caller

    def is_valid(self, now: Millis) -> bool:
        return self.key.expires_at is None or now < self.key.expires_at


class ApiKeys:
    """The keys of all servers on this database. `entropy` gives n random bytes, `now_ms` the time; `told` is called when a key was
    made or revoked.

    A key is looked up by the SHA-256 of its value. How long that takes tells nothing of a key that is stored: whoever
    guesses does not choose the hash of the guess.
    """

    __slots__ = (
        "_by_hash",
        "_changes",
        "_directory",
        "_entropy",
        "_hashes",
        "_mint",
        "_now_ms",
        "_reading",
        "_revoked",
        "_used",
        "is_store_away",
        "told",
    )

    def __init__(
        self, directory: Directory, *, mint: IdMint, now_ms: Callable[[], int], entropy: Callable[[int], bytes]
    ) -> None:
        self.told: Callable[[], None] = _nothing
        self._directory = directory
        self._mint = mint
        self._now_ms = now_ms
        self._entropy = entropy
        self._by_hash: dict[bytes, _Known] = {}
        self._hashes: dict[KeyId, bytes] = {}
        self._used: dict[KeyId, Millis] = {}
        self._revoked: set[KeyId] = set()
        self._changes = 0
        self._reading = asyncio.Lock()
        self.is_store_away: Callable[[], bool] = lambda: False
        """Whether there may be keys that cannot be looked up at the moment."""

    async def follow(self) -> None:
        """Fill the table from the store: others may have made keys, or revoked some. Raises StoreUnavailable."""
        async with self._reading:
            while True:
                changes = self._changes
                by_hash: dict[bytes, _Known] = {}
                hashes: dict[KeyId, bytes] = {}
                for number, key in enumerate(await self._directory.keys(), 1):
                    if key.id not in self._revoked:
                        by_hash[key.hash] = _known(key)
                        hashes[key.id] = key.hash
                    if not number % KEYS_AT_ONCE:
                        await asyncio.sleep(0)
                if changes == self._changes:
                    self._by_hash, self._hashes = by_hash, hashes
                    return

    def caller_by_hash(self, hashed: bytes) -> Caller | None:
        """Whoever holds the key with this SHA-256; None when it is unknown, expired or revoked."""
        known = self._by_hash.get(hashed)
        if known is None:
            return None
        now = self._now_ms()
        if not known.is_valid(now):
            return None
        self._used[known.key.id] = now
        return known.caller

    def caller_by_id(self, key_id: KeyId) -> Caller | None:
        """Whoever holds the key; None when it is unknown, expired or revoked."""
        return self.caller_by_hash(self._hashes.get(key_id, b""))

    def may_exist(self, hashed: bytes) -> bool:
        """Whether nobody can say at the moment that there is no key with this SHA-256."""
        return hashed not in self._by_hash and self.is_store_away()

    def opens(self, key_id: KeyId) -> bool:
        """Whether a key that let somebody in still would: it was not revoked and has not expired."""
        known = self._by_hash.get(self._hashes.get(key_id, b""))
        return known is not None and known.is_valid(self._now_ms())

    async def create(
        self,
        *,
        name: str,
        role: Role,
        tenant: str | None,
        expires_at: Millis | None = None,
        value: str | None = None,
        by: Actor,
    ) -> NewKey:
        """A new key, valid at once. Raises InvalidRequest when role, tenant and time do not fit, Conflict when the value is or
        was that of a key."""
        if (role is Role.OPERATOR) != (tenant is None):
            raise InvalidRequest.at("/tenant", "An operator key has no tenant, every other key has one.")
        now = self._now_ms()
        if expires_at is not None and expires_at <= now:
            raise InvalidRequest.at("/expires_at", "The time has passed already.")
        value = value or KEY_PREFIX + base64.urlsafe_b64encode(self._entropy(32)).decode().rstrip("=")
        key = ApiKey(
            id=self._mint.key(),
            name=name,
            role=role,
            tenant=tenant,
            hash=hashlib.sha256(value.encode()).digest(),
            created_at=now,
            expires_at=expires_at,
        )
        entry = audit_entry(self._mint, now, by, "api_key.created", key.id, tenant=tenant, after=key_shown(key))
        if not await self._directory.add_key(key, entry):
            raise Conflict("A key with this value exists already, or did.")
        self._changes += 1
        self._by_hash[key.hash] = _known(key)
        self._hashes[key.id] = key.hash
        self.told()
        return NewKey(key=key, value=value)

    async def revoke(self, key_id: KeyId, tenant: str | None, *, by: Actor) -> None:
        """End a key at once: it lets nobody in any more while that is being stored. Raises NotFound when a tenant (None: the
        operator) has no such key, Conflict for the last operator key that is valid: nobody could make another one."""
        if key_id not in self._hashes:
            await self.follow()
        known = self._by_hash.get(self._hashes.get(key_id, b""))
        if known is None or tenant not in {None, known.key.tenant}:
            raise NotFound
        now = self._now_ms()
        if self._is_last_operator(known, now):
            raise Conflict(_LAST)
        before = msgspec.structs.replace(known.key, last_used_at=self._used.get(key_id, known.key.last_used_at))
        entry = audit_entry(
            self._mint, now, by, "api_key.revoked", key_id, tenant=known.key.tenant, before=key_shown(before)
        )
        del self._by_hash[known.key.hash]
        self._revoked.add(key_id)
        try:
            is_kept = not await self._directory.remove_key(key_id, tenant, entry)
        except Exception:
            self._by_hash[known.key.hash] = known
            raise
        finally:
            self._changes += 1
            self._revoked.discard(key_id)
        if is_kept:
            await self.follow()
            if self.opens(key_id):
                raise Conflict(_LAST)  # another server has revoked the others meanwhile
            raise NotFound
        self.told()

    def _is_last_operator(self, known: _Known, now: Millis) -> bool:
        others = (other for other in self._by_hash.values() if other is not known)
        return _opens(known, now) and not any(_opens(other, now) for other in others)

    async def bootstrap(self, given: str | None) -> str | None:
        """Make an operator key when there is none that is valid: at first start, and when all have expired. Gives its value
        when it was generated, to be printed once. Raises Misconfigured when the given one cannot be used."""
        if given is not None and (len(given) < MIN_GIVEN_LENGTH or not all("!" <= c <= "~" for c in given)):
            raise Misconfigured("TOCSIN_BOOTSTRAP_KEY must be 16 or more visible ASCII characters.")
        now = self._now_ms()
        if any(_opens(known, now) for known in self._by_hash.values()):
            return None
        try:
            made = await self.create(name="bootstrap", role=Role.OPERATOR, tenant=None, value=given, by=SERVER)
        except Conflict as error:
            await self.follow()
            if any(_opens(known, now) for known in self._by_hash.values()):
                return None  # another server that starts too was quicker
            raise Misconfigured(
                "No operator key is valid, and TOCSIN_BOOTSTRAP_KEY is one that was revoked or has expired: set another."
            ) from error
        return None if given else made.value

    async def flush(self) -> None:
        """Keep when keys were last used; called now and then."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self._directory.touch_keys(list(used.items()))
        except Exception:
            self._used = used | self._used
            raise
        for known in [known for known in self._by_hash.values() if known.key.id in used]:
            key = msgspec.structs.replace(known.key, last_used_at=used[known.key.id])
            self._by_hash[key.hash] = msgspec.structs.replace(known, key=key)


def _nothing() -> None:
    """Nobody else is to be told."""


def _known(key: ApiKey) -> _Known:
    caller = Caller(key_id=key.id, key_name=key.name, role=key.role, tenant=key.tenant)
    return _Known(key=key, caller=caller)


def _opens(known: _Known, now: Millis) -> bool:
    """Whether an operator can get in by it."""
    return known.key.role is Role.OPERATOR and known.is_valid(now)
