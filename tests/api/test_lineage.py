"""OpenLineage: the stock Python client against a real server, and what the routes promise beyond it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    JobEvent,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    StaticDataset,
)
from openlineage.client.facet_v2 import (
    error_message_run,
    job_type_job,
    nominal_time_run,
    parent_run,
    schema_dataset,
    sql_job,
    tags_job,
)
from openlineage.client.transport.async_http import AsyncHttpConfig, AsyncHttpTransport
from openlineage.client.transport.http import HttpConfig, HttpTransport
from tests.api.callers import Caller, problem_of
from tests.kit.server import Server

BEGIN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
Emit = Callable[[object], None]


@pytest.fixture(params=["http", "http gzip", "async", "async gzip"])
def emitter(request: pytest.FixtureRequest, shared_server: Server) -> Iterator[tuple[Caller, Emit]]:
    """A tenant, and what sends an event with its key by a transport of the client."""
    caller = Caller(shared_server)
    kind, _, compression = request.param.partition(" ")
    given = {
        "url": shared_server.url,
        "auth": {"type": "api_key", "apiKey": caller.key("producer")},
        "retry": {"total": 0, "status_forcelist": [], "allowed_methods": ["POST"]},
    } | ({"compression": compression} if compression else {})
    transport: Any
    if kind == "http":
        transport = HttpTransport(HttpConfig.from_dict(given))
    else:
        transport = AsyncHttpTransport(AsyncHttpConfig.from_dict(given))
    client = OpenLineageClient(transport=transport)

    def emit(event: object) -> None:
        client.emit(event)  # type: ignore[arg-type]
        if kind == "async":
            assert transport.wait_for_completion(timeout=20)
            assert transport.get_stats()["failed"] == 0

    yield caller, emit
    client.close(timeout=5)


def run_event(state: RunState | None, run_id: str, at: int = 0, **fields: Any) -> RunEvent:
    facets = fields.pop("run_facets", {})
    job_facets = fields.pop("job_facets", {})
    name = fields.pop("name", "dag.task")
    return RunEvent(
        eventType=state,
        eventTime=(BEGIN + timedelta(seconds=at)).isoformat(),
        run=Run(runId=run_id, facets=facets),
        job=Job(namespace="airflow", name=name, facets=job_facets),
        producer="https://example.com/producer",
        **fields,
    )


def test_a_run_that_the_stock_client_tells_of(emitter: tuple[Caller, Emit]) -> None:
    caller, emit = emitter
    parent, run = str(uuid4()), str(uuid4())
    link = parent_run.ParentRunFacet(
        run=parent_run.Run(runId=parent),
        job=parent_run.Job(namespace="airflow", name="dag"),
        root=parent_run.Root(
            run=parent_run.RootRun(runId=parent), job=parent_run.RootJob(namespace="airflow", name="dag")
        ),
    )
    fields = [schema_dataset.SchemaDatasetFacetFields(name="id", type="int")]
    emit(run_event(RunState.START, parent, name="dag"))
    emit(
        run_event(
            RunState.START,
            run,
            1,
            run_facets={
                "parent": link,
                "nominalTime": nominal_time_run.NominalTimeRunFacet(nominalStartTime="2026-11-22T03:00:00.000Z"),
            },
            job_facets={
                "jobType": job_type_job.JobTypeJobFacet(processingType="BATCH", integration="AIRFLOW", jobType="TASK"),
                "sql": sql_job.SQLJobFacet(query="select '\0'"),
                "tags": tags_job.TagsJobFacet(tags=[tags_job.TagsJobFacetFields(key="team", value="mdm", source="USER")]),
            },
            inputs=[InputDataset(namespace="postgres://db:5432", name="shop.orders", facets={"schema": schema_dataset.SchemaDatasetFacet(fields=fields)})],
        )
    )  # fmt: skip
    emit(run_event(RunState.OTHER, run, 2))
    emit(
        run_event(
            RunState.FAIL,
            run,
            3,
            run_facets={
                "parent": link,
                "errorMessage": error_message_run.ErrorMessageRunFacet(message="no such table", programmingLanguage="SQL"),
            },
            outputs=[OutputDataset(namespace="s3://lake", name="orders")],
        )
    )  # fmt: skip
    emit(run_event(RunState.COMPLETE, parent, 4, name="dag"))
    assert caller.get(f"/v1/jobs/{parent}").json["state"] == "succeeded"
    job = caller.get(f"/v1/jobs/{run}").json
    shown = {name: job[name] for name in ("job_type", "mode", "name", "state", "error", "parent_job_id", "root_job_id")}
    assert shown == {
        "job_type": "TASK",
        "mode": "batch",
        "name": "airflow/dag.task",
        "state": "failed",
        "error": {"reason": "JOB_FAILED", "message": "no such table"},
        "parent_job_id": parent,
        "root_job_id": parent,
    }
    assert job["resources"] == [
        {"kind": "dataset", "id": "postgres://db:5432/shop.orders", "name": "shop.orders"},
        {"kind": "dataset", "id": "s3://lake/orders", "name": "orders"},
    ]
    assert (job["labels"], job["attributes"]["nominal_start_time"]) == ({"team": "mdm"}, "2026-11-22T03:00:00.000Z")
    types = [event["type"] for event in caller.get(f"/v1/events?subject_type=job&subject_id={run}").json["items"]]
    assert types == ["job.failed", "job.progressed", "job.running", "job.created"]


def test_events_that_the_stock_client_sends_about_jobs_and_datasets(emitter: tuple[Caller, Emit]) -> None:
    caller, emit = emitter
    emit(JobEvent(eventTime=BEGIN.isoformat(), job=Job(namespace="n", name="j"), producer="https://example.com/p"))
    dataset = StaticDataset(namespace="n", name="d")
    emit(DatasetEvent(eventTime=BEGIN.isoformat(), dataset=dataset, producer="https://example.com/p"))
    assert caller.get("/v1/events").json["items"] == []
    assert caller.get("/v1/jobs").json["items"] == []


def test_the_key_alone_in_the_environment_is_enough(shared_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    caller, run = Caller(shared_server), str(uuid4())
    monkeypatch.setenv("OPENLINEAGE_URL", shared_server.url)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", caller.key("producer"))
    client = OpenLineageClient()
    client.emit(run_event(RunState.START, run))
    client.close()
    assert caller.get(f"/v1/jobs/{run}").json["state"] == "running"


def wire(kind: str = "START", run: str = "r", at: str = "2026-11-22T10:00:00Z", **more: object) -> dict[str, object]:
    job = {"namespace": "n", "name": "j"}
    return {"eventType": kind, "eventTime": at, "run": {"runId": run}, "job": job, "producer": "p", **more}


@pytest.fixture
def caller(shared_server: Server) -> Caller:
    return Caller(shared_server)


def test_the_answer_is_201_after_the_event_is_kept(caller: Caller) -> None:
    answer = caller.post("/api/v1/lineage", wire(), role="producer")
    (result,) = answer.json["results"]
    assert (answer.status, result["job_id"], result["outcome"], len(result["event_ids"])) == (201, "r", "changed", 2)
    again = caller.post("/api/v1/lineage", wire(), role="producer")
    assert (again.status, again.json) == (201, {"results": [{"job_id": "r", "outcome": "unchanged", "event_ids": []}]})


def test_other_is_told_once(caller: Caller) -> None:
    for _ in range(2):
        assert caller.post("/api/v1/lineage", wire("OTHER")).status == 201
    caller.post("/api/v1/lineage", wire("OTHER", at="2026-11-22T10:00:01Z"))
    types = [event["type"] for event in caller.get("/v1/events").json["items"]]
    assert types == ["job.progressed", "job.progressed", "job.pending", "job.created"]


def test_a_batch_is_taken_event_by_event(caller: Caller) -> None:
    events = [wire(), {"run": 1}, wire("COMPLETE"), {"job": {}}]
    answer = caller.post("/api/v1/lineage/batch", events)
    assert answer.status == 200
    assert answer.json["status"] == "partial_success"
    assert answer.json["summary"] == {"received": 4, "successful": 3, "failed": 1, "retriable": 0, "non_retriable": 1}
    assert [failed["index"] for failed in answer.json["failed_events"]] == [1]
    assert caller.get("/v1/jobs/r").json["state"] == "succeeded"
    answer = caller.post("/api/v1/lineage", events)
    outcomes = [result["outcome"] for result in answer.json["results"]]
    assert (answer.status, outcomes) == (201, ["unchanged", "refused", "unchanged", "ignored"])
    assert problem_of(caller.post("/api/v1/lineage/batch", wire())) == ("invalid-request", 422, [""])


def test_a_key_answers_once(caller: Caller) -> None:
    headers = {"Idempotency-Key": "k"}
    first = caller.post("/api/v1/lineage", wire("OTHER"), headers=headers)
    again = caller.post("/api/v1/lineage", wire("OTHER"), headers=headers)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert problem_of(caller.post("/api/v1/lineage", wire(), headers=headers))[:2] == ("idempotency-key-reused", 422)


def test_what_is_malformed_is_a_problem(caller: Caller) -> None:
    assert problem_of(caller.post("/api/v1/lineage", wire() | {"run": {}})) == ("invalid-request", 422, ["/run/runId"])
    assert problem_of(caller.post("/api/v1/lineage", b"{"))[:2] == ("malformed-json", 400)
    circle = wire() | {"run": {"runId": "r", "facets": {"parent": {"run": {"runId": "r"}}}}}
    assert problem_of(caller.post("/api/v1/lineage", circle))[2] == ["/run/facets/parent/run/runId"]
    assert caller.get("/v1/jobs").json["items"] == []


def test_gzip_is_inflated_up_to_the_limit_of_a_body(caller: Caller) -> None:
    packed = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(b'{"x": "' + b"0" * (11 * 1024 * 1024) + b'"}')
    assert problem_of(caller.post("/api/v1/lineage", bomb, headers=packed))[:2] == ("too-large", 413)
    large = wire() | {"run": {"runId": "r", "facets": {"any": "0" * (9 * 1024 * 1024)}}}
    assert caller.post("/api/v1/lineage", gzip.compress(json.dumps(large).encode()), headers=packed).status == 201
    assert problem_of(caller.post("/api/v1/lineage", b"{}", headers=packed))[:2] == ("malformed-request", 400)


def test_an_operator_names_the_tenant_in_the_query(shared_server: Server, caller: Caller) -> None:
    run = str(uuid4())
    assert shared_server.post(f"/api/v1/lineage?tenant={caller.tenant}", wire(run=run)).status == 201
    assert caller.get(f"/v1/jobs/{run}").json["tenant"] == caller.tenant


NAMES = ("eventType", "eventTime", "run", "runId", "job", "namespace", "name", "facets", "parent", "root", "errorMessage", "message",
         "jobType", "processingType", "tags", "key", "value", "inputs", "outputs", "dataset", "schemaURL", "nominalTime")  # fmt: skip
WORDS = ("START", "OTHER", "FAIL", "COMPLETE", "2026-11-22T10:00:00Z", "r", "\0", "", "STREAMING", "x" * 600,
         "https://openlineage.io/spec/9-0-0/OpenLineage.json")  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)
facets = st.fixed_dictionaries(
    {},
    optional={
        "parent": st.fixed_dictionaries({}, optional={"run": st.fixed_dictionaries({"runId": values}), "root": values}),
        "errorMessage": st.fixed_dictionaries({"message": values}) | values,
        "jobType": st.fixed_dictionaries({}, optional={"jobType": values, "processingType": values}) | values,
        "tags": st.fixed_dictionaries(
            {"tags": st.lists(st.fixed_dictionaries({"key": values, "value": values}), max_size=2)}
        ),
    },
)
near = st.fixed_dictionaries(
    {
        "eventTime": st.sampled_from(["2026-11-22T10:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59"]) | values,
        "run": st.fixed_dictionaries({"runId": st.sampled_from("abc") | values}, optional={"facets": facets | values}),
        "job": st.fixed_dictionaries({"namespace": st.text(max_size=3), "name": values}, optional={"facets": facets}),
    },
    optional={
        "eventType": st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"]) | values,
        "inputs": st.lists(st.fixed_dictionaries({"namespace": values, "name": values}), max_size=2) | values,
        "outputs": values,
        "schemaURL": values,
        "producer": values,
    },
)


@pytest.mark.parametrize("path", ["/api/v1/lineage", "/api/v1/lineage/batch"])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=(values | near | st.lists(near, max_size=3)).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=40)
)
def test_any_body_gets_an_answer(shared_server: Server, path: str, body: bytes) -> None:
    answer = shared_server.post(path, body)
    assert answer.status in {200, 201, 400, 413, 422}, answer
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
