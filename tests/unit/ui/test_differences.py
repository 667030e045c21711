"""Field by field: what changed between two versions of a record."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tocsin.ui.differences import LONGEST, MOST_FIELDS, differences


def told(before: object, after: object) -> list[tuple[str, str, str, str]]:
    return [(one.sign, one.field, one.before, one.after) for one in differences(before, after).fields]


def test_added_removed_and_changed_fields() -> None:
    before = {"name": "Ann", "city": "Bern", "address": {"street": "Hill 1", "zip": "3000"}, "tags": ["a"]}
    after = {"name": "Anna", "address": {"street": "Hill 2", "zip": "3000"}, "tags": ["a", "b"], "age": 7}
    assert told(before, after) == [
        ("changed", "name", "Ann", "Anna"),
        ("changed", "address.street", "Hill 1", "Hill 2"),
        ("changed", "tags", '["a"]', '["a","b"]'),
        ("added", "age", "", "7"),
        ("removed", "city", "Bern", ""),
    ]
    assert differences(before, after).same == 1


def test_values_that_python_takes_for_equal() -> None:
    assert told({"a": 1, "b": 0, "c": [1], "d": 1}, {"a": True, "b": False, "c": [True], "d": 1.0}) == [
        ("changed", "a", "1", "true"),
        ("changed", "b", "0", "false"),
        ("changed", "c", "[1]", "[true]"),
        ("changed", "d", "1", "1.0"),
    ]


def test_an_object_that_becomes_a_value_and_back() -> None:
    assert told({"a": {"b": 1}}, {"a": None}) == [("added", "a", "", "null"), ("removed", "a.b", "1", "")]
    assert told({"a": {}}, {"a": {"b": {}}}) == [("added", "a.b", "", "{}"), ("removed", "a", "{}", "")]
    assert told({}, {}) == []


def test_much_is_cut() -> None:
    found = differences({}, {f"f{n}": "x" * 1000 for n in range(MOST_FIELDS + 5)})
    assert (len(found.fields), found.more, len(found.fields[0].after)) == (MOST_FIELDS, 5, LONGEST)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@given(objects, objects)
def test_nothing_differs_exactly_when_the_json_is_the_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    is_same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (told(before, after) == []) is is_same
    signs = {"added": "removed", "removed": "added", "changed": "changed"}
    back = {(signs[sign], field, after_, before_) for sign, field, before_, after_ in told(after, before)}
    assert back == set(told(before, after))
