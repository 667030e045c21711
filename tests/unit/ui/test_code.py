"""JSON as it is shown: nothing is lost."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.ui.code import MAX_COLOURED, MAX_INDENTED, Token, pretty, tokens
from tocsin.ui.differences import Difference, differences

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_pretty_text_is_the_same_document(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    shown = pretty(text)
    assert json.loads(shown) == value
    assert shown == json.dumps(value, ensure_ascii=ascii_only, indent=2)
    assert "".join(token.text for token in tokens(shown)) == shown


@given(st.text())
def test_tokens_are_the_text(text: str) -> None:
    assert "".join(token.text for token in tokens(text)) == text


def test_digits_names_and_order_stay() -> None:
    text = '{"b":1.10,"a":12345678901234567890.5,"b":[1e5,{}]}'
    assert pretty(text).replace("\n", "").replace(" ", "") == text
    assert pretty(b"\xff no JSON") == "\ufffd no JSON"


def test_kinds_of_tokens() -> None:
    found = tokens('{"a": ["b", 1.5, true]}')
    assert [(token.kind, token.text) for token in found if token.kind] == [
        ("key", '"a"'),
        ("string", '"b"'),
        ("number", "1.5"),
        ("word", "true"),
    ]
    long = "1 " * MAX_COLOURED
    assert tokens(long) == [Token(text=long)]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": True}, [("a", "1", "true")]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "d": None}}, [("a.c", "2", None), ("a.d", None, "null")]),
        ({"a": [1]}, {"a": [1, 2]}, [("a", "[1]", "[1, 2]")]),
    ],
)
def test_differences(before: object, after: object, found: list[tuple[str, str | None, str | None]]) -> None:
    assert differences(before, after) == [Difference(field=f, before=b, after=a) for f, b, a in found]


def test_what_is_nested_too_deeply_is_left_alone() -> None:
    """It comes from producers and receivers: it must neither break the page nor grow without bounds."""
    deep = "[" * 5000 + "]" * 5000
    assert pretty(deep) == deep
    wide = "[" * 500 + ",".join(["1"] * 50_000) + "]" * 500
    assert pretty(wide) == wide


def test_what_is_too_long_is_left_alone() -> None:
    long = '{"a":"' + "a" * MAX_INDENTED + '"}'
    assert pretty(long) == long
