"""The little of ASGI that the accept routes need: read a body within limits, answer with bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, MutableMapping
from typing import Final, Protocol

import msgspec

from tocsin.errors import TocsinError, TooLarge
from tocsin.telemetry import log

Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
DISCARDED_BYTES: Final = 4 * MAX_BODY_BYTES
"""Up to here a body that is too large is still read before it is refused."""

NOTHING_LOADED: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
"""What every answer tells a browser. Strict-Transport-Security is for whoever ends TLS to say."""

JSON_TYPE: Final = (b"content-type", b"application/json")
CLOSE: Final = (b"connection", b"close")
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


def problem_headers(problem: TocsinError) -> list[tuple[bytes, bytes]]:
    """The headers that belong to a problem, beside its length."""
    headers = [_PROBLEM]
    if problem.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="tocsin"'))
    if "retry_after_seconds" in problem.members:
        headers.append((b"retry-after", str(problem.members["retry_after_seconds"]).encode()))
    if problem.status == 413:
        headers.append(CLOSE)
    return headers


async def send_problem(send: Send, problem: TocsinError, *more: tuple[bytes, bytes]) -> None:
    """Answer with a problem document (RFC 9457)."""
    headers = [*problem_headers(problem), *more]
    await send_bytes(send, problem.status, headers, msgspec.json.encode(problem.problem()))


async def send_json(send: Send, status: int, body: bytes) -> None:
    """Answer with JSON bytes."""
    await send_bytes(send, status, [JSON_TYPE], body)


class Stream(Protocol):
    """A body that is made while it is sent."""

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """Piece by piece, until it is over."""

    def close(self) -> None:
        """Nobody takes it any more, or nobody ever will; may be called again."""


async def send_stream(
    receive: Receive,
    send: Send,
    headers: list[tuple[bytes, bytes]],
    stream: Stream,
    policy: tuple[bytes, bytes] = NOTHING_LOADED,
) -> None:
    """Answer with a stream, until it is over or the client is gone."""
    gone = asyncio.create_task(_close_when_gone(receive, stream))
    try:
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, policy, *SECURITY_HEADERS]})
        async for chunk in stream.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})
    except Exception as fault:  # noqa: BLE001 (it is too late for a problem: the connection is closed before the end of the body)
        log.error("stream.fault", exc_info=fault)
    finally:
        gone.cancel()
        stream.close()


async def _close_when_gone(receive: Receive, stream: Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    stream.close()


async def send_bytes(
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    policy: tuple[bytes, bytes] = NOTHING_LOADED,
) -> None:
    """Answer with bytes. Their length, the policy for browsers and the other security headers are added to the headers."""
    headers = [*headers, policy, *SECURITY_HEADERS]
    if status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
