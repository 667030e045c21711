"""A relay on 127.0.0.1 between a client and a server that cuts the connection at a word of the client's."""

from __future__ import annotations

import asyncio
from typing import Literal, Self

from tocsin.receiver.server import stop_listening


class Relay:
    """Passes bytes on. Set `cut`: the next time that `word` is sent, the connection ends before the server has it, or before
    the client has the answer. Everything else passes."""

    def __init__(self, port: int, word: bytes) -> None:
        self._far_port = port
        self._word = word
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut: Literal["before", "after"] | None = None
        self.cuts = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_listening(self._server)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed in the next turn of the loop

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far_port)
        lost = asyncio.Event()
        back = asyncio.create_task(self._back(far_reader, writer, lost))
        try:
            while data := await reader.read(65536):
                if self.cut is not None and self._word in data:
                    how, self.cut = self.cut, None
                    self.cuts += 1
                    if how == "before":
                        break
                    lost.set()
                    far_writer.write(data)
                    await far_writer.drain()
                    await back
                    break
                far_writer.write(data)
                await far_writer.drain()
        except OSError:
            pass
        finally:
            back.cancel()
            writer.transport.abort()
            far_writer.transport.abort()

    @staticmethod
    async def _back(far_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while data := await far_reader.read(65536):
            if lost.is_set():
                return
            writer.write(data)
            await writer.drain()
        writer.close()
