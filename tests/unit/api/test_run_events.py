"""OpenLineage events, read from JSON."""

import json
from typing import Any

import pytest

from tocsin.api.decoding import MAX_ITEMS
from tocsin.api.run_events import decode_run_events
from tocsin.errors import InvalidRequest, MalformedJson, TocsinError, TooLarge
from tocsin.model.job import JobError, JobState, Report, Resource, Signal
from tocsin.model.submission import RunEvent

RUN = "0190d5f0-0000-7000-8000-000000000001"
PARENT = "0190d5f0-0000-7000-8000-00000000000a"
ROOT = "0190d5f0-0000-7000-8000-00000000000b"
FACET = {"_producer": "https://example.com/p", "_schemaURL": "https://example.com/s"}
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
MINIMAL: dict[str, Any] = {
    "eventType": "START",
    "eventTime": "2026-11-22T10:00:00.123456Z",
    "run": {"runId": RUN},
    "job": {"namespace": "airflow", "name": "dag.task"},
    "producer": "https://example.com/p",
    "schemaURL": SCHEMA,
}
FULL = MINIMAL | {
    "eventType": "FAIL",
    "run": {
        "runId": RUN,
        "facets": {
            "parent": FACET
            | {
                "run": {"runId": PARENT},
                "job": {"namespace": "airflow", "name": "dag"},
                "root": {"run": {"runId": ROOT}, "job": {"namespace": "airflow", "name": "top"}},
            },
            "errorMessage": FACET | {"message": "no such table", "programmingLanguage": "JAVA", "stackTrace": "..."},
            "nominalTime": FACET
            | {"nominalStartTime": "2026-11-22T03:00:00.000Z", "nominalEndTime": "2026-11-22T04:00:00.000Z"},
            "tags": FACET | {"tags": [{"key": "owner", "value": "mdm", "source": "USER"}]},
            "spark_unknown": {"anything": [1, {"deep": [[[]]]}]},
        },
    },
    "job": {
        "namespace": "airflow",
        "name": "dag.task",
        "facets": {
            "jobType": FACET | {"processingType": "STREAMING", "integration": "SPARK", "jobType": "QUERY"},
            "tags": FACET | {"tags": [{"key": "tier", "value": "1"}]},
            "sql": FACET | {"query": "select 1"},
        },
    },
    "inputs": [
        {"namespace": "postgres://db:5432", "name": "shop.orders", "facets": {"schema": FACET | {"fields": []}}}
    ],
    "outputs": [
        {"namespace": "s3://lake", "name": "orders", "outputFacets": {"outputStatistics": FACET | {"rowCount": 3}}}
    ],
}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def one(document: object) -> Report:
    return event(document).report


def event(document: object) -> RunEvent:
    events = decode_run_events(encoded(document), is_batch=False)
    assert events.single
    (item,) = events.items
    assert isinstance(item, RunEvent)
    return item


def refused(document: object) -> TocsinError:
    with pytest.raises(TocsinError) as caught:
        decode_run_events(document if isinstance(document, bytes) else encoded(document), is_batch=False)
    return caught.value


def pointers(problem: TocsinError) -> list[str]:
    return [error.pointer for error in problem.errors]


def test_everything_that_is_read_becomes_a_report() -> None:
    assert one(FULL) == Report(
        job_id=RUN,
        state=JobState.FAILED,
        job_type="QUERY",
        mode="realtime",
        name="airflow/dag.task",
        time=1795341600123,
        error=JobError(reason="JOB_FAILED", message="no such table"),
        resources=(
            Resource(kind="dataset", id="postgres://db:5432/shop.orders", name="shop.orders"),
            Resource(kind="dataset", id="s3://lake/orders", name="orders"),
        ),
        parent_job_id=PARENT,
        root_job_id=ROOT,
        attributes={
            "job_namespace": "airflow",
            "job_name": "dag.task",
            "producer": "https://example.com/p",
            "integration": "SPARK",
            "nominal_start_time": "2026-11-22T03:00:00.000Z",
            "nominal_end_time": "2026-11-22T04:00:00.000Z",
        },
        labels={"owner": "mdm", "tier": "1"},
    )


def test_what_is_not_said_is_not_known() -> None:
    report = one(MINIMAL)
    absent = (report.job_type, report.mode, report.error, report.resources, report.parent_job_id, report.root_job_id)
    assert absent == (None,) * 6
    assert (report.state, report.signal, report.labels) == (JobState.RUNNING, None, {})


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("START", JobState.RUNNING),
        ("RUNNING", JobState.RUNNING),
        ("COMPLETE", JobState.SUCCEEDED),
        ("FAIL", JobState.FAILED),
        ("ABORT", JobState.STOPPED),
        ("OTHER", None),
        (None, None),
    ],
)
def test_the_states(kind: str | None, state: JobState | None) -> None:
    read = event(MINIMAL | {"eventType": kind})
    assert read.report.state is state
    assert (read.report.signal is Signal.PROGRESSED) is (state is None)
    assert (read.once is None) is (state is not None)


def test_other_is_known_again_by_run_and_time() -> None:
    other = MINIMAL | {"eventType": "OTHER"}
    onces = [event(other).once, event(other | {"eventTime": "2026-11-22T10:00:00.123457Z"}).once]
    onces.append(event(other | {"run": {"runId": PARENT}}).once)
    assert len(set(onces)) == 3
    assert event(other | {"producer": "https://example.com/else"}).once == onces[0]


@pytest.mark.parametrize(
    ("facets", "parent", "root"),
    [
        ({"parent": {"run": {"runId": PARENT}, "job": {"namespace": "n", "name": "j"}}}, PARENT, None),
        ({"parentRun": {"run": {"runId": PARENT}, "job": {"namespace": "n", "name": "j"}}}, PARENT, None),
        ({"parent": {"run": {"runId": PARENT}, "root": {"run": {"runId": ROOT}}}}, PARENT, ROOT),
        ({"parent": {"job": {"namespace": "n", "name": "j"}}}, None, None),
        ({"parent": None, "unknown": 3}, None, None),
        (None, None, None),
    ],
)
def test_the_parent_in_every_shape(facets: object, parent: str | None, root: str | None) -> None:
    report = one(MINIMAL | {"run": {"runId": RUN, "facets": facets}})
    assert (report.parent_job_id, report.root_job_id) == (parent, root)


@pytest.mark.parametrize(
    ("processing", "mode"),
    [("STREAMING", "realtime"), ("streaming", "realtime"), ("SERVICE", "realtime"), ("BATCH", "batch"), (None, None)],
)
def test_the_mode(processing: str | None, mode: str | None) -> None:
    facets = {"jobType": {"processingType": processing, "integration": "DBT"}}
    report = one(MINIMAL | {"job": MINIMAL["job"] | {"facets": facets}})
    assert (report.mode, report.job_type) == (mode, None)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("FAIL", JobError(reason="JOB_FAILED", message="a\N{REPLACEMENT CHARACTER}b")),
        ("ABORT", JobError(reason="STOPPED", message="a\N{REPLACEMENT CHARACTER}b")),
        ("COMPLETE", None),
        ("OTHER", None),
    ],
)
def test_an_end_is_not_refused_for_its_message(kind: str, error: JobError | None) -> None:
    facets = {"errorMessage": {"message": "a\0b" + "x" * 70000, "stackTrace": "\0"}}
    read = one(MINIMAL | {"eventType": kind, "run": {"runId": RUN, "facets": facets}}).error
    if error is None:
        assert read is None
    else:
        assert read is not None
        assert (read.reason, read.message[:3], len(read.message)) == (error.reason, error.message, 65536)


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("2026-11-22T10:00:00Z", 1795341600000),
        ("2026-11-22T12:00:00.5+02:00", 1795341600500),
        ("2026-11-22T10:00:00.123456", 1795341600123),
        ("2026-11-22T10:00Z", 1795341600000),
        ("20261122T100000Z", 1795341600000),
    ],
)
def test_times(text: str, millis: int) -> None:
    assert one(MINIMAL | {"eventTime": text}).time == millis


@pytest.mark.parametrize("text", ["2026-11-22", "yesterday", "", "20261122", "2026-13-22T10:00:00Z", "T"])
def test_what_is_not_a_time_is_refused(text: str) -> None:
    assert pointers(refused(MINIMAL | {"eventTime": text})) == ["/eventTime"]


@pytest.mark.parametrize(
    "document",
    [
        {"eventTime": "2026-11-22T10:00:00Z", "job": {"namespace": "n", "name": "j"}, "inputs": [], "x": 1},
        {"eventTime": "2026-11-22T10:00:00Z", "dataset": {"namespace": "n", "name": "d"}},
        {"job": {}},
    ],
)
def test_events_about_jobs_and_datasets_are_ignored(document: object) -> None:
    assert decode_run_events(encoded(document), is_batch=False).items == (None,)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"run": None}, ["/run"]),
        ({"run": {}}, ["/run/runId"]),
        ({"run": {"runId": ""}}, ["/run/runId"]),
        ({"run": {"runId": 3}}, ["/run/runId"]),
        ({"run": {"runId": "a\0"}}, ["/run/runId"]),
        ({"job": {"namespace": "n"}}, ["/job/name"]),
        ({"job": {"namespace": "n", "name": "a\0"}}, ["/job/name"]),
        ({"job": []}, ["/job"]),
        ({"eventType": "start"}, ["/eventType"]),
        ({"eventTime": 5}, ["/eventTime"]),
        ({"inputs": [{"namespace": "n"}]}, ["/inputs/0/name"]),
        ({"outputs": [{"namespace": "n\0", "name": "d"}]}, ["/outputs/0"]),
        ({"inputs": {}}, ["/inputs"]),
        ({"run": {"runId": RUN, "facets": {"parent": {"run": {"runId": 1}}}}}, ["/run/facets/parent/run/runId"]),
        ({"run": {"runId": RUN, "facets": 1}}, ["/run/facets"]),
        ({"unknown": 1}, ["/unknown"]),
        ({"run": {"runId": RUN, "unknown": 1}}, ["/run/unknown"]),
        ({"schemaURL": 1}, ["/schemaURL"]),
    ],
)
def test_what_is_malformed_is_told_where(change: dict[str, object], found: list[str]) -> None:
    assert pointers(refused(MINIMAL | change)) == found


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b'{"run": "\xff"}', b"[" * 100_000])
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    assert isinstance(refused(body), MalformedJson)


@pytest.mark.parametrize("document", [1, None, "x", {}, {"run": {"runId": RUN}}, {"eventType": "START", "job": {}}])
def test_what_is_not_an_event_is_refused(document: object) -> None:
    assert isinstance(refused(document), InvalidRequest)


@pytest.mark.parametrize(("version", "is_read"), [("2-0-2", False), ("1-9-9", False), ("2-0-3", True), ("3-0-0", True)])
def test_a_newer_version_may_have_fields_of_its_own(version: str, is_read: bool) -> None:
    document = MINIMAL | {"schemaURL": SCHEMA.replace("2-0-2", version), "novel": {"a": 1}}
    if is_read:
        assert one(document) == one(MINIMAL)
    else:
        assert pointers(refused(document)) == ["/novel"]


def test_in_an_array_each_event_stands_alone() -> None:
    job_event = {"eventTime": "2026-11-22T10:00:00Z", "job": {"namespace": "n", "name": "j"}}
    events = decode_run_events(encoded([MINIMAL, {"run": {}}, job_event]), is_batch=True)
    assert (events.single, events.is_batch, events.items[0], events.items[2]) == (False, True, event(MINIMAL), None)
    assert isinstance(events.items[1], InvalidRequest)
    with pytest.raises(TooLarge):
        decode_run_events(encoded([1] * (MAX_ITEMS + 1)), is_batch=True)
    for body in (b"[]", encoded(MINIMAL)):
        with pytest.raises(InvalidRequest):
            decode_run_events(body, is_batch=True)


def test_a_facet_that_is_not_read_may_be_as_deep_as_it_likes() -> None:
    deep: Any = "\0"
    for _ in range(200):
        deep = {"left": deep, "right": "\0"}
    assert one(MINIMAL | {"run": {"runId": RUN, "facets": {"spark.logicalPlan": deep}}}) == one(MINIMAL)
