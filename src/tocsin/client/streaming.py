"""Server-sent events as they arrive: one message after another out of a stream of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple, Protocol

PIECE_BYTES = 65536


class Message(NamedTuple):
    """One server-sent event: its name, its data as it came and decoded, and the id to come back with."""

    name: str
    text: str
    data: dict[str, object]
    id: str | None


class Source(Protocol):
    """Whatever bytes come from; nothing at the end."""

    def read1(self, amount: int, /) -> bytes: ...


def messages(source: Source) -> Iterator[Message]:
    """Until the stream ends. What is cut off at the end is left out, as the standard of server-sent events wants it; so are
    comments, and messages without data. Raises ValueError for data that is not a JSON object."""
    waiting: list[bytes] = []
    while piece := source.read1(PIECE_BYTES):
        if b"\n" not in piece:
            waiting.append(piece)
            continue
        *whole, rest = (b"".join(waiting) + piece).split(b"\n\n")
        waiting = [rest]
        for text in whole:
            if (message := _message(text.decode())) is not None:
                yield message


def _message(text: str) -> Message | None:
    name, identifier = "message", None
    data: list[str] = []
    for line in text.split("\n"):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                name = value
            case "id":
                identifier = value
            case "data":
                data.append(value)
            case _:
                pass
    if not data:
        return None
    joined = "\n".join(data)
    document: object = json.loads(joined)
    if not isinstance(document, dict):
        raise ValueError("the data is not an object")  # noqa: TRY004 (it came from outside)
    return Message(name, joined, document, identifier)
