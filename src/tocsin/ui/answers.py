"""What a page answers: bytes, a way on, or a stream; and the headers that tell a browser what it may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec

from tocsin.model.noun import Noun

HTML: Final = "text/html; charset=utf-8"
EVENTS: Final = "text/event-stream"
Header = tuple[bytes, bytes]

POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SECURITY_HEADERS: Final[tuple[Header, ...]] = (
    (b"content-security-policy", POLICY),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
NO_STORE: Final[Header] = (b"cache-control", b"no-store")
AS_IT_COMES: Final[Header] = (b"x-accel-buffering", b"no")
"""For proxies that would gather a stream before they pass it on."""


class Reply(Noun, frozen=True, kw_only=True):
    """A whole answer, kept by nobody. `draw` makes its body where that takes longer than the event loop should be held up."""

    status: int = 200
    body: bytes = b""
    draw: Callable[[], bytes] | None = None
    content_type: str = HTML
    headers: tuple[Header, ...] = ()


class Stream(Noun, frozen=True, kw_only=True):
    """An answer that goes on, as server-sent events; its chunks end with the server, or are closed when the browser goes."""

    chunks: AsyncGenerator[bytes, None]
    content_type: str = EVENTS


Answer = Reply | Stream


async def drawn(answer: Answer) -> Answer:
    """The same with its body made, in another thread."""
    if isinstance(answer, Stream) or answer.draw is None:
        return answer
    return msgspec.structs.replace(answer, body=await asyncio.to_thread(answer.draw), draw=None)


def redirect(url: str, *headers: Header) -> Reply:
    """To another page, by GET."""
    return Reply(status=303, headers=((b"location", url.encode()), *headers))
