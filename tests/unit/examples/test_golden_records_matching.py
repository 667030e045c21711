"""The example's clusters and its matching engine."""

from __future__ import annotations

from examples.golden_records.data import SourceRecord
from examples.golden_records.golden import Engine, survivors
from examples.golden_records.matching import Forest
from hypothesis import given
from hypothesis import strategies as st

ANN = {
    "given_name": "ann",
    "surname": "berry",
    "soc_sec_id": "1000001",
    "date_of_birth": "19700101",
    "postcode": "2000",
}
BOB = {
    "given_name": "bob",
    "surname": "stone",
    "soc_sec_id": "9999999",
    "date_of_birth": "19500505",
    "postcode": "3000",
}


def record(name: str, values: dict[str, str]) -> SourceRecord:
    return SourceRecord(f"dataset1/{name}", (0, name), values)


def actions(engine: Engine, *records: SourceRecord) -> list[tuple[str, int, str, str | None]]:
    changes = [change for each in records for change in engine.read(each)]
    changes += engine.review()
    return [(change.action, change.version_id, change.record, change.other) for change in changes]


def test_a_new_person_then_the_same_again() -> None:
    engine = Engine()
    assert actions(engine, record("a", ANN), record("b", BOB), record("c", ANN | {"postcode": "2001"})) == [
        ("create", 1001, "g00001", None),
        ("create", 1002, "g00002", None),
        ("update", 1003, "g00001", None),
        ("enrich", 1004, "g00001", None),
        ("enrich", 1005, "g00002", None),
    ]
    assert engine.table["g00001"]["sources"] == ["dataset1/a", "dataset1/c"]
    assert engine.table["g00002"]["born_in"] == "1950s"


def test_a_record_that_surely_is_two_merges_them() -> None:
    engine = Engine()
    first = record("a", {"surname": "berry", "soc_sec_id": "1000001"})
    second = record("b", ANN | {"soc_sec_id": "5555555", "postcode": "4000"})
    assert [action for action, *_ in actions(engine, first, second)] == ["create", "create", "enrich", "enrich"]
    assert actions(engine, record("c", ANN)) == [
        ("update", 1005, "g00001", None),
        ("merge", 1006, "g00001", "g00002"),
    ]
    assert list(engine.table) == ["g00001"]
    assert engine.table["g00001"]["sources"] == ["dataset1/a", "dataset1/b", "dataset1/c"]


def test_a_suspicion_is_merged_at_once_and_kept_when_confirmed() -> None:
    engine = Engine()
    typo = {"given_name": "ann", "surname": "bery", "soc_sec_id": "1000002", "postcode": "2000"}
    assert actions(engine, record("a", ANN), record("b", typo)) == [
        ("create", 1001, "g00001", None),
        ("create", 1002, "g00002", None),
        ("merge", 1003, "g00001", "g00002"),
        ("enrich", 1004, "g00001", None),
    ]
    assert list(engine.table) == ["g00001"]


def test_a_suspicion_that_nothing_confirms_is_undone_with_what_joined_since() -> None:
    engine = Engine()
    namesake = BOB | {"surname": "berry", "postcode": "2000"}
    changes = actions(engine, record("a", ANN), record("b", namesake), record("c", namesake | {"given_name": "rob"}))
    assert changes == [
        ("create", 1001, "g00001", None),
        ("create", 1002, "g00002", None),
        ("merge", 1003, "g00001", "g00002"),
        ("update", 1004, "g00001", None),
        ("unmerge", 1005, "g00001", "g00002"),
        ("enrich", 1006, "g00001", None),
        ("enrich", 1007, "g00002", None),
    ]
    assert engine.table["g00001"]["sources"] == ["dataset1/a"]
    assert engine.table["g00002"]["sources"] == ["dataset1/b", "dataset1/c"]


def test_the_very_old_are_erased_and_may_come_again() -> None:
    engine = Engine()
    old = record("a", ANN | {"date_of_birth": "19020101"})
    assert actions(engine, old) == [("create", 1001, "g00001", None), ("delete", 1002, "g00001", None)]
    assert engine.table == {}
    assert actions(engine, old)[0] == ("create", 1003, "g00002", None)


def test_the_value_that_most_records_have_survives() -> None:
    records = [record("a", {"suburb": "here"}), record("b", {"suburb": "there"}), record("c", {"suburb": "there"})]
    assert survivors(records) == {"suburb": "there", "sources": ["dataset1/a", "dataset1/b", "dataset1/c"]}
    other = SourceRecord("dataset3/z", (0, "z"), {"suburb": "yonder"})
    assert survivors([other, records[0]])["suburb"] == "here"
    assert survivors([records[0], records[1]])["suburb"] == "there"


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=60))
def test_the_forest_is_a_partition_whose_unions_can_be_undone(steps: list[tuple[int, int]]) -> None:
    """Against a list of edges: what is connected by the unions not undone is one cluster."""
    forest = Forest()
    records = {str(number): record(str(number), {}) for number in range(8)}
    for part, each in records.items():
        forest.add(part, each)
    edges: dict[str, str] = {}
    for one, other in steps:
        root, second = forest.root(str(one)), forest.root(str(other))
        if root != second:
            forest.merge(root, second)
            edges[second] = root
        elif str(one) in edges:
            forest.unmerge(str(one))
            del edges[str(one)]
    clusters = {part: {part} for part in records}
    for child, parent in edges.items():
        joined = clusters[child] | clusters[parent]
        for part in joined:
            clusters[part] = joined
    for part in records:
        root = forest.root(part)
        assert root in clusters[part]
        assert {each.id for each in forest.records(root)} == {records[name].id for name in clusters[part]}
        assert (root == part) == (part not in edges)
