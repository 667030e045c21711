"""Record changes, read from JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api.change_decoding import decode_changes
from tocsin.errors import InvalidRequest, MalformedJson
from tocsin.model.record import Action

RECORD = {"id": "r1", "data": {"name": "Ann"}}
GOOD: dict[str, dict[str, object]] = {
    "create": {"record": RECORD},
    "update": {"record": RECORD},
    "enrich": {"record": RECORD},
    "delete": {"record": {"id": "r1"}},
    "merge": {"record": RECORD, "retired": {"id": "r2"}},
    "unmerge": {"record": RECORD, "resurrected": {"id": "r2", "data": {"name": "Bo"}}},
}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("action", GOOD)
def test_each_action_is_read(action: str) -> None:
    tenant, changes = decode_changes(encoded({"action": action} | GOOD[action]))
    (change,) = changes.items
    assert (tenant, changes.single) == (None, True)
    assert (change.action, change.table, change.record_id) == (Action(action), "default", "r1")
    assert change.data == (b"{}" if action == "delete" else b'{"name": "Ann"}')
    assert change.retired_id == ("r2" if action == "merge" else None)
    assert change.resurrected_id == ("r2" if action == "unmerge" else None)
    assert change.resurrected_data == (b'{"name": "Bo"}' if action == "unmerge" else b"{}")
    assert (change.version_id, change.time, len(change.content_hash)) == (None, None, 16)


def test_data_stays_the_bytes_that_came() -> None:
    body = (
        b'{"record": {"data" :  {"b":1.10,  "a":[ "\\u00e9" ], "b2":12345678901234567890} ,"id":"x"},"action":"create"}'
    )
    (change,) = decode_changes(body)[1].items
    assert change.data == b'{"b":1.10,  "a":[ "\\u00e9" ], "b2":12345678901234567890}'


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"action": "rename", "record": RECORD}, "/action"),
        ({"record": RECORD}, "/action"),
        ({"action": "create"}, "/record"),
        ({"action": "create", "record": {"data": {}}}, "/record/id"),
        ({"action": "create", "record": {"id": "", "data": {}}}, "/record/id"),
        ({"action": "create", "record": {"id": "x" * 513, "data": {}}}, "/record/id"),
        ({"action": "create", "record": {"id": "r1"}}, "/record/data"),
        ({"action": "create", "record": {"id": "r1", "data": None}}, "/record/data"),
        ({"action": "create", "record": {"id": "r1", "data": [1]}}, "/record/data"),
        ({"action": "create", "record": RECORD | {"x": 1}}, "/record/x"),
        ({"action": "delete", "record": RECORD}, "/record/data"),
        ({"action": "merge", "record": RECORD}, "/retired"),
        ({"action": "merge", "record": {"id": "r1"}, "retired": {"id": "r2"}}, "/record/data"),
        ({"action": "merge", "record": RECORD, "retired": {"id": "r1"}}, "/retired/id"),
        ({"action": "merge", "record": RECORD, "retired": {"id": "r2", "data": {}}}, "/retired/data"),
        ({"action": "create", "record": RECORD, "retired": {"id": "r2"}}, "/retired"),
        ({"action": "unmerge", "record": RECORD}, "/resurrected"),
        ({"action": "unmerge", "record": RECORD, "resurrected": {"id": "r2"}}, "/resurrected/data"),
        ({"action": "unmerge", "record": RECORD, "resurrected": {"id": "r1", "data": {}}}, "/resurrected/id"),
        ({"action": "merge", "record": RECORD, "retired": {"id": "r2"}, "resurrected": RECORD}, "/resurrected"),
        ({"action": "create", "record": RECORD, "table": ""}, "/table"),
        ({"action": "create", "record": RECORD, "table": "a/b"}, "/table"),
        ({"action": "create", "record": RECORD, "version_id": 0}, "/version_id"),
        ({"action": "create", "record": RECORD, "version_id": 2**63}, "/version_id"),
        ({"action": "create", "record": RECORD, "version_id": "1"}, "/version_id"),
        ({"action": "create", "record": RECORD, "time": "now"}, "/time"),
        ({"action": "create", "record": {"id": "r1", "data": {"a": ["\0"]}}}, "/record/data/a/0"),
    ],
)
def test_a_bad_field_is_pointed_at(document: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_changes(encoded(document))
    assert [error.pointer for error in caught.value.errors] == [pointer]
    with pytest.raises(InvalidRequest) as caught:
        decode_changes(encoded([{"action": "create", "record": RECORD}, document]))
    assert [error.pointer for error in caught.value.errors] == [f"/1{pointer}"]


def test_numbers_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_changes(b'{"action":"create","record":{"id":"r","data":{"a":1e999}}}')
    assert caught.value.errors[0].pointer == "/record/data"


@pytest.mark.parametrize("data", [b'{"a":\xff}', b'{"a":"\xc3\x28"}', b'{"a":01}', b"{'a':1}", b'{"a":1'])
def test_data_that_is_not_json_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedJson):
        decode_changes(b'{"action":"create","record":{"id":"r","data":' + data + b"}}")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text("abc", max_size=3), values, max_size=4)


def content_hash(data: dict[str, object], *, spaces: bool = False, table: str = "t", record_id: str = "r") -> bytes:
    document = {"action": "update", "table": table, "record": {"id": record_id, "data": data}}
    body = json.dumps(document, indent=2 if spaces else None, ensure_ascii=spaces).encode()
    return decode_changes(body)[1].items[0].content_hash


def reversed_keys(value: object) -> object:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@given(objects)
def test_the_same_content_has_the_same_hash_however_it_is_written(data: dict[str, object]) -> None:
    turned = reversed_keys(data)
    assert isinstance(turned, dict)
    assert content_hash(data) == content_hash(turned, spaces=True)


@given(objects, objects)
def test_other_content_has_another_hash(one: dict[str, object], other: dict[str, object]) -> None:
    if json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
        assert content_hash(one) != content_hash(other)


def test_names_take_part_in_the_hash() -> None:
    hashes = {
        content_hash({}),
        content_hash({}, table="u"),
        content_hash({}, record_id="s"),
        decode_changes(encoded({"action": "create", "table": "t", "record": {"id": "r", "data": {}}}))[1]
        .items[0]
        .content_hash,
    }
    assert len(hashes) == 4
