"""A pooler before PostgreSQL, in transaction mode: as PgBouncer it answers the start itself, and gives each transaction to another of
its own connections."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections import deque
from collections.abc import Mapping
from typing import Final, Self

from tocsin.receiver.server import stop_listening

SSL_REQUEST: Final = 80877103
PROTOCOL: Final = 196608
PID: Final = 999_999
"""The process id that it tells: nobody's."""
_KNOWN: Final = frozenset({"user", "database", "application_name", "client_encoding", "datestyle", "timezone"})
_SERVERS: Final = 2
_ENDS: Final = {b"Q": b"Z", b"S": b"Z", b"H": b"TnE"}
"""What the answer to a message ends with: a query, a sync, and the flush behind a statement that is prepared."""
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pooler:
    """Listens on 127.0.0.1 for a server there that trusts everybody. Unless it `ignores` them, settings at the start of a connection
    that it does not know are refused. `transactions` are those it has passed on, by server connection."""

    def __init__(self, server_port: int, database: str, *, ignores: bool) -> None:
        self.port = 0
        self.transactions: list[int] = []
        self._server_port = server_port
        self._database = database
        self._ignores = ignores
        self._idle: deque[tuple[int, _Streams]] = deque()
        self._greeting = b""
        self._all: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        for number in range(_SERVERS):
            self._idle.append((number, await self._connected()))
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_listening(self._listener)
        for writer in self._all:
            writer.close()

    async def _connected(self) -> _Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._all.append(writer)
        words = ["user", "postgres", "database", self._database, ""]
        body = struct.pack("!i", PROTOCOL) + b"".join(word.encode() + b"\0" for word in words)
        writer.write(struct.pack("!i", len(body) + 4) + body)
        greeting = b""
        while (message := await _message(reader))[:1] != b"Z":
            greeting += b"" if message[:1] == b"K" else message
        self._greeting = greeting
        return reader, writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._all.append(writer)
        try:
            asked = await _start(reader, writer)
            unknown = [] if self._ignores else sorted(set(asked) - _KNOWN)
            if unknown:
                text = f"SFATAL\0C08P01\0Munsupported startup parameter: {unknown[0]}\0\0".encode()
                writer.write(b"E" + struct.pack("!i", len(text) + 4) + text)
                return
            writer.write(self._greeting + b"K" + struct.pack("!iii", 12, PID, 1) + b"Z" + struct.pack("!ic", 5, b"I"))
            while await self._transaction(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _transaction(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whatever the client sends until its transaction is over, by one server connection."""
        number, server = self._idle[0]
        for turn in itertools.count():
            message = await _message(reader)
            if message[:1] == b"X":
                return False
            if not turn:
                self._idle.rotate(-1)
                self.transactions.append(number)
            server[1].write(message)
            ends = _ENDS.get(message[:1], b"")
            while ends:
                answer = await _message(server[0])
                writer.write(answer)
                if answer[:1] == b"Z" and answer[-1:] == b"I":
                    return True
                if answer[:1] in ends:
                    break
        return False


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


async def _start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Mapping[str, str]:
    """What a client asks for when it begins."""
    while True:
        (size,) = struct.unpack("!i", await reader.readexactly(4))
        body = await reader.readexactly(size - 4)
        if struct.unpack("!i", body[:4]) != (SSL_REQUEST,):
            words = body[4:].decode().split("\0")
            return {key: value for key, value in zip(words[::2], words[1::2], strict=False) if key}
        writer.write(b"N")
