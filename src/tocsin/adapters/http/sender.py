"""Sends requests to receivers: each at most once, only to addresses that were judged, within one deadline.

Nothing here repeats a request, follows a redirect, reads a proxy from the environment or decompresses.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from time import perf_counter_ns
from typing import NamedTuple

from tocsin.adapters.http.connection import NO_PHASES, Connection, Done, Phases, milliseconds
from tocsin.adapters.http.dialing import Hop, Progress, dial
from tocsin.adapters.http.limits import SenderLimits
from tocsin.adapters.http.pool import Pools
from tocsin.adapters.http.resolver import Resolution, Resolver
from tocsin.adapters.http.tls import TlsContexts
from tocsin.adapters.http.tunnel import proxy_failure
from tocsin.model.exchange import ErrorKind, Exchange, OutboundRequest, ProxyTarget, Target, Timings, TransportFailure
from tocsin.rules.egress import EgressPolicy, blocked_reason
from tocsin.telemetry import log

# The same for every reason and every address, else people who own endpoints could map the operator's network.
BLOCKED = TransportFailure(kind=ErrorKind.BLOCKED, message="The address is not allowed.")
_HTTP_BLOCKED = TransportFailure(kind=ErrorKind.BLOCKED, message="Plain HTTP is not allowed.")
_CLOSED = TransportFailure(kind=ErrorKind.CONNECT, message="Tocsin is shutting down.")
_BAD_HEAD = TransportFailure(kind=ErrorKind.PROTOCOL, message="The request is malformed; it was not sent.")
_TWO_PROXIES = proxy_failure(
    "not_permitted", "Everything goes through the operator's proxy; remove the endpoint's own."
)
_HARMLESS = bytes(sorted(set(range(256)) - set(b"\r\n\0")))
_ANOTHER_ADDRESS_MAY_DO = frozenset({"receiver_unreachable", "refused"})


class _Route(NamedTuple):
    """Where a connection may lead, by which way, with which TLS (None: none)."""

    addresses: tuple[str, ...]
    via: Hop | None
    context: ssl.SSLContext | None


class HttpSender:
    """The port `Sender` over HTTP/1.1. Belongs to the event loop in which it was made; a changed egress policy needs a new
    sender. `context` comes from `tls.client_context`. `proxy` is the operator's: its own address is not judged, and no
    endpoint may have another."""

    def __init__(
        self,
        policy: EgressPolicy,
        resolver: Resolver,
        context: ssl.SSLContext,
        limits: SenderLimits = SenderLimits(),  # noqa: B008 (frozen)
        *,
        proxy: ProxyTarget | None = None,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._contexts = TlsContexts(context)
        self._proxy = proxy
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._pools = Pools(self._loop, limits)
        self.has_connection = self._pools.has_idle
        self._is_closed = False

    async def send(self, request: OutboundRequest, opened: Callable[[], None] | None = None) -> Exchange:
        """One call writes at most one request. When the call is cancelled, its connection is closed. `opened` is called when a connection
        was opened, or could not be."""
        started = perf_counter_ns()
        if not _is_sound(request.head):
            return _failed(_BAD_HEAD, started)
        phases = NO_PHASES
        connection = self._pools.take(request.target)
        if connection is None:
            new = await self._open(request, started)
            if opened is not None:
                opened()
            if isinstance(new, Exchange):
                return new
            connection, phases = new
        future: asyncio.Future[Exchange] = self._loop.create_future()
        done = partial(_resolve, future)
        connection.start(request, started, phases, done)
        try:
            return await future
        except asyncio.CancelledError:
            connection.cancel(done)
            raise

    def begin(self, request: OutboundRequest, done: Done) -> bool:
        """Start the exchange on a connection that is there. False when there is none: then nothing was done."""
        started = perf_counter_ns()
        if not _is_sound(request.head) or (connection := self._pools.take(request.target)) is None:
            return False
        connection.start(request, started, NO_PHASES, done)
        return True

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
        await self._contexts.close()

    @property
    def connection_counts(self) -> tuple[int, int]:
        """Open connections, and how many of them are idle."""
        return self._pools.open_count, self._pools.idle_count

    async def _open(self, request: OutboundRequest, started: int) -> tuple[Connection, Phases] | Exchange:
        """A new connection, within what is left of the deadline."""
        progress = Progress()
        try:
            async with asyncio.timeout(request.timeout_seconds):
                opened = await self._open_at_any(request, started, progress)
        except TimeoutError:
            opened = progress.late(request.timeout_seconds)
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
        self, request: OutboundRequest, started: int, progress: Progress
    ) -> tuple[Connection, Phases] | TransportFailure:
        target = request.target
        route = await self._route(target, started, progress)
        if isinstance(route, TransportFailure):
            return route
        failure = BLOCKED
        for tried, address in enumerate(route.addresses):
            left = request.timeout_seconds - (perf_counter_ns() - started) / 1e9
            opened = await dial(
                target,
                partial(Connection, self._loop, self._pools, target.pool, address, self._limits),
                address=address,
                via=route.via,
                context=route.context,
                limit_seconds=left / (len(route.addresses) - tried),
                progress=progress,
            )
            if not isinstance(opened, TransportFailure):
                return opened
            failure = opened
            if failure.kind is ErrorKind.TLS:
                break
            if failure.kind is ErrorKind.PROXY and failure.reason not in _ANOTHER_ADDRESS_MAY_DO:
                break
        return failure

    async def _route(self, target: Target, started: int, progress: Progress) -> _Route | TransportFailure:
        if self._is_closed:
            return _CLOSED
        if target.scheme == "http" and not self._policy.allow_http:
            return _HTTP_BLOCKED
        resolution = await self._resolve(target.host, target.tenant)
        if not _is_address(target.host):
            progress.resolve = milliseconds(perf_counter_ns() - started)
        if resolution.problem is not None:
            return TransportFailure(kind=ErrorKind.DNS, message=resolution.problem, reason=resolution.reason)
        addresses = self._allowed(target.host, resolution, target.pool)
        if not addresses:
            return BLOCKED
        via = await self._way(target)
        if isinstance(via, TransportFailure):
            return via
        context = await self._contexts.context(target.tls) if target.scheme == "https" else None
        if isinstance(context, TransportFailure):
            return context
        return _Route(addresses, via, context)

    async def _way(self, target: Target) -> Hop | TransportFailure | None:
        """Through the operator's proxy, through the endpoint's, or straight. An endpoint's proxy is judged like any other
        address that a tenant chose; the operator's is the operator's choice."""
        own = target.proxy
        if self._proxy is not None:
            return _TWO_PROXIES if own is not None else await self._hop(self._proxy, tenant="", judged_for=None)
        return await self._hop(own, tenant=target.tenant, judged_for=target.pool) if own is not None else None

    async def _hop(self, proxy: ProxyTarget, *, tenant: str, judged_for: str | None) -> Hop | TransportFailure:
        resolution = await self._resolve(proxy.host, tenant)
        if resolution.problem is not None:
            return proxy_failure("unreachable", f"The proxy cannot be found: {resolution.problem}")
        addresses = resolution.addresses[: self._limits.max_addresses]
        if judged_for is not None:
            addresses = self._allowed(proxy.host, resolution, judged_for)
        return Hop(proxy=proxy, addresses=addresses) if addresses else BLOCKED

    async def _resolve(self, host: str, tenant: str) -> Resolution:
        if _is_address(host):
            return Resolution(addresses=(host,))
        return await self._resolver.resolve(host, tenant)

    def _allowed(self, host: str, resolution: Resolution, pool: str) -> tuple[str, ...]:
        """The addresses that may be dialled; the operator's log says why the others may not."""
        allowed: list[str] = []
        for address in resolution.addresses:
            reason = blocked_reason(self._policy, address)
            if reason is None:
                allowed.append(address)
            else:
                log.info("address blocked", host=host, address=address, reason=reason, pool=pool)
        return tuple(allowed[: self._limits.max_addresses])


def _is_address(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdigit()


def _is_sound(head: bytes) -> bool:
    """A last look before the wire: header values are checked where they are configured and where they are rendered, but a
    blank line or a bare CR, LF or NUL inside the head could be a second request to somebody on the way."""
    controls = head.translate(None, _HARMLESS)
    return head.endswith(b"\r\n") and controls == b"\r\n" * (len(controls) // 2) and b"\r\n\r\n" not in head


def _resolve(future: asyncio.Future[Exchange], exchange: Exchange) -> None:
    if not future.done():
        future.set_result(exchange)


def _failed(failure: TransportFailure, started: int, progress: Progress | None = None) -> Exchange:
    return Exchange(
        response=None,
        failure=failure,
        timings=Timings(
            resolve=progress.resolve if progress else None, total=milliseconds(perf_counter_ns() - started)
        ),
        address=progress.address if progress else None,
    )
