"""API keys: made, found, revoked. The table in memory answers every request; the store keeps only hashes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from tocsin.errors import InvalidRequest, Misconfigured
from tocsin.model.access import ApiKey, Caller, Role
from tocsin.model.ids import IdMint, KeyId
from tocsin.model.noun import Noun
from tocsin.ports import Directory

KEY_PREFIX = "tok_"
MIN_GIVEN_LENGTH = 16


class NewKey(Noun, frozen=True, kw_only=True):
    """A key just made; `value` is never shown again."""

    key: ApiKey
    value: str


class ApiKeys:
    """The keys of this server. `entropy` gives n random bytes, `now_ms` the time."""

    __slots__ = ("_by_hash", "_directory", "_entropy", "_mint", "_now_ms", "_used")

    def __init__(
        self, directory: Directory, *, mint: IdMint, now_ms: Callable[[], int], entropy: Callable[[int], bytes]
    ) -> None:
        self._directory = directory
        self._mint = mint
        self._now_ms = now_ms
        self._entropy = entropy
        self._by_hash: dict[bytes, tuple[Caller, int | None]] = {}
        self._used: dict[KeyId, int] = {}

    async def load(self) -> None:
        """Fill the table from the store."""
        self._by_hash = {key.hash: _entry(key) for key in await self._directory.keys()}

    def caller(self, value: bytes) -> Caller | None:
        """Whoever holds this key; None when it is unknown, expired or revoked."""
        entry = self._by_hash.get(hashlib.sha256(value).digest())
        if entry is None:
            return None
        caller, expires_at = entry
        now = self._now_ms()
        if expires_at is not None and now >= expires_at:
            return None
        self._used[caller.key_id] = now
        return caller

    async def create(
        self, *, name: str, role: Role, tenant: str | None, expires_at: int | None = None, value: str | None = None
    ) -> NewKey:
        """A new key, valid at once. Raises InvalidRequest when role, tenant and time do not fit."""
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
        await self._directory.add_key(key)
        self._by_hash[key.hash] = _entry(key)
        return NewKey(key=key, value=value)

    async def revoke(self, key_id: KeyId, tenant: str | None) -> bool:
        """Ends a key at once; False when a tenant (None: the operator) has no such key."""
        if not await self._directory.remove_key(key_id, tenant):
            return False
        self._by_hash = {h: entry for h, entry in self._by_hash.items() if entry[0].key_id != key_id}
        return True

    async def bootstrap(self, given: str | None) -> str | None:
        """At first start (no key that has not expired): make the operator key. Gives its value when it was generated, to be printed once."""
        if given is not None and (len(given) < MIN_GIVEN_LENGTH or not all("!" <= c <= "~" for c in given)):
            raise Misconfigured("TOCSIN_BOOTSTRAP_KEY must be 16 or more visible ASCII characters.")
        if self._by_hash:
            return None
        made = await self.create(name="bootstrap", role=Role.OPERATOR, tenant=None, value=given)
        return None if given else made.value

    async def flush(self) -> None:
        """Keep when keys were last used; called now and then."""
        used, self._used = self._used, {}
        if used:
            await self._directory.touch_keys(list(used.items()))


def _entry(key: ApiKey) -> tuple[Caller, int | None]:
    return Caller(key_id=key.id, key_name=key.name, role=key.role, tenant=key.tenant), key.expires_at
