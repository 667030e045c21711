"""Looks up names without the shared resolver threads, so that a hanging name does not hold up healthy ones.

One look-up per name at a time, however many wait for it; answers are kept for their TTL. What comes out is not judged
yet: that is the sender's business, for each address, each time it dials.
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


class Resolution(Noun, frozen=True, kw_only=True):
    """Addresses in the order to try them, or none and the reason."""

    addresses: tuple[str, ...] = ()
    problem: str | None = None


class Resolver:
    """Names to addresses, by c-ares: /etc/hosts, then DNS. `nameservers` ("127.0.0.1:5300") replace the system's."""

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        *,
        limit_seconds: float = 5.0,
        max_lookups: int = 256,
        max_cached: int = 10_000,
    ) -> None:
        self._nameservers = tuple(nameservers)
        self._limit_seconds = limit_seconds
        self._max_cached = max_cached
        self._free = asyncio.Semaphore(max_lookups)
        self._cached: dict[str, tuple[Resolution, float]] = {}
        self._running: dict[str, asyncio.Task[Resolution]] = {}
        self._channel: aiodns.DNSResolver | None = None

    async def resolve(self, host: str) -> Resolution:
        """Never raises for a name that cannot be resolved."""
        loop = asyncio.get_running_loop()
        cached = self._cached.get(host)
        if cached is not None and loop.time() < cached[1]:
            return cached[0]
        task = self._running.get(host)
        if task is None:
            task = self._running[host] = loop.create_task(self._look_up(host), name=f"resolve {host}")
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what is under way."""
        for task in tuple(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def _look_up(self, host: str) -> Resolution:
        try:
            resolution, ttl = await self._ask(host)
            self._keep(host, resolution, ttl)
            return resolution
        finally:
            del self._running[host]

    async def _ask(self, host: str) -> tuple[Resolution, int]:
        try:
            async with asyncio.timeout(self._limit_seconds), self._free:
                found = await self._open_channel().getaddrinfo(host, type=socket.SOCK_STREAM)
        except TimeoutError:
            return _problem("The host name could not be resolved in time.")
        except aiodns.error.DNSError as error:
            return _problem(_text(error))
        addresses = tuple(dict.fromkeys(_address(node.addr) for node in found.nodes))
        if not addresses:
            return _problem("The host name has no address.")
        ttl = min(node.ttl for node in found.nodes)
        return Resolution(addresses=addresses), max(MIN_TTL_SECONDS, min(ttl, MAX_TTL_SECONDS))

    def _keep(self, host: str, resolution: Resolution, ttl: int) -> None:
        self._cached.pop(host, None)
        if len(self._cached) >= self._max_cached:
            del self._cached[next(iter(self._cached))]
        self._cached[host] = (resolution, asyncio.get_running_loop().time() + ttl)

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


def _problem(text: str) -> tuple[Resolution, int]:
    return Resolution(problem=text), NEGATIVE_TTL_SECONDS


def _text(error: aiodns.error.DNSError) -> str:
    match error.args[0] if error.args else None:
        case aiodns.error.ARES_ENOTFOUND:
            return "The host name does not exist."
        case aiodns.error.ARES_ENODATA:
            return "The host name has no address."
        case aiodns.error.ARES_ETIMEOUT:
            return "The host name could not be resolved in time."
        case _:
            return "The host name could not be resolved."
