"""What the server and an evaluating process say to each other: frames of parts over a pipe.

A frame is a length and so many bytes; in it each part is a length and so many bytes. A length is 4 bytes, big-endian.

A request is the programs and, last, the document that each is evaluated over. The reply is the processor time in
microseconds, then what each program gave, in their order, up to the first that gave no value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final

HEAD: Final = 4


class Gave(IntEnum):
    """The first byte of what a program gave; for a value its JSON text follows, for a failure what jq says of it."""

    VALUE = 0
    NOTHING = 1
    SEVERAL = 2
    FAILURE = 3
    NOT_COMPILED = 4
    TOO_LARGE = 5


def packed(parts: Sequence[bytes]) -> bytes:
    """The frame of these parts, its length in front."""
    body = b"".join(piece for part in parts for piece in (len(part).to_bytes(HEAD, "big"), part))
    return len(body).to_bytes(HEAD, "big") + body


def unpacked(body: bytes) -> list[bytes]:
    """The parts of a frame without its length. ValueError when it does not consist of whole parts."""
    parts: list[bytes] = []
    place = 0
    while place < len(body):
        start = place + HEAD
        place = start + int.from_bytes(body[place:start], "big")
        if place > len(body):
            raise ValueError("a part ends behind its frame")
        parts.append(body[start:place])
    return parts


def read_frame(read: Callable[[int], bytes]) -> bytes | None:
    """The next frame without its length; `read` gives at most so many bytes, none at the end. None at the end, and when the
    other side ended within a frame."""
    head = _read_whole(read, HEAD)
    return None if head is None else _read_whole(read, int.from_bytes(head, "big"))


def _read_whole(read: Callable[[int], bytes], size: int) -> bytes | None:
    pieces: list[bytes] = []
    while size:
        piece = read(size)
        if not piece:
            return None
        size -= len(piece)
        pieces.append(piece)
    return b"".join(pieces)
