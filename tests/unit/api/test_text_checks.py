"""What every JSON body must be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api.text_checks import MAX_DEPTH, check_json_bytes, check_text, has_bad_text
from tocsin.errors import InvalidRequest, MalformedJson


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("body", [b"\xff", b'{"a":"\xc3\x28"}', b'"\xed\xa0\x80"', b"\xf8\x88\x80\x80\x80"])
def test_what_is_not_utf8_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        check_json_bytes(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        nested(MAX_DEPTH),
        b"[" + b"[]," * 5000 + b"[]]",
        b"[" + b",".join([nested(20)] * 100) + b"]",
        b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH,
        json.dumps("[{" * 5000).encode(),
        json.dumps(["[[[" * 100, "]]]" * 100, '"[[' * 100]).encode(),
        b"]" * 1000,
        b"[" * 1000,
    ],
)
def test_nesting_within_reason_passes_whatever_strings_hold(body: bytes) -> None:
    check_json_bytes(body)


@pytest.mark.parametrize(
    "body",
    [
        nested(MAX_DEPTH + 2),
        nested(5000),
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b"[1," + nested(100) + b',"x"]',
        b'["]]]]",' + nested(MAX_DEPTH) + b"]",
        b'["]",' * (MAX_DEPTH + 1) + b"1" + b"]" * (MAX_DEPTH + 1),
        rb'["\\\\",' * (MAX_DEPTH + 1) + b"1" + b"]" * (MAX_DEPTH + 1),
        rb'["\\\"]",' * (MAX_DEPTH + 1) + b"1" + b"]" * (MAX_DEPTH + 1),
    ],
)
def test_deeper_nesting_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        check_json_bytes(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values, st.booleans())
def test_valid_documents_pass_every_check(document: object, ascii_only: bool) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    if "\\u0000" not in json.dumps(document):
        check_json_bytes(body)
        check_text(body)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (rb'"\u0000"', ""),
        (rb'{"a":"x\u0000y"}', "/a"),
        (rb'{"a":[1,{"b/c":"\ud800"}]}', "/a/1/b~1c"),
        (rb'{"a":"\udc00\ud800"}', "/a"),
        (rb'{"a":"\uD83D"}', "/a"),
        (rb'{"a":"\ud83d\ud83d\ude00"}', "/a"),
        (rb'{"ok":1,"list":["fine","\\\u0000"]}', "/list/1"),
        (rb'{"outer":{"\u0000":1}}', "/outer"),
    ],
)
def test_nul_and_lone_surrogates_are_refused_where_they_are(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_text(body)
    assert [error.pointer for error in caught.value.errors] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        rb'"\\u0000"',
        rb'"\\\\u0000"',
        rb'"\\ud800"',
        rb'"\ud83d\ude00"',
        rb'"\uD83D\uDE00 and \u00e9"',
        rb'"\u0001"',
        rb'"\u00000"'.replace(b"\\u0000", b"\\u0010"),
    ],
)
def test_escapes_that_only_look_alike_pass(body: bytes) -> None:
    json.loads(body)
    check_text(body)


@given(st.text(st.characters() | st.sampled_from('\0\ud800\udfff\\u"0dD'), max_size=12))
def test_bad_text_is_found_exactly_when_it_is_there(text: str) -> None:
    decoded = json.loads(json.dumps(text))
    is_bad = "\0" in decoded or any("\ud800" <= character <= "\udfff" for character in decoded)
    assert has_bad_text(json.dumps(text).encode()) is is_bad


def test_a_bad_escape_in_what_is_no_json_is_malformed() -> None:
    with pytest.raises(MalformedJson):
        check_text(rb'{"a": "\u0000"')
