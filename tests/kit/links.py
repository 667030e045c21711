"""A link on 127.0.0.1 from one client to one server: it passes bytes on, is cut, or falls silent, and heals."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Literal, Self

from tocsin.receiver.server import stop_listening

State = Literal["open", "cut", "silent"]
_HEARD = 65536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset."""


class Link:
    """`cut`: what is open is reset, whoever connects is reset. `silence`: a black hole; nothing passes in either direction, whoever connects
    is taken and hears nothing, and nobody is told when the other end goes. `heal` lets what was held pass on, late, as a
    network does that lost some packets; or resets it (`forget`), as one does that lost its connections."""

    def __init__(self, port: int) -> None:
        self._far_port = port
        self._ends: set[_End] = set()
        self._dials: set[asyncio.Task[None]] = set()
        self._healed = asyncio.Event()
        self._healed.set()
        self.state: State = "open"
        self.sent = 0
        """So many times something came from the client that was passed on."""
        self.heard = bytearray()
        """What came from clients, the first of it."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(lambda: _End(self), "127.0.0.1", 0, backlog=512)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_listening(self._server)
        self.cut()
        for task in tuple(self._dials):
            task.cancel()
        await asyncio.gather(*self._dials, return_exceptions=True)
        self._reset()
        for _ in range(3):  # what was reset is closed in the next turns of the loop
            await asyncio.sleep(0)

    def cut(self) -> None:
        self.state = "cut"
        self._reset()
        self._healed.set()

    def silence(self) -> None:
        self.state = "silent"
        self._healed.clear()
        for end in self._ends:
            end.hold()

    def heal(self, *, forget: bool = False) -> None:
        self.state = "open"
        if forget:
            self._reset()
        self._healed.set()
        for end in tuple(self._ends):
            end.go_on()

    def _reset(self) -> None:
        for end in tuple(self._ends):
            end.reset()

    def joined(self, end: _End) -> None:
        """Somebody connected."""
        self._ends.add(end)
        if self.state == "cut":
            end.reset()
            return
        end.transport.pause_reading()
        task = self._loop.create_task(self._dial(end))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    def left(self, end: _End) -> None:
        self._ends.discard(end)

    async def _dial(self, near: _End) -> None:
        await self._healed.wait()
        if near.transport.is_closing():
            return
        far = _End(self)
        far.other = near
        try:
            await self._loop.create_connection(lambda: far, "127.0.0.1", self._far_port)
        except OSError:
            near.reset()
            return
        near.other = far
        if near.early:  # some versions of Python read on although they were told to pause
            far.transport.write(bytes(near.early))
            near.early.clear()
        if far.transport.is_closing():
            near.reset()
            return
        self._ends.add(far)
        if near.transport.is_closing() or self.state == "cut":
            near.reset()
            far.reset()
        elif self.state == "open":
            near.go_on()
        else:
            far.hold()


class _End(asyncio.Protocol):
    """One end of a connection through a link: what comes here is written at the `other`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.early = bytearray()
        self._is_full = self._has_ended = self._is_near = False
        self.other: _End | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.other is None:
            self._is_near = True
            self._link.joined(self)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.early += data
            return
        self._link.sent += self._is_near
        if self._is_near and len(self._link.heard) < _HEARD:
            self._link.heard += data
        self.other.transport.write(data)

    def eof_received(self) -> bool:
        self._has_ended = True
        if self.other is None or self.other._has_ended:
            return False
        if not self.other.transport.is_closing():
            self.other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other._is_full = True
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other._is_full = False
            self.other.go_on()

    def connection_lost(self, error: Exception | None) -> None:
        self._link.left(self)
        if self.other is not None and not self.other.transport.is_closing():
            if error is None:
                self.other.transport.close()
            else:
                self.other.reset()

    def hold(self) -> None:
        """Read nothing; so nothing is seen of the end of the connection either."""
        self.transport.pause_reading()

    def go_on(self) -> None:
        if self.other is not None and self._link.state == "open" and not self._is_full:
            self.transport.resume_reading()

    def reset(self) -> None:
        found = self.transport.get_extra_info("socket")
        if found is not None and not self.transport.is_closing():
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()
