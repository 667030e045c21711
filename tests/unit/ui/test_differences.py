"""Field by field: what differs between two JSON documents."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tocsin.ui.differences import differences


def told(before: object, after: object) -> list[tuple[str, str | None, str | None]]:
    return [(one.field, one.before, one.after) for one in differences(before, after)]


def test_added_removed_and_changed_fields() -> None:
    before = {"name": "Ann", "city": "Bern", "address": {"street": "Hill 1", "zip": "3000"}, "tags": ["a"]}
    after = {"name": "Anna", "address": {"street": "Hill 2", "zip": "3000"}, "tags": ["a", "b"], "age": 7}
    assert told(before, after) == [
        ("name", '"Ann"', '"Anna"'),
        ("city", '"Bern"', None),
        ("address.street", '"Hill 1"', '"Hill 2"'),
        ("tags", '["a"]', '["a", "b"]'),
        ("age", None, "7"),
    ]


def test_values_that_python_takes_for_equal() -> None:
    assert told({"a": 1, "b": 0, "c": [1], "d": 1}, {"a": True, "b": False, "c": [True], "d": 1.0}) == [
        ("a", "1", "true"),
        ("b", "0", "false"),
        ("c", "[1]", "[true]"),
        ("d", "1", "1.0"),
    ]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@given(objects, objects)
def test_what_differs_differs_both_ways(before: dict[str, Any], after: dict[str, Any]) -> None:
    if json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True):
        assert told(before, after) == []
    else:
        assert told(before, after) != []
    back = {(field, new, old) for field, old, new in told(after, before)}
    assert back == set(told(before, after))
