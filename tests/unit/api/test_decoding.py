"""Reports and data versions, read from JSON."""

import json

import pytest

from tocsin.api.decoding import MAX_ITEMS, decode_data_versions, decode_reports
from tocsin.errors import InvalidRequest, MalformedJson, TocsinError, TooLarge
from tocsin.model.job import JobError, JobState, Report, Resource, Signal
from tocsin.model.record import DataVersion

FULL = {
    "job_id": "job-1",
    "job_type": "load_source",
    "mode": "realtime",
    "name": "Nightly load",
    "state": "failed",
    "time": "2026-11-22T10:00:00.250+02:00",
    "details": "Loading",
    "error": {"reason": "LOAD_FAILED", "message": "no"},
    "resources": [{"kind": "source", "id": "src-1", "name": "Customers"}, {"kind": "workflow", "id": "w"}],
    "parent_job_id": "job-0",
    "root_job_id": "job-00",
    "attributes": {"a": {"b": [1, None, True]}},
    "labels": {"team": "mdm"},
    "overdue_after_seconds": 3600,
    "restart": True,
    "tenant": "acme",
}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def pointers(problem: TocsinError) -> list[str]:
    return [error.pointer for error in problem.errors]


def test_a_full_report_keeps_every_field() -> None:
    tenant, reports = decode_reports(encoded(FULL))
    assert tenant == "acme"
    assert reports.single
    assert reports.items == (
        Report(
            job_id="job-1",
            job_type="load_source",
            mode="realtime",
            name="Nightly load",
            state=JobState.FAILED,
            time=1795334400250,
            details="Loading",
            error=JobError(reason="LOAD_FAILED", message="no"),
            resources=(Resource(kind="source", id="src-1", name="Customers"), Resource(kind="workflow", id="w")),
            parent_job_id="job-0",
            root_job_id="job-00",
            attributes={"a": {"b": [1, None, True]}},
            labels={"team": "mdm"},
            overdue_after_seconds=3600,
            restart=True,
        ),
    )


def test_what_is_not_given_is_none_and_null_is_the_same() -> None:
    _, plain = decode_reports(b'{"job_id":"j"}')
    _, nulls = decode_reports(encoded({"job_id": "j"} | dict.fromkeys(set(FULL) - {"job_id", "restart"})))
    assert plain == nulls
    assert plain.items == (Report(job_id="j"),)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"job_id": ""}, "/job_id"),
        ({"job_id": 1}, "/job_id"),
        ({"job_id": "x" * 513}, "/job_id"),
        ({"state": "done"}, "/state"),
        ({"signal": "running"}, "/signal"),
        ({"mode": "stream"}, "/mode"),
        ({"time": "yesterday"}, "/time"),
        ({"time": "2026-02-30T00:00:00Z"}, "/time"),
        ({"time": "2026-11-22T10:00:00"}, "/time"),
        ({"error": {"reason": ""}}, "/error/reason"),
        ({"error": {"reason": "x" * 64}}, "/error/reason"),
        ({"error": {"reason": "R", "code": 1}}, "/error/code"),
        ({"error": {}}, "/error/reason"),
        ({"resources": [{"kind": "a", "id": "b"}, {"kind": "a"}]}, "/resources/1/id"),
        ({"attributes": []}, "/attributes"),
        ({"labels": {"a": 1}}, "/labels"),
        ({"overdue_after_seconds": 0}, "/overdue_after_seconds"),
        ({"restart": "yes"}, "/restart"),
        ({"tenant": "a b"}, "/tenant"),
        ({"tenant": ""}, "/tenant"),
        ({"tenant": "x" * 129}, "/tenant"),
        ({"progress": 1}, "/progress"),
        ({"name": "a\0b"}, "/name"),
        ({"attributes": {"deep": ["\ud800"]}}, "/attributes/deep/0"),
    ],
)
def test_a_bad_field_is_pointed_at(change: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_reports(encoded(FULL | change))
    assert pointers(caught.value) == [pointer]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"job_id":"j"} x', b'{"job_id":"\xff"}', b"\xef\xbb\xbf{}", b"nonsense", b"[" * 50_000, b"[1,]"],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        decode_reports(body)


@pytest.mark.parametrize("body", [b"1", b'"text"', b"null", b"true", b"[]", b" \n[ ]"])
def test_json_that_is_no_report_is_invalid(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_reports(body)
    assert pointers(caught.value) == [""]


def test_in_an_array_each_report_stands_alone() -> None:
    documents = [
        {"job_id": "a", "state": "running"},
        {"job_id": "b", "colour": "red"},
        7,
        {"job_id": "c", "time": "soon"},
        {"job_id": "d", "details": "\0"},
        {"job_id": "e", "signal": "synced"},
    ]
    tenant, reports = decode_reports(b"\n " + encoded(documents))
    assert tenant is None
    assert not reports.single
    first, *bad, last = reports.items
    assert (first, last) == (Report(job_id="a", state=JobState.RUNNING), Report(job_id="e", signal=Signal.SYNCED))
    assert [pointers(problem) for problem in bad if isinstance(problem, InvalidRequest)] == [
        ["/colour"],
        [""],
        ["/time"],
        ["/details"],
    ]


def test_an_array_of_good_reports_is_the_same_as_one_by_one() -> None:
    documents = [FULL | {"job_id": f"job-{number}"} for number in range(20)]
    _, together = decode_reports(encoded(documents))
    alone = [decode_reports(encoded(document))[1].items[0] for document in documents]
    assert list(together.items) == alone


def test_the_number_of_items_is_limited() -> None:
    item = {"job_id": "j", "state": "running"}
    _, reports = decode_reports(encoded([item] * MAX_ITEMS))
    assert len(reports.items) == MAX_ITEMS
    with pytest.raises(TooLarge):
        decode_reports(encoded([item] * (MAX_ITEMS + 1)))


@pytest.mark.parametrize(
    ("tenants", "common"),
    [(["a", "a"], "a"), ([None, "a", None], "a"), ([None, None], None)],
)
def test_items_may_name_one_tenant(tenants: list[str | None], common: str | None) -> None:
    items = [{"job_id": "j", "tenant": tenant} for tenant in tenants]
    assert decode_reports(encoded(items))[0] == common


def test_items_must_not_name_two_tenants() -> None:
    items = [{"job_id": "j", "tenant": "a"}, {"job_id": "k"}, {"job_id": "l", "tenant": "b"}]
    with pytest.raises(InvalidRequest) as caught:
        decode_reports(encoded(items))
    assert pointers(caught.value) == ["/2/tenant"]


def test_data_versions_are_read_whole_or_not_at_all() -> None:
    good = {"data_category_id": "c", "data_version": "26", "time": "1970-01-01T00:00:01Z", "tenant": "t"}
    assert decode_data_versions(encoded(good))[1].items == (
        DataVersion(data_category_id="c", data_version="26", time=1000),
    )
    tenant, versions = decode_data_versions(encoded([good, good | {"data_version": "27"}]))
    assert (tenant, len(versions.items), versions.single) == ("t", 2, False)
    for bad, pointer in (({"data_version": 27}, "/1/data_version"), ({"time": "x"}, "/1/time"), ({"x": 1}, "/1/x")):
        with pytest.raises(InvalidRequest) as caught:
            decode_data_versions(encoded([good, good | bad]))
        assert pointers(caught.value) == [pointer]
