"""Server-sent events, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.client.streaming import Message, messages

STREAM = (
    b'retry: 2000\nid: 0\nevent: watching\ndata: {"tenant":null}\n\n'
    b": heartbeat\n\n"
    b'id: 7\nevent: event\ndata: {"name":"\xc3\xa9",\ndata: "n": 1.10}\n\n'
    b'data:{"plain":true}\n\n'
    b"event: nothing\n\n"
    b'event: cut\ndata: {"lost":1}\n'
)
EXPECTED = [
    Message("watching", '{"tenant":null}', {"tenant": None}, "0"),
    Message("event", '{"name":"\u00e9",\n"n": 1.10}', {"name": "\u00e9", "n": 1.1}, "7"),
    Message("message", '{"plain":true}', {"plain": True}, None),
]


class Cut:
    """Gives bytes in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def read1(self, amount: int, /) -> bytes:
        assert amount > 0
        return self._pieces.pop(0) if self._pieces else b""


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_the_messages_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(places)]
    assert list(messages(Cut(*pieces))) == EXPECTED


@pytest.mark.parametrize("data", [b"no json", b"[1]", b'"text"'])
def test_what_is_no_object_is_no_message_of_ours(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        list(messages(Cut(b"data: " + data + b"\n\n")))
