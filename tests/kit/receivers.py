"""Receivers that behave well or badly, on real sockets: each is told in a few lines what to do with a connection.

    async with Receiver(answer(200)) as receiver:
        ... send something to receiver.url ...
        assert len(receiver.requests) == 1

A behaviour is `async def behaviour(peer: Peer)`, run once for each connection; when it returns, the connection is closed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Self

from tocsin.receiver.server import stop_listening

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENCE_SECONDS = 20


class Request(NamedTuple):
    """A request as it came: `head` ends with the blank line."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    def header(self, name: str) -> str | None:
        for line in self.head.split(b"\r\n")[1:]:
            key, colon, value = line.decode("latin-1").partition(":")
            if colon and key.lower() == name.lower():
                return value.strip()
        return None


class Peer:
    """The receiver's end of one connection. `number` counts the connections of a receiver from 1."""

    def __init__(
        self, receiver: Receiver, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.receiver = receiver
        self.number = number
        self._reader = reader
        self._writer = writer

    async def request(self) -> Request:
        """The next request, whole. Raises EOFError when the sender closed instead."""
        head = await self.head()
        lengths = (line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        length = int(next(lengths, 0))
        request = Request(head, await self._reader.readexactly(length))
        self.receiver.requests.append(request)
        self.receiver.changed.set()
        return request

    async def head(self) -> bytes:
        """The head of the next request; its body stays unread."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def some(self) -> bytes:
        """Whatever comes next; nothing at the end."""
        return await self._reader.read(65536)

    async def send(self, data: bytes) -> None:
        if self._writer.transport.is_closing():
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()

    def half_close(self) -> None:
        """Nothing more will come from here, but the connection stays open for reading."""
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Close with a RST instead of a FIN."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Until the sender has closed."""
        try:
            while await self._reader.read(65536):
                pass
        except OSError:
            pass


Behaviour = Callable[[Peer], Awaitable[None]]


class Receiver:
    """Listens on a free port of 127.0.0.1. `connections` counts what was ever opened, `open_connections` what still is."""

    def __init__(self, behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._behaviour = behaviour
        self._tls = tls
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._is_over = False
        self.requests: list[Request] = []
        self.connections = 0
        self.open_connections = 0
        self.changed = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self._host, 0, ssl=self._tls, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        await stop_listening(self._server)
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()  # a task that was cancelled before it began closed nothing; what is not read stays open
        await asyncio.sleep(0)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    @property
    def url(self) -> str:
        return self.url_of(self._host)

    def url_of(self, host: str) -> str:
        """The same port under another name."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/hook"

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Until something about this receiver is so."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._is_over:
            writer.close()
            return
        self._writers.append(writer)
        task = asyncio.get_running_loop().create_task(self._serve(Peer(self, self.connections, reader, writer), writer))
        self._tasks.add(task)

    async def _serve(self, peer: Peer, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        self.changed.set()
        try:
            await self._behaviour(peer)
        except (EOFError, OSError):
            pass
        finally:
            self.open_connections -= 1
            self.changed.set()
            if not writer.transport.is_closing():
                writer.close()


def raw(*answers: bytes) -> Behaviour:
    """Answers the requests of a connection in turn, literally; the last answer goes on for ever."""

    async def behave(peer: Peer) -> None:
        left = list(answers)
        while True:
            await peer.request()
            await peer.send(left.pop(0) if len(left) > 1 else left[0])

    return behave


def answer(status: int, body: bytes = b"ok", **headers: str) -> Behaviour:
    """Answers everything alike, on connections that stay open."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return raw(f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def never(peer: Peer) -> None:
    """Reads requests and answers none."""
    while True:
        await peer.request()


async def refuse_to_read(peer: Peer) -> None:
    """Takes the connection and does nothing with it until it is gone."""
    await asyncio.Event().wait()


def endless(start: bytes, piece: bytes, times: int) -> Behaviour:
    """Answers with `start` and then `piece` again and again, as fast as it is taken."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(start)
        for _ in range(times):
            await peer.send(piece)
        await peer.gone()

    return behave


def dripping(data: bytes, seconds: float = 0.02) -> Behaviour:
    """Answers a byte at a time."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        for position in range(len(data)):
            await peer.send(data[position : position + 1])
            await asyncio.sleep(seconds)
        await peer.gone()

    return behave


def failing_handshake(context: ssl.SSLContext) -> Behaviour:
    """Does the TLS handshake and one read by hand, on a receiver without `tls`, because servers of asyncio close without
    the alert that says why."""

    async def behave(peer: Peer) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                session.do_handshake()
                session.read(1)
            except ssl.SSLWantReadError:
                await peer.send(outgoing.read())
                data = await peer.some()
                if not data:
                    return
                incoming.write(data)
            except ssl.SSLError:
                await peer.send(outgoing.read())
                return

    return behave
