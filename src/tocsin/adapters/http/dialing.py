"""Opens a connection to one judged address: TCP first, or a tunnel, then TLS on that very socket, each timed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from time import perf_counter_ns
from typing import Literal

from tocsin.adapters.http.connection import Connection, Phases, milliseconds
from tocsin.adapters.http.failures import connect_failure, tls_failure
from tocsin.adapters.http.tunnel import open_tunnel, proxy_failure
from tocsin.model.exchange import ErrorKind, ProxyTarget, Target, TransportFailure
from tocsin.model.noun import Noun

PROXY_LATE = "The proxy did not answer in time."


class Progress:
    """What is known of an exchange before there is a connection: `phase` is what is being done, `resolve` how long the
    look-up took (ms), `address` that of the receiver that is tried."""

    __slots__ = ("address", "phase", "resolve")

    def __init__(self) -> None:
        self.address: str | None = None
        self.phase: Literal["resolve", "proxy", "connect", "tls"] = "resolve"
        self.resolve: float | None = None

    def late(self, seconds: float) -> TransportFailure:
        """There was no connection within so many seconds."""
        if self.phase == "proxy":
            return proxy_failure("timeout", PROXY_LATE)
        text = f"There was no connection within {seconds:g} s."
        return TransportFailure(kind=ErrorKind.TIMEOUT, message=text, reason=self.phase)


class Hop(Noun, frozen=True, kw_only=True):
    """The proxy on the way, and the addresses it may be dialled at."""

    proxy: ProxyTarget
    addresses: tuple[str, ...]


async def dial(
    target: Target,
    make: Callable[[], Connection],
    *,
    address: str,
    via: Hop | None,
    context: ssl.SSLContext | None,
    limit_seconds: float,
    progress: Progress,
) -> tuple[Connection, Phases] | TransportFailure:
    """Connect to `address`, through a proxy if there is one, within `limit_seconds` and, with a context, do the TLS handshake
    for the target's host name. The caller bounds the handshake."""
    loop = asyncio.get_running_loop()
    progress.address = address
    begun = perf_counter_ns()
    if via is None:
        progress.phase = "connect"
        connected = await _connect(loop, address, target.port, limit_seconds)
    else:
        progress.phase = "proxy"
        connected = await _connect_through(loop, via, address, target.port, limit_seconds)
    if isinstance(connected, TransportFailure):
        return connected
    in_between = perf_counter_ns()
    connect = milliseconds(in_between - begun)
    try:
        if context is None:
            _, connection = await loop.create_connection(make, sock=connected)
            return connection, Phases(resolve=progress.resolve, connect=connect)
        progress.phase = "tls"
        _, connection = await loop.create_connection(make, sock=connected, ssl=context, server_hostname=target.host)
    except OSError as error:
        connected.close()
        return tls_failure(error) if context is not None else connect_failure(error)
    except BaseException:
        connected.close()
        raise
    return connection, Phases(
        resolve=progress.resolve, connect=connect, tls=milliseconds(perf_counter_ns() - in_between)
    )


async def _connect(
    loop: asyncio.AbstractEventLoop, address: str, port: int, limit_seconds: float
) -> socket.socket | TransportFailure:
    try:
        tcp = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        return connect_failure(error)
    try:
        tcp.settimeout(0)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        async with asyncio.timeout(limit_seconds):
            await loop.sock_connect(tcp, (address, port))
    except OSError as error:  # TimeoutError is one
        tcp.close()
        return connect_failure(error)
    except BaseException:
        tcp.close()
        raise
    return tcp


async def _connect_through(
    loop: asyncio.AbstractEventLoop, via: Hop, address: str, port: int, limit_seconds: float
) -> socket.socket | TransportFailure:
    end = loop.time() + limit_seconds
    tcp: socket.socket | TransportFailure = proxy_failure("unreachable", "The proxy has no address.")
    for tried, proxy_address in enumerate(via.addresses):
        share = (end - loop.time()) / (len(via.addresses) - tried)
        tcp = await _connect(loop, proxy_address, via.proxy.port, share)
        if isinstance(tcp, socket.socket):
            break
    if isinstance(tcp, TransportFailure):
        return proxy_failure("unreachable", f"The proxy cannot be reached: {tcp.message}")
    try:
        async with asyncio.timeout_at(end):
            failure = await open_tunnel(tcp, via.proxy, address, port)
    except TimeoutError:
        failure = proxy_failure("timeout", PROXY_LATE)
    except BaseException:
        tcp.close()
        raise
    if failure is not None:
        tcp.close()
        return failure
    return tcp
