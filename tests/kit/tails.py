"""A watcher of the live tail on a real socket: takes one message after another, or does not read at all."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, NamedTuple, Self

import pytest
from tests.kit.server import OPERATOR_KEY, Client

PATIENCE_SECONDS = 20


class Message(NamedTuple):
    """One server-sent event."""

    name: str
    data: Any
    id: str | None


class Watching:
    """`async with Watching(server, "kind=event", key=key) as tail:` begins when the server says that it watches.
    `receive_bytes` is how much the socket takes for one who does not read."""

    def __init__(
        self,
        server: Client,
        query: str = "",
        *,
        key: str = OPERATOR_KEY,
        last_event_id: str | None = None,
        receive_bytes: int = 0,
    ) -> None:
        host, _, port = server.url.removeprefix("http://").partition(":")
        self._at = (host, int(port))
        more = "" if last_event_id is None else f"Last-Event-ID: {last_event_id}\r\n"
        self._asked = f"GET /v1/tail?{query} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n{more}\r\n"
        self._receive_bytes = receive_bytes
        self.head = ""
        self.comments: list[str] = []

    async def __aenter__(self) -> Self:
        opened = socket.socket()
        if self._receive_bytes:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
        opened.connect(self._at)
        self._reader, self._writer = await asyncio.open_connection(sock=opened, limit=8192)
        self._writer.write(self._asked.encode())
        self.head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        if self.status == 200:
            self._left = b""
            self.first = await self.next()
            assert self.first.name == "watching", self.first
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    @property
    def status(self) -> int:
        return int(self.head.split(" ", 2)[1])

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return None

    async def next(self) -> Message:
        """The next message. Raises EOFError when the server closed instead."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                while b"\n\n" not in self._left:
                    self._left += await self._chunk()
                text, _, self._left = self._left.partition(b"\n\n")
                message = self._message(text.decode())
                if message is not None:
                    return message

    async def some(self, count: int) -> list[Message]:
        return [await self.next() for _ in range(count)]

    async def over(self) -> None:
        """Until the answer is complete."""
        assert self._left == b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(EOFError):
                await self._chunk()

    async def _chunk(self) -> bytes:
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        chunk = await self._reader.readexactly(size)
        assert await self._reader.readexactly(2) == b"\r\n"
        if not chunk:
            raise EOFError
        return chunk

    def _message(self, text: str) -> Message | None:
        fields: dict[str, str] = {}
        for line in text.split("\n"):
            name, _, value = line.partition(": ")
            if not name:
                self.comments.append(value)
            else:
                fields[name] = f"{fields[name]}\n{value}" if name in fields else value
        if "data" not in fields:
            return None
        return Message(fields["event"], json.loads(fields["data"]), fields.get("id"))
