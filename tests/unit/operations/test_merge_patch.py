"""JSON merge patch: the examples of RFC 7396 that concern objects, and objects that change their kind."""

import pytest

from tocsin.operations.merge_patch import merge_patched


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "b"}, {"a": {"c": 1}}, {"a": {"c": 1}}),
        ({"f": {"kind": "x", "old": 1}}, {"f": {"kind": "y", "new": 2}}, {"f": {"kind": "y", "new": 2}}),
        ({"f": {"kind": "x", "old": 1}}, {"f": {"kind": "x", "new": 2}}, {"f": {"kind": "x", "old": 1, "new": 2}}),
        ({"f": {"kind": "x", "old": 1}}, {"f": {"new": 2}}, {"f": {"kind": "x", "old": 1, "new": 2}}),
    ],
)
def test_merging(target: dict[str, object], patch: dict[str, object], merged: dict[str, object]) -> None:
    before = repr(target)
    assert merge_patched(target, patch) == merged
    assert repr(target) == before


def test_another_mode_replaces_where_there_is_no_kind() -> None:
    batch = {"delivery": {"mode": "batch", "max_events": 5}}
    assert merge_patched(batch, {"delivery": {"mode": "realtime"}}) == {"delivery": {"mode": "realtime"}}
    assert merge_patched(batch, {"delivery": {"max_events": 6}}) == {"delivery": {"mode": "batch", "max_events": 6}}
    binary = {"format": {"kind": "cloudevents", "mode": "binary", "source": "/s"}}
    patched = merge_patched(binary, {"format": {"mode": "structured"}})
    assert patched == {"format": {"kind": "cloudevents", "mode": "structured", "source": "/s"}}
