"""Backups over HTTP: the answer is the copy itself, so that no API key can make the server write a file somewhere."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from typing import BinaryIO, Final

from tocsin.api.endpoint_routes import nothing_in
from tocsin.api.routing import Reply, Request, Route
from tocsin.errors import Conflict
from tocsin.model.access import Role

CONTENT_TYPE: Final = "application/vnd.sqlite3"
CHUNK_BYTES: Final = 256 * 1024


class FileStream:
    """An open file, piece by piece."""

    __slots__ = ("_file",)

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        while not self._file.closed and (chunk := await asyncio.to_thread(self._read)):
            yield chunk

    def _read(self) -> bytes:
        try:
            return self._file.read(CHUNK_BYTES)
        except ValueError:  # closed in between: nobody takes it any more
            return b""

    def close(self) -> None:
        self._file.close()


async def _make(request: Request) -> Reply:
    nothing_in(request)
    copy = await request.services.backups.make(request.actor())
    return Reply(
        stream=FileStream(copy.file),
        content_type=CONTENT_TYPE,
        headers=(
            (b"content-length", b"%d" % copy.size),
            (b"content-disposition", b'attachment; filename="tocsin.db"'),
            (b"repr-digest", b"sha-256=:%s:" % base64.b64encode(copy.sha256)),
        ),
    )


BACKUP_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/backups",
        name="make_backup",
        summary="Copy the whole database as it is now, while everything goes on. `Repr-Digest` (RFC 9530) tells whether it came through. "
        "Secrets in it stay sealed; the master key is not in it.",
        answer=_make,
        roles=frozenset({Role.OPERATOR}),
        content_type=CONTENT_TYPE,
        is_kept=False,
        problems=(Conflict,),
    ),
)
