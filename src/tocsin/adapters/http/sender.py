"""Sends requests to receivers: each at most once, only to addresses that were judged, within one deadline.

Nothing here repeats a request, follows a redirect, reads a proxy from the environment or decompresses.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from time import perf_counter_ns

from tocsin.adapters.http.connection import NO_PHASES, Connection, Phases, milliseconds
from tocsin.adapters.http.dialing import dial
from tocsin.adapters.http.limits import SenderLimits
from tocsin.adapters.http.pool import Pools
from tocsin.adapters.http.resolver import Resolution, Resolver
from tocsin.model.exchange import ErrorKind, Exchange, OutboundRequest, Target, Timings, TransportFailure
from tocsin.rules.egress import EgressPolicy, blocked_reason
from tocsin.telemetry import log

# The same for every reason and every address, else people who own endpoints could map the operator's network.
BLOCKED = TransportFailure(kind=ErrorKind.BLOCKED, message="The address is not allowed.")
_HTTP_BLOCKED = TransportFailure(kind=ErrorKind.BLOCKED, message="Plain HTTP is not allowed.")
_CLOSED = TransportFailure(kind=ErrorKind.CONNECT, message="Tocsin is shutting down.")
_BAD_HEAD = TransportFailure(kind=ErrorKind.PROTOCOL, message="The request is malformed; it was not sent.")


class _Progress:
    """What is known of an exchange before there is a connection."""

    __slots__ = ("address", "resolve")

    def __init__(self) -> None:
        self.address: str | None = None
        self.resolve: float | None = None


class HttpSender:
    """The port `Sender` over HTTP/1.1. Belongs to the event loop in which it was made; a changed egress policy needs a new
    sender. `context` comes from `tls.client_context`."""

    def __init__(
        self,
        policy: EgressPolicy,
        resolver: Resolver,
        context: ssl.SSLContext,
        limits: SenderLimits = SenderLimits(),  # noqa: B008 (frozen)
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._context = context
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._pools = Pools(self._loop, limits)
        self._is_closed = False

    async def send(self, request: OutboundRequest) -> Exchange:
        """One call writes at most one request. When the call is cancelled, its connection is closed."""
        started = perf_counter_ns()
        if not _is_sound(request.head):
            return _failed(_BAD_HEAD, started)
        phases = NO_PHASES
        connection = self._pools.take(request.target)
        if connection is None:
            opened = await self._open(request, started)
            if isinstance(opened, Exchange):
                return opened
            connection, phases = opened
        future = connection.start(request, started, phases)
        try:
            return await future
        except asyncio.CancelledError:
            connection.cancel(future)
            raise

    def close_pool(self, pool: str) -> None:
        """Close the connections of an endpoint that was changed or removed; exchanges under way are finished first."""
        self._pools.close_pool(pool)

    async def close(self) -> None:
        """Close every connection. Exchanges under way fail, later ones too."""
        self._is_closed = True
        self._pools.close()
        for _ in range(100):
            if not self._pools.open_count:
                break
            await asyncio.sleep(0)
        await self._resolver.close()

    @property
    def connection_counts(self) -> tuple[int, int]:
        """Open connections, and how many of them are idle."""
        return self._pools.open_count, self._pools.idle_count

    async def _open(self, request: OutboundRequest, started: int) -> tuple[Connection, Phases] | Exchange:
        """A new connection, within what is left of the deadline."""
        progress = _Progress()
        try:
            async with asyncio.timeout(request.timeout_seconds):
                opened = await self._open_at_any(request, started, progress)
        except TimeoutError:
            text = f"There was no connection within {request.timeout_seconds:g} s."
            opened = TransportFailure(kind=ErrorKind.TIMEOUT, message=text)
        if isinstance(opened, TransportFailure):
            return _failed(opened, started, progress)
        connection, _ = opened
        if self._is_closed or connection.is_closed:
            connection.abort()
            failure = TransportFailure(kind=ErrorKind.RESET, message="The connection was closed without an answer.")
            return _failed(_CLOSED if self._is_closed else failure, started, progress)
        self._pools.add(connection, request.target)
        return opened

    async def _open_at_any(
        self, request: OutboundRequest, started: int, progress: _Progress
    ) -> tuple[Connection, Phases] | TransportFailure:
        target = request.target
        if self._is_closed:
            return _CLOSED
        if target.scheme == "http" and not self._policy.allow_http:
            return _HTTP_BLOCKED
        resolution = await self._resolve(target, started, progress)
        if resolution.problem is not None:
            return TransportFailure(kind=ErrorKind.DNS, message=resolution.problem)
        addresses = self._allowed(target, resolution)
        failure = BLOCKED
        for tried, address in enumerate(addresses):
            progress.address = address
            left = request.timeout_seconds - (perf_counter_ns() - started) / 1e9
            opened = await dial(
                address,
                target,
                partial(Connection, self._loop, self._pools, target.pool, address, self._limits),
                context=self._context if target.scheme == "https" else None,
                limit_seconds=left / (len(addresses) - tried),
                resolve=progress.resolve,
            )
            if not isinstance(opened, TransportFailure):
                return opened
            failure = opened
            if failure.kind is ErrorKind.TLS:
                break
        return failure

    async def _resolve(self, target: Target, started: int, progress: _Progress) -> Resolution:
        if ":" in target.host or target.host.rpartition(".")[2].isdigit():
            return Resolution(addresses=(target.host,))
        resolution = await self._resolver.resolve(target.host)
        progress.resolve = milliseconds(perf_counter_ns() - started)
        return resolution

    def _allowed(self, target: Target, resolution: Resolution) -> list[str]:
        """The addresses that may be dialled; the operator's log says why the others may not."""
        allowed: list[str] = []
        for address in resolution.addresses:
            reason = blocked_reason(self._policy, address)
            if reason is None:
                allowed.append(address)
            else:
                log.info("address blocked", host=target.host, address=address, reason=reason, pool=target.pool)
        return allowed[: self._limits.max_addresses]


def _is_sound(head: bytes) -> bool:
    """A last look before the wire: header values are checked where they are configured and where they are rendered, but a
    blank line inside the head would be a second request."""
    return head.endswith(b"\r\n") and b"\r\n\r\n" not in head and b"\n\n" not in head


def _failed(failure: TransportFailure, started: int, progress: _Progress | None = None) -> Exchange:
    return Exchange(
        response=None,
        failure=failure,
        timings=Timings(
            resolve=progress.resolve if progress else None, total=milliseconds(perf_counter_ns() - started)
        ),
        address=progress.address if progress else None,
    )
