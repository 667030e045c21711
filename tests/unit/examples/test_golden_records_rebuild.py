"""The example's receiving side: what it applies, drops and complains of."""

from __future__ import annotations

import json

import pytest
from examples.golden_records.golden import Data
from examples.golden_records.rebuild import Rebuilt, differences, read_cloudevents, read_tamr

from tocsin.receiver import Arrival


def arrival(
    webhook_id: str,
    change_type: str,
    record: str,
    version: int,
    number: int = 0,
    data: Data | None = None,
    *,
    status: int = 204,
    verified: bool = True,
) -> Arrival:
    body = {
        "recordId": record,
        "versionId": version,
        "recordNumber": number,
        "changeType": change_type,
        "newData": data or {},
    }
    return Arrival(
        number=1, at=0.0, method="POST", path="/", headers={"webhook-id": webhook_id},
        body=json.dumps({"data": body}).encode(), status=status, verified=verified, problem=None, is_duplicate=False,
        connection=1,
    )  # fmt: skip


def rebuilt(*arrivals: Arrival, loses: str | None = None) -> Rebuilt:
    made = Rebuilt(read_tamr, loses=loses)
    for each in arrivals:
        made.arrive(each)
    return made


MERGED = (
    arrival("a", "CREATE", "r1", 1, data={"n": 1}),
    arrival("b", "CREATE", "r2", 2, data={"n": 2}),
    arrival("c", "UPDATE", "r1", 3, 0, {"n": 3}),
    arrival("d", "DELETE", "r2", 3, 1),
)


def test_a_merge_and_its_undoing() -> None:
    made = rebuilt(*MERGED, arrival("e", "UPDATE", "r1", 4, 0, {"n": 1}), arrival("f", "CREATE", "r2", 4, 1, {"n": 2}))
    assert made.table == {"r1": {"n": 1}, "r2": {"n": 2}}
    assert (made.faults, made.applied) == ([], 6)


def test_the_same_webhook_again_is_dropped() -> None:
    made = rebuilt(*MERGED, MERGED[1])
    assert made.table == {"r1": {"n": 3}}
    assert (made.faults, made.applied, made.duplicates) == ([], 4, 1)


@pytest.mark.parametrize(
    ("arrivals", "fault"),
    [
        ((MERGED[2], MERGED[0]), "r1: version (1, 0) came after (3, 0)"),
        ((MERGED[1], MERGED[3]), "r2: part 1 of version 3 came before part 0"),
        ((MERGED[2],), "r1: UPDATE of version 3, but it is not there"),
        ((MERGED[0], arrival("x", "CREATE", "r1", 9)), "r1: CREATE of version 9, but it is there"),
        (
            (arrival("x", "CREATE", "r1", 9, verified=False, status=401),),
            "request 1 is not signed as it should be: None",
        ),
    ],
)
def test_what_should_not_be_is_a_fault(arrivals: tuple[Arrival, ...], fault: str) -> None:
    assert fault in rebuilt(*arrivals).faults


def test_of_the_failing_answers_some_have_been_applied() -> None:
    made = rebuilt(*(arrival(f"w{n}", "CREATE", f"r{n}", n, status=500) for n in range(1, 101)))
    assert made.failed == 100
    assert 20 < made.applied == len(made.table) < 80


def test_a_lost_webhook_is_seen() -> None:
    made = rebuilt(*MERGED[:2], loses="r1")
    assert made.applied == 2
    assert differences({"r1": {"n": 1}, "r2": {"n": 2}}, made.table) == ["r1: missing"]


def test_differences() -> None:
    assert differences({"a": {"x": 1}}, {"a": {"x": 1}}) == []
    golden = {"a": {"x": 1, "y": 2}, "b": {}}
    assert differences(golden, {"a": {"x": 1, "y": 3, "z": 4}, "c": {}}) == [
        "a: y is 3, not 2",
        "a: z is 4, not None",
        "b: missing",
        "c: should not be there",
    ]


def test_both_formats_say_the_same() -> None:
    tamr = {"recordId": "r", "versionId": 1, "recordNumber": 0, "changeType": "CREATE", "newData": {"n": 1}}
    own = {"record_id": "r", "version_id": 1, "record_number": 0, "change_type": "CREATE", "new_data": {"n": 1}}
    assert read_tamr({"data": tamr}) == read_cloudevents({"data": own})
    with pytest.raises(TypeError):
        read_tamr({"data": []})
