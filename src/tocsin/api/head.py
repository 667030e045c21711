"""The headers of a request that are looked at, and the body as they describe it."""

from __future__ import annotations

from typing import Final

from tocsin.api.asgi import DISCARDED_BYTES, Headers, Receive, read_body, too_many_bytes
from tocsin.api.inflating import inflated
from tocsin.errors import InvalidRequest, MalformedRequest, UnsupportedMediaType

_READ: Final = frozenset(
    {b"authorization", b"content-encoding", b"content-length", b"content-type", b"idempotency-key"}
)
"""Of these there is one, or none: of two, a proxy in front might have looked at the other."""


class Head:
    """What is looked at in a request's headers. `ce` are the `ce-` headers, without that prefix; `length` is the Content-Length,
    None when there is none."""

    __slots__ = ("authorization", "ce", "content_type", "idempotency_key", "is_gzip", "length")

    def __init__(self, headers: Headers) -> None:
        """Raises MalformedRequest, TooLarge, UnsupportedMediaType, InvalidRequest."""
        found: dict[bytes, bytes] = {}
        self.ce: dict[str, str] = {}
        for name, value in headers:
            if name in _READ:
                if name in found:
                    raise MalformedRequest(f"There is more than one {name.decode().title()}.")
                found[name] = value
            elif name[:3] == b"ce-":
                attribute = name[3:].decode("latin-1")
                if attribute in self.ce:
                    raise InvalidRequest.at(f"ce-{attribute}", "The attribute is there twice.")
                self.ce[attribute] = value.decode("latin-1")
        self.authorization = found.get(b"authorization")
        self.idempotency_key = found.get(b"idempotency-key")
        self.content_type = found.get(b"content-type", b"").decode("latin-1").strip()
        self.length = _length(found[b"content-length"]) if b"content-length" in found else None
        self.is_gzip = _is_gzip(found.get(b"content-encoding", b""))


async def read_content(receive: Receive, head: Head) -> bytes:
    """The body without its Content-Encoding. Raises TooLarge, MalformedRequest, Disconnected."""
    body = await read_body(receive)
    return await inflated(body) if head.is_gzip else body


def _length(value: bytes) -> int:
    """The length of the body, judged before anything is read."""
    if not value.isdigit():
        raise MalformedRequest("Content-Length is not a number.")
    if len(value) > 12 or int(value) > DISCARDED_BYTES:
        raise too_many_bytes()
    return int(value)


def _is_gzip(encoding: bytes) -> bool:
    name = encoding.strip().lower()
    if name not in {b"", b"identity", b"gzip", b"x-gzip"}:
        raise UnsupportedMediaType("Send the body with Content-Encoding: gzip, or without any.")
    return name.endswith(b"gzip")
