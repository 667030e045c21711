"""Takes secrets out of what a receiver sent back: some echo the request, credentials and all."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec

from tocsin.model.exchange import HeaderPairs, Response

MASK: Final = "***"
SHORTEST: Final = 4
"""A shorter value, and a shorter piece of one at a cut, is left: it would be found everywhere, and says little."""
_LINE: Final = 24
_MASK_BYTES: Final = MASK.encode()
_FEW_HEADERS: Final = 32
_WHOLE_HEAD: Final = 4096
"""Headers that are shorter than this together were not cut."""
_ESCAPE: Final = re.compile(r"%[0-9A-F]{2}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~ -]+", re.ASCII)
"""What is spelled alike everywhere, but for spaces in URLs."""


def spellings(values: Iterable[str]) -> tuple[bytes, ...]:
    """Each value as it may come back: as it is, inside JSON, a URL, HTML; of a value of many lines (PEM) also each line. The
    longest first, so that no part of one is left."""
    whole = {value for value in values if len(value) >= SHORTEST}
    lines = [line for value in whole if "\n" in value for line in value.split() if len(line) >= _LINE]
    found = {spelling for value in (*whole, *lines) for spelling in _spellings(value)}
    return tuple(sorted(found, key=lambda spelling: (-len(spelling), spelling)))


def _spellings(value: str) -> Iterator[bytes]:
    if _PLAIN.fullmatch(value) is not None:
        yield value.encode()
        if " " in value:
            yield value.replace(" ", "+").encode()
            yield value.replace(" ", "%20").encode()
        return
    with contextlib.suppress(UnicodeEncodeError):
        yield value.encode("latin-1")  # as it was sent in a header
    for escaped in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
        yield escaped.encode()
        yield escaped.replace("/", "\\/").encode()
    for quoted in (quote_plus(value), quote(value), quote(value, safe="")):
        yield quoted.encode()
        yield _ESCAPE.sub(lambda found: found[0].lower(), quoted).encode()
    in_html = html.escape(value)
    yield in_html.encode()
    yield in_html.replace("&quot;", "&#34;").replace("&#x27;", "&#39;").encode()


def without(hidden: tuple[bytes, ...], response: Response) -> Response:
    """The response with every hidden value (the longest first) masked, also one that is cut in two where what was kept of it ends.
    The same object when there was none in it."""
    body, headers = response.body, response.headers
    is_cut = response.body_bytes > len(body)
    if not is_cut and not (hidden and _has_room(len(hidden[-1]), response)):
        return response
    body = _masked(body, hidden)
    if is_cut:
        body = _without_cut_value(body, hidden)
    headers = _headers_without(hidden, headers)
    if body is response.body and headers is response.headers:
        return response
    return msgspec.structs.replace(response, body=body, headers=headers)


def _has_room(shortest: int, response: Response) -> bool:
    """Whether anything in the response is as long as the shortest hidden value: mostly nothing is. Of many headers the last
    may be cut."""
    if len(response.body) >= shortest or len(response.headers) > _FEW_HEADERS:
        return True
    for name, field in response.headers:  # noqa: SIM110 (any() takes twice as long, and every answer comes through here)
        if len(field) >= shortest or len(name) >= shortest:
            return True
    return False


def masked(text: str, hidden: tuple[bytes, ...]) -> str:
    """A decoded text with every hidden value masked."""
    return _masked(text.encode(errors="surrogatepass"), hidden).decode(errors="surrogatepass")


def _headers_without(hidden: tuple[bytes, ...], headers: HeaderPairs) -> HeaderPairs:
    together = "\n".join([text for pair in headers for text in pair]).encode("latin-1", "replace")
    if len(together) > _WHOLE_HEAD:
        name, field = headers[-1]
        headers = (
            *headers[:-1],
            (name, _without_cut_value(_masked(field.encode("latin-1"), hidden), hidden).decode("latin-1")),
        )
    if _masked(together, hidden) is together:
        return headers
    return tuple([(_masked_latin(name, hidden), _masked_latin(field, hidden)) for name, field in headers])


def _masked_latin(text: str, hidden: tuple[bytes, ...]) -> str:
    return _masked(text.encode("latin-1"), hidden).decode("latin-1")


def _masked(data: bytes, hidden: tuple[bytes, ...]) -> bytes:
    """The same object when no value is in it."""
    for value in hidden:
        if value in data:
            data = data.replace(value, _MASK_BYTES)
    return data


def _without_cut_value(data: bytes, hidden: tuple[bytes, ...]) -> bytes:
    """Where the end of the data is the beginning of a value, or all of it, that is masked."""
    end = len(data)
    for value in hidden:
        at = data.find(value[:SHORTEST], max(0, len(data) - len(value)))
        while at != -1 and not value.startswith(data[at:]):
            at = data.find(value[:SHORTEST], at + 1)
        if at != -1:
            end = min(end, at)
    return data if end == len(data) else data[:end] + _MASK_BYTES
