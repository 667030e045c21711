"""Looks up names without the shared resolver threads, so that a hanging name does not hold up healthy ones.

One look-up per tenant and name at a time, however many wait for it; answers are kept for their TTL. A tenant has a share of
the look-ups only, and answers of its own (beneath them c-ares remembers for all, no longer than the TTL). What comes out is not judged yet: that is the sender's business, for each address,
each time it dials.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import aiodns

from tocsin.model.noun import Noun

MIN_TTL_SECONDS = 1
MAX_TTL_SECONDS = 300
NEGATIVE_TTL_SECONDS = 2

_Key = tuple[str, str]
"""Tenant and host name."""


class Resolution(Noun, frozen=True, kw_only=True):
    """Addresses in the order to try them, or none and why, in words and by a word for programs."""

    addresses: tuple[str, ...] = ()
    problem: str | None = None
    reason: str | None = None


class _Share:
    """The look-ups of one tenant: those that run, and those that wait for it."""

    __slots__ = ("free", "users")

    def __init__(self, size: int) -> None:
        self.free = asyncio.Semaphore(size)
        self.users = 0


class Resolver:
    """Names to addresses, by c-ares: /etc/hosts, then DNS. `nameservers` ("127.0.0.1:5300") replace the system's."""

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        *,
        limit_seconds: float = 5.0,
        max_lookups: int = 256,
        max_lookups_of_tenant: int = 32,
        max_cached: int = 10_000,
    ) -> None:
        self._nameservers = tuple(nameservers)
        self._limit_seconds = limit_seconds
        self._max_cached = max_cached
        self._free = asyncio.Semaphore(max_lookups)
        self._share_size = max_lookups_of_tenant
        self._shares: dict[str, _Share] = {}
        self._cached: dict[_Key, tuple[Resolution, float]] = {}
        self._running: dict[_Key, asyncio.Task[Resolution]] = {}
        self._channel: aiodns.DNSResolver | None = None

    async def resolve(self, host: str, tenant: str = "") -> Resolution:
        """Never raises for a name that cannot be resolved."""
        loop = asyncio.get_running_loop()
        key = (tenant, host)
        cached = self._cached.get(key)
        if cached is not None and loop.time() < cached[1]:
            return cached[0]
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = loop.create_task(self._look_up(key), name=f"resolve {host}")
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what is under way."""
        for task in tuple(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def _look_up(self, key: _Key) -> Resolution:
        tenant, host = key
        share = self._shares.setdefault(tenant, _Share(self._share_size))
        share.users += 1
        try:
            resolution, ttl = await self._ask(host, share)
            self._keep(key, resolution, ttl)
            return resolution
        finally:
            share.users -= 1
            if not share.users:
                del self._shares[tenant]
            del self._running[key]

    async def _ask(self, host: str, share: _Share) -> tuple[Resolution, int]:
        try:
            async with asyncio.timeout(self._limit_seconds), share.free, self._free:
                found = await self._open_channel().getaddrinfo(host, type=socket.SOCK_STREAM)
        except TimeoutError:
            return _LATE
        except aiodns.error.DNSError as error:
            return _problem_of(error)
        addresses = tuple(dict.fromkeys(_address(node.addr) for node in found.nodes))
        if not addresses:
            return _NO_ADDRESS
        ttl = min(node.ttl for node in found.nodes)
        return Resolution(addresses=addresses), max(MIN_TTL_SECONDS, min(ttl, MAX_TTL_SECONDS))

    def _keep(self, key: _Key, resolution: Resolution, ttl: int) -> None:
        self._cached.pop(key, None)
        if len(self._cached) >= self._max_cached:
            del self._cached[next(iter(self._cached))]
        self._cached[key] = (resolution, asyncio.get_running_loop().time() + ttl)

    def _open_channel(self) -> aiodns.DNSResolver:
        if self._channel is None:
            self._channel = aiodns.DNSResolver(
                self._nameservers or None, loop=asyncio.get_running_loop(), timeout=self._limit_seconds / 4, tries=2
            )
        return self._channel


def _address(address: tuple[bytes, int] | tuple[bytes, int, int, int]) -> str:
    """With the scope of a link-local address, so that the judgement sees it."""
    text = address[0].decode("ascii")
    scope = address[3] if len(address) == 4 else 0
    return f"{text}%{scope}" if scope and "%" not in text else text


def _problem(reason: str, text: str) -> tuple[Resolution, int]:
    return Resolution(problem=text, reason=reason), NEGATIVE_TTL_SECONDS


_NO_ADDRESS = _problem("no_address", "The host name has no address.")
_LATE = _problem("timeout", "The host name could not be resolved in time.")


def _problem_of(error: aiodns.error.DNSError) -> tuple[Resolution, int]:
    match error.args[0] if error.args else None:
        case aiodns.error.ARES_ENOTFOUND:
            return _problem("no_such_name", "The host name does not exist.")
        case aiodns.error.ARES_ENODATA:
            return _NO_ADDRESS
        case aiodns.error.ARES_ETIMEOUT:
            return _LATE
        case _:
            return _problem("server_failure", "The host name could not be resolved.")
