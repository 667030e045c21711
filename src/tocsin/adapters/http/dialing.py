"""Opens a connection to one judged address: TCP first, then TLS on that very socket, each timed."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from time import perf_counter_ns

from tocsin.adapters.http.connection import Connection, Phases, milliseconds
from tocsin.adapters.http.tls import tls_failure
from tocsin.model.exchange import ErrorKind, Target, TransportFailure

_TEXTS = {
    errno.ECONNREFUSED: "The connection was refused.",
    errno.ECONNRESET: "The connection was reset while it was opened.",
    errno.EHOSTUNREACH: "There is no route to the receiver.",
    errno.ENETUNREACH: "There is no route to the receiver.",
    errno.ETIMEDOUT: "The receiver did not take the connection in time.",
    errno.EMFILE: "Tocsin has too many open files.",
    errno.ENFILE: "The system has too many open files.",
}


async def dial(
    address: str,
    target: Target,
    make: Callable[[], Connection],
    *,
    context: ssl.SSLContext | None,
    limit_seconds: float,
    resolve: float | None,
) -> tuple[Connection, Phases] | TransportFailure:
    """Connect to `address` within `limit_seconds` and, with a context, do the TLS handshake for the target's host name. The
    caller bounds the handshake."""
    loop = asyncio.get_running_loop()
    begun = perf_counter_ns()
    connected = await _connect(loop, address, target.port, limit_seconds)
    if isinstance(connected, TransportFailure):
        return connected
    in_between = perf_counter_ns()
    try:
        if context is None:
            _, connection = await loop.create_connection(make, sock=connected)
            return connection, Phases(resolve=resolve, connect=milliseconds(in_between - begun))
        _, connection = await loop.create_connection(make, sock=connected, ssl=context, server_hostname=target.host)
    except OSError as error:
        connected.close()
        return tls_failure(error) if context is not None else _connect_failure(error)
    except BaseException:
        connected.close()
        raise
    tls = milliseconds(perf_counter_ns() - in_between)
    return connection, Phases(resolve=resolve, connect=milliseconds(in_between - begun), tls=tls)


async def _connect(
    loop: asyncio.AbstractEventLoop, address: str, port: int, limit_seconds: float
) -> socket.socket | TransportFailure:
    try:
        tcp = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        return _connect_failure(error)
    try:
        tcp.settimeout(0)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        async with asyncio.timeout(limit_seconds):
            await loop.sock_connect(tcp, (address, port))
    except OSError as error:  # TimeoutError is one
        tcp.close()
        return _connect_failure(error)
    except BaseException:
        tcp.close()
        raise
    return tcp


def _connect_failure(error: OSError) -> TransportFailure:
    if isinstance(error, TimeoutError):
        return TransportFailure(kind=ErrorKind.TIMEOUT, message=_TEXTS[errno.ETIMEDOUT])
    text = _TEXTS.get(error.errno or 0, "The connection could not be opened.")
    return TransportFailure(kind=ErrorKind.CONNECT, message=text)
