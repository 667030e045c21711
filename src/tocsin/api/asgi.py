"""The little of ASGI that the accept routes need: read a body within limits, answer with bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Final

import msgspec

from tocsin.errors import MalformedRequest, TocsinError, TooLarge, UnsupportedMediaType

Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
DISCARDED_BYTES: Final = 4 * MAX_BODY_BYTES
"""Up to here a body that is too large is still read before it is refused."""

_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")


class Disconnected(Exception):
    """The client went away before its request was complete."""


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises TooLarge, Disconnected.

    A body that is too large is read on and thrown away for a while: a client that is still sending would not see the answer.
    """
    message = await receive()
    body = _chunk(message)
    if not message.get("more_body", False):
        if len(body) > MAX_BODY_BYTES:
            raise too_many_bytes()
        return body
    chunks = [body]
    size = len(body)
    while message.get("more_body", False) and size <= DISCARDED_BYTES:
        message = await receive()
        chunk = _chunk(message)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            chunks.clear()
        else:
            chunks.append(chunk)
    if size > MAX_BODY_BYTES:
        raise too_many_bytes()
    return b"".join(chunks)


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise Disconnected
    body = message.get("body", b"")
    assert isinstance(body, bytes)
    return body


def too_many_bytes() -> TooLarge:
    """The problem of a body beyond the limit."""
    return TooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")


def check_length(value: bytes) -> None:
    """Judges a Content-Length before anything is read. Raises TooLarge, MalformedRequest."""
    if not value.isdigit():
        raise MalformedRequest("Content-Length is not a number.")
    if len(value) > 12 or int(value) > DISCARDED_BYTES:
        raise too_many_bytes()


def check_encoding(value: bytes) -> None:
    """Compressed bodies are not read here. Raises UnsupportedMediaType."""
    if value.lower() not in {b"", b"identity"}:
        raise UnsupportedMediaType("Send the body without Content-Encoding.")


def problem_headers(problem: TocsinError) -> list[tuple[bytes, bytes]]:
    """The headers that belong to a problem, beside its length."""
    headers = [_PROBLEM]
    if problem.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="tocsin"'))
    if "retry_after_seconds" in problem.members:
        headers.append((b"retry-after", str(problem.members["retry_after_seconds"]).encode()))
    if problem.status == 413:
        headers.append((b"connection", b"close"))
    return headers


async def send_problem(send: Send, problem: TocsinError, *more: tuple[bytes, bytes]) -> None:
    """Answer with a problem document (RFC 9457)."""
    headers = [*problem_headers(problem), *more]
    await send_bytes(send, problem.status, headers, msgspec.json.encode(problem.problem()))


async def send_json(send: Send, status: int, body: bytes) -> None:
    """Answer with JSON bytes."""
    await send_bytes(send, status, [_JSON], body)


async def send_bytes(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Answer with bytes; their length is added to the headers."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
