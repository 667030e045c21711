"""Bodies with `Content-Encoding: gzip`: inflated up to the limit of a body and not a byte further."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from tocsin.api.asgi import MAX_BODY_BYTES, too_many_bytes
from tocsin.errors import MalformedRequest

GZIP: Final = 16 + zlib.MAX_WBITS
"""Tells zlib to expect a gzip header and to verify length and checksum (RFC 1952)."""
AT_ONCE_BYTES: Final = 128 * 1024
"""What is larger than this when inflated is inflated beside the event loop."""


async def inflated(body: bytes) -> bytes:
    """The content of a body that is exactly one gzip member. Raises TooLarge, MalformedRequest.

    An empty body is empty: clients send the header with requests that have no body at all.
    """
    if not body:
        return body
    inflater = zlib.decompressobj(GZIP)
    try:
        begin = inflater.decompress(body, AT_ONCE_BYTES)
        if inflater.eof or len(begin) < AT_ONCE_BYTES:
            content = begin
        else:
            limit = MAX_BODY_BYTES + 1 - len(begin)
            content = begin + await asyncio.to_thread(inflater.decompress, inflater.unconsumed_tail, limit)
    except zlib.error as error:
        raise MalformedRequest("The body is not gzip, as its Content-Encoding says.") from error
    if len(content) > MAX_BODY_BYTES:
        raise too_many_bytes()
    if not inflater.eof:
        raise MalformedRequest("The body's gzip data ends too early.")
    if inflater.unused_data:
        raise MalformedRequest("Something follows the body's gzip data.")
    return content
