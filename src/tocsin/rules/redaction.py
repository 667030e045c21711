"""Takes secrets out of what a receiver sent back: some echo the request, credentials and all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote_plus

import msgspec

from tocsin.model.exchange import Response

MASK: Final = "***"
SHORTEST: Final = 4
"""A shorter value is left: it would be found everywhere, and says nothing."""
_MASK_BYTES: Final = MASK.encode()


def spellings(values: Iterable[str]) -> tuple[bytes, ...]:
    """Each value as it may come back: as it is, inside JSON, inside a URL. The longest first, so that no part of one is left."""
    found = {
        spelling.encode()
        for value in values
        if len(value) >= SHORTEST
        for spelling in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote_plus(value))
    }
    return tuple(sorted(found, key=lambda spelling: (-len(spelling), spelling)))


def without(hidden: tuple[bytes, ...], response: Response) -> Response:
    """The response with every hidden value masked; the same object when there was none in it."""
    body = response.body
    for value in hidden:
        if value in body:
            body = body.replace(value, _MASK_BYTES)
    headers = response.headers
    texts = tuple(value.decode("latin-1") for value in hidden)
    if any(text in field for _, field in headers for text in texts):
        headers = tuple((name, _masked(field, texts)) for name, field in headers)
    if body is response.body and headers is response.headers:
        return response
    return msgspec.structs.replace(response, body=body, headers=headers)


def masked(text: str, hidden: tuple[bytes, ...]) -> str:
    """A decoded text with every hidden value masked."""
    return _masked(text, tuple(value.decode() for value in hidden))


def _masked(field: str, texts: tuple[str, ...]) -> str:
    for text in texts:
        field = field.replace(text, MASK)
    return field
