"""HTTP/1.1 as a receiver of webhooks needs it: requests with a Content-Length, keep-alive, one answer after another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

MAX_HEAD: Final = 64 * 1024
MAX_BODY: Final = 64 * 1024 * 1024
REQUEST_SECONDS: Final = 30.0
"""How long a request may take to arrive once its first byte has; idle connections may stay for ever."""
_REQUEST_LINE = re.compile(r"([A-Z]{1,16}) ([!-~]{1,16384}) HTTP/1\.([01])")


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. Header names are lower case; of repeated headers the values are joined by `, `."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class _Refusal(Exception):
    status: int


class RequestProtocol(asyncio.Protocol):
    """One connection. `take` gets a request and this protocol, and calls `answer` now or later, once."""

    __slots__ = ("_buffer", "_busy", "_open", "_request", "_take", "_timer", "_transport")

    def __init__(
        self, take: Callable[[Request, RequestProtocol], None], open_connections: set[RequestProtocol]
    ) -> None:
        self._take = take
        self._open = open_connections
        self._buffer = bytearray()
        self._busy = False
        self._request: Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._open.discard(self)
        self._stop_timer()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._request is None:
            self._advance()
        elif len(self._buffer) > MAX_BODY:
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def answer(self, status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Answer the request that was taken, without a body."""
        if self._transport is None or self._request is None:
            return
        keep_alive = self._request.keep_alive
        self._request = None
        self._write(status, headers, keep_alive=keep_alive)
        if not self._busy:
            self._advance()

    def _advance(self) -> None:
        """Take requests from the buffer, one at a time, while each is answered at once."""
        self._busy = True
        try:
            while self._request is None and self._transport is not None:
                request = self._next_request()
                if request is None:
                    break
                self._request = request
                self._take(request, self)
        except _Refusal as refusal:
            self._write(refusal.status, (), keep_alive=False)
        finally:
            self._busy = False
        if self._request is None and self._buffer and self._timer is None and self._transport is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(REQUEST_SECONDS, self._too_slow)

    def _next_request(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD:
                raise _Refusal(431)
            return None
        method, path, minor, headers = _parse_head(bytes(self._buffer[:end]).decode("latin-1"))
        if "transfer-encoding" in headers:
            raise _Refusal(411)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 12):
            raise _Refusal(400)
        size = int(length)
        if size > MAX_BODY:
            raise _Refusal(413)
        start = end + 4
        if len(self._buffer) < start + size:
            return None
        body = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        self._stop_timer()
        wishes = headers.get("connection", "").lower()
        keep_alive = "close" not in wishes and (minor == "1" or "keep-alive" in wishes)
        return Request(method, path, headers, body, keep_alive)

    def _write(self, status: int, headers: Iterable[tuple[str, str]], *, keep_alive: bool) -> None:
        if self._transport is None:
            return
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{name}: {value}" for name, value in headers)]
        if status != 204:
            lines.append("Content-Length: 0")
        if not keep_alive:
            lines.append("Connection: close")
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if not keep_alive:
            self._transport.close()
            self._transport = None
            self._open.discard(self)

    def _too_slow(self) -> None:
        self._write(408, (), keep_alive=False)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _parse_head(text: str) -> tuple[str, str, str, dict[str, str]]:
    line, *fields = text.split("\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _Refusal(400)
    headers: dict[str, str] = {}
    for field in fields:
        name, colon, value = field.partition(":")
        if not colon or not name or name != name.strip():
            raise _Refusal(400)
        key, value = name.lower(), value.strip(" \t")
        if key in headers and key == "content-length":
            raise _Refusal(400)
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return match[1], match[2], match[3], headers


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Answer"
