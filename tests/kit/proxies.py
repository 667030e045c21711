"""Forward proxies on 127.0.0.1 that do their work: CONNECT and SOCKS5, with or without a password.

Both connect to literal addresses only, as the proxies of strict networks do: a client that hands over names gets nowhere.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import struct
from typing import Self

from tocsin.receiver.server import stop_listening


class Proxy:
    """`asked` are the places (address, port) that clients wanted, `heads` what they said before; `dials` replaces addresses
    by others on the way, for receivers that cannot have the address under test."""

    scheme = ""

    def __init__(self, *, credentials: tuple[str, str] | None = None, dials: dict[str, str] | None = None) -> None:
        self._credentials = credentials
        self._dials = dials or {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked: list[tuple[str, int]] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.open_connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_listening(self._server)
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        await asyncio.sleep(0)  # what was aborted is closed in the next turn of the loop

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        try:
            await self._talk(reader, writer)
        except (EOFError, OSError):
            pass
        finally:
            self.open_connections -= 1
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    async def _reach(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.asked.append((host, port))
        ipaddress.ip_address(host)
        return await asyncio.open_connection(self._dials.get(host, host), port)


class HttpProxy(Proxy):
    """CONNECT (RFC 9110 section 9.3.6)."""

    scheme = "http"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if self._credentials is not None:
            encoded = base64.b64encode(":".join(self._credentials).encode())
            if b"\r\nProxy-Authorization: Basic " + encoded + b"\r\n" not in head:
                writer.write(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
                return await writer.drain()
        host, _, port = head.split()[1].decode().rpartition(":")
        try:
            far_reader, far_writer = await self._reach(host.strip("[]"), int(port))
        except (OSError, ValueError):
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno\n")
            return await writer.drain()
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 kit\r\n\r\n")
        return await _pipe(reader, writer, far_reader, far_writer)


class SocksProxy(Proxy):
    """SOCKS5 (RFC 1928), user name and password (RFC 1929)."""

    scheme = "socks5"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        self.heads.append(bytes((version, count)) + methods)
        method = 0 if self._credentials is None else 2
        if method not in methods:
            writer.write(b"\x05\xff")
            return await writer.drain()
        writer.write(bytes((5, method)))
        if self._credentials is not None and not await self._is_let_in(reader, writer):
            return await writer.drain()
        _, command, _, kind = await reader.readexactly(4)
        assert command == 1
        assert kind in (1, 4), "a name was handed over"
        host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        (port,) = struct.unpack("!H", await reader.readexactly(2))
        try:
            far_reader, far_writer = await self._reach(host, port)
        except OSError:
            writer.write(b"\x05\x05\x00\x01" + bytes(6))
            return await writer.drain()
        writer.write(b"\x05\x00\x00\x03\x09localhost\x00\x00")
        return await _pipe(reader, writer, far_reader, far_writer)

    async def _is_let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _, length = await reader.readexactly(2)
        username = await reader.readexactly(length)
        password = await reader.readexactly((await reader.readexactly(1))[0])
        is_let_in = (username.decode(), password.decode()) == self._credentials
        writer.write(b"\x01\x00" if is_let_in else b"\x01\x01")
        return is_let_in


async def _pipe(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    """Until either end is gone."""
    tasks = [asyncio.create_task(_copy(reader, far_writer)), asyncio.create_task(_copy(far_reader, writer))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        if not writer.transport.is_closing():
            writer.close()
        far_writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
