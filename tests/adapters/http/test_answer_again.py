"""An answer that was read before is not parsed again; what comes of it is what a reader would say that never saw it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.adapters.http import answer
from tocsin.adapters.http.answer import AnswerReader
from tocsin.adapters.http.limits import SenderLimits
from tocsin.model.exchange import Response, TransportFailure

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
AFTER_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + OK
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TOO_MUCH = OK + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + 2000 * b"x"
ANSWERS = (OK, EMPTY, BUSY, AFTER_HINTS, CHUNKED, LONG)
Read = tuple[TransportFailure | None, Response | None, bool]


def read(reader: AnswerReader, pieces: Sequence[bytes]) -> Read:
    for piece in pieces:
        failure = reader.feed(piece)
        if failure is not None:
            return failure, None, False
    assert reader.is_complete
    return None, reader.response(), reader.is_reusable


def fresh(pieces: Sequence[bytes]) -> Read:
    return read(AnswerReader(SenderLimits()), pieces)


@given(st.lists(st.tuples(st.sampled_from(ANSWERS), st.integers(0, 12)), min_size=1, max_size=12))
def test_answers_one_after_the_other_are_read_as_if_each_were_the_first(answers: list[tuple[bytes, int]]) -> None:
    """Each in one read, or in two."""
    reader = AnswerReader(SenderLimits())
    for data, cut in answers:
        pieces = [data[:cut], data[cut:]] if cut else [data]
        assert read(reader, pieces) == fresh(pieces)
        reader.reset()


def test_the_same_answer_is_not_parsed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = AnswerReader(SenderLimits())
    first = read(reader, [OK])
    reader.reset()
    monkeypatch.setattr(AnswerReader, "_kept_headers", None)  # nothing is read out of it any more
    assert read(reader, [OK]) == first
    assert reader.response() is first[1]


@pytest.mark.parametrize("other", [LAST, TOO_MUCH, OK + b"\0"], ids=["the last one", "two", "a byte more"])
def test_an_answer_after_which_nothing_can_be_sent_is_never_taken_for_a_known_one(other: bytes) -> None:
    reader = AnswerReader(SenderLimits())
    for _ in range(3):
        read(reader, [OK])
        reader.reset()
    assert read(reader, [other]) == fresh([other])
    assert not reader.is_reusable


def test_a_long_answer_is_not_kept() -> None:
    reader = AnswerReader(SenderLimits())
    read(reader, [LONG])
    assert len(LONG) > answer._KNOWN_BYTES
    assert reader._known == b""
