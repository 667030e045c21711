"""Frames between the server and its evaluating processes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.adapters.jq.frames import packed, read_frame, unpacked

PARTS = st.lists(st.binary(max_size=300), max_size=5)


@given(frames=st.lists(PARTS, max_size=4), chunk=st.integers(1, 50))
def test_frames_are_read_as_they_were_written(frames: list[list[bytes]], chunk: int) -> None:
    stream = io.BytesIO(b"".join(packed(parts) for parts in frames))

    def read(size: int) -> bytes:
        return stream.read(min(size, chunk))

    for parts in frames:
        body = read_frame(read)
        assert body is not None
        assert unpacked(body) == parts
    assert read_frame(read) is None


@pytest.mark.parametrize("cut", [1, 3, 4, 9, 12])
def test_a_frame_that_was_cut_is_the_end(cut: int) -> None:
    stream = io.BytesIO(packed((b"abc", b"de"))[:cut])
    assert read_frame(stream.read) is None


def test_a_part_that_is_longer_than_its_frame_is_refused() -> None:
    body = packed((b"abc",))[4:]
    with pytest.raises(ValueError, match="behind its frame"):
        unpacked(body[:-1])
