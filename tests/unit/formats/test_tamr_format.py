from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.formats.format_builders import (
    MINUTE,
    body,
    cloud_event,
    data_version_event,
    event,
    job,
    job_event,
    record_event,
    rendered,
)
from tests.unit.formats.format_cases import DATA_PRODUCT, DESTINATION, SOURCE, WORKFLOW

from tocsin.formats.tamr import EXPRESSIONS, VISIBLE
from tocsin.formats.tamr_identifiers import IDENTIFIERS
from tocsin.model.endpoint import TamrFormat
from tocsin.model.job import JobState, Resource, Signal

FORMAT = TamrFormat()
ALL_RESOURCES = (WORKFLOW, DESTINATION, SOURCE, DATA_PRODUCT)
states = st.sampled_from(JobState)


def configuration(job_type: str, *resources: Resource, **attributes: object) -> object:
    what = job_event(job("running", job_type=job_type, resources=resources, attributes=attributes))
    return body(FORMAT, what)["data"]["configuration"]


@pytest.mark.parametrize(
    ("job_type", "expected"),
    [
        ("load_source", {"load": {"sourceId": "src-9", "sourceDisplayName": "CRM export"}}),
        (
            "update_data_product",
            {
                "update": {
                    "dataProductId": "dp-4",
                    "dataProductDisplayName": "Suppliers",
                    "workflowId": "",
                    "workflowDisplayName": "",
                }
            },
        ),
        (
            "update_workflow",
            {
                "update": {
                    "workflowId": "wf-2",
                    "workflowDisplayName": "Deduplicate",
                    "dataProductId": "",
                    "dataProductDisplayName": "",
                }
            },
        ),
        (
            "publish_configuration",
            {
                "publish": {
                    "dataProductId": "dp-4",
                    "dataProductDisplayName": "Suppliers",
                    "destinationId": "dst-5",
                    "destinationDisplayName": "",
                }
            },
        ),
        (
            "publish_destination",
            {
                "publish": {
                    "destinationId": "dst-5",
                    "destinationDisplayName": "Warehouse",
                    "dataProductId": "",
                    "dataProductDisplayName": "",
                }
            },
        ),
    ],
)
def test_identifiers_are_those_of_the_table_whatever_else_the_job_has(job_type, expected):
    assert configuration(job_type, *ALL_RESOURCES) == expected


def test_an_unknown_resource_is_an_empty_identifier():
    assert configuration("load_source") == {"load": {"sourceId": "", "sourceDisplayName": ""}}
    nameless = Resource(kind="source", id="s")
    assert configuration("load_source", nameless) == {"load": {"sourceId": "s", "sourceDisplayName": ""}}


@pytest.mark.parametrize(
    ("job_type", "expected"),
    [
        ("update_data_product", {"update": {"dataProductId": "dp-4"}}),
        ("publish_configuration", {"publish": {"destinationId": "dst-5"}}),
    ],
)
def test_legacy_data_products_return_one_identifier(job_type, expected):
    assert configuration(job_type, *ALL_RESOURCES, legacy=True) == expected
    for other in (False, "true", 1, None):
        assert configuration(job_type, *ALL_RESOURCES, legacy=other) == configuration(job_type, *ALL_RESOURCES)


@pytest.mark.parametrize("job_type", ["load_source", "update_workflow", "publish_destination", "profile"])
def test_legacy_changes_no_other_job_type(job_type):
    assert configuration(job_type, *ALL_RESOURCES, legacy=True) == configuration(job_type, *ALL_RESOURCES)


def test_other_job_types_show_the_resources_they_have():
    assert configuration("profile") == {}
    assert configuration("profile", Resource(kind="bucket", id="b")) == {}
    assert configuration("profile", WORKFLOW, Resource(kind="workflow", id="second")) == {
        "update": {"workflowId": "wf-2", "workflowDisplayName": "Deduplicate"}
    }
    assert configuration("profile", SOURCE, DESTINATION) == {
        "load": {"sourceId": "src-9", "sourceDisplayName": "CRM export"},
        "publish": {"destinationId": "dst-5", "destinationDisplayName": "Warehouse"},
    }


def test_a_publish_configuration_stands_in_for_a_destination():
    plan = Resource(kind="publish_configuration", id="pc-1", name="Nightly")
    assert configuration("publish_configuration", plan, DATA_PRODUCT)["publish"]["destinationId"] == "pc-1"
    assert configuration("publish_configuration", plan, DESTINATION)["publish"]["destinationId"] == "dst-5"
    assert configuration("other", plan) == {"publish": {"destinationId": "pc-1", "destinationDisplayName": "Nightly"}}


@pytest.mark.parametrize(
    ("state", "visible"),
    [
        ("pending", "PENDING"), ("preparing", "PENDING"), ("rescheduled", "PENDING"), ("running", "RUNNING"),
        ("waiting", "RUNNING"), ("stopping", "STOPPING"), ("succeeded", "DONE"), ("failed", "DONE"), ("stopped", "DONE"),
    ],
)  # fmt: skip
def test_visible_states(state, visible):
    status = body(FORMAT, job_event(job(state, error=("A_B", "c"))))["data"]["status"]
    assert (status["state"], status["stateStartTime"]) == (visible, MINUTE[0])
    assert status.get("error") == ({"reason": "A_B", "message": "c"} if state in {"failed", "stopped"} else None)


def test_an_unsuccessful_end_always_has_an_error():
    stopped = body(FORMAT, job_event(job("stopped", "running")))["data"]["status"]["error"]
    assert stopped == {"reason": "STOPPED_BY_USER", "message": "The job was stopped by a user."}
    failed = body(FORMAT, job_event(job("failed", "running")))["data"]["status"]["error"]
    assert failed == {"reason": "JOB_FAILED", "message": "The job failed."}


@pytest.mark.parametrize(
    ("before", "now"),
    [("pending", "preparing"), ("preparing", "pending"), ("running", "waiting"), ("waiting", "running"),
     ("rescheduled", "pending"), ("pending", "rescheduled")],
)  # fmt: skip
def test_nothing_is_sent_while_the_visible_state_stays(before, now):
    assert rendered(FORMAT, job_event(job(now, before))) is None


@pytest.mark.parametrize("verb", ["created", "overdue", *Signal])
def test_job_events_that_are_no_state_are_not_sent(verb):
    assert rendered(FORMAT, job_event(job("running"), verb)) is None


def test_other_events_are_not_sent():
    others = (data_version_event(), cloud_event(b"{}"), event("endpoint.disabled", "end_1", b"{}"))
    assert [rendered(FORMAT, what) for what in others] == [None, None, None]


def test_history_of_a_restarted_job():
    what = job_event(job("running", "pending", "running", "waiting", "running", "failed", "pending", "preparing"))
    data = body(FORMAT, what)["data"]
    failed = {"reason": "JOB_FAILED", "message": "The job failed."}
    assert data["statusHistory"] == [
        {"state": "PENDING", "stateStartTime": MINUTE[0]},
        {"state": "RUNNING", "stateStartTime": MINUTE[1]},
        {"state": "DONE", "stateStartTime": MINUTE[4], "error": failed},
        {"state": "PENDING", "stateStartTime": MINUTE[5]},
    ]
    assert data["status"] == {"state": "RUNNING", "stateStartTime": MINUTE[7]}


@given(state=states, past=st.lists(states, max_size=20), job_type=st.sampled_from([*IDENTIFIERS, "other"]))
def test_any_job(state, past, job_type):
    sent = body(FORMAT, job_event(job(state, *past, job_type=job_type, resources=ALL_RESOURCES)))
    if past and VISIBLE[past[-1]] == VISIBLE[state]:
        assert sent is None
        return
    assert list(sent) == ["specversion", "id", "source", "type", "time", "datacontenttype", "data"]
    assert list(sent["data"]) == ["jobId", "configuration", "status", "statusHistory"]
    seen = [status["state"] for status in (*sent["data"]["statusHistory"], sent["data"]["status"])]
    assert all(before != after for before, after in pairwise(seen))
    assert len(sent["data"]["configuration"]) == (1 if job_type in IDENTIFIERS else 3)
    starts = [status["stateStartTime"] for status in sent["data"]["statusHistory"]]
    assert starts == sorted(starts)


@given(states, states)
def test_a_first_state_is_sent_and_a_second_only_when_it_looks_different(first, second):
    assume(first != second)
    assert rendered(FORMAT, job_event(job(first))) is not None
    assert (rendered(FORMAT, job_event(job(second, first))) is None) == (VISIBLE[first] == VISIBLE[second])


def test_records():
    sent = rendered(TamrFormat(type="t", source="s"), record_event("UPDATE", "merge", 7, 0, b'{ "a":1.0 }'))
    assert sent.content_type == "application/json"
    assert sent.body.endswith(
        b'"data":{"tableId":"customers","recordId":"c-17","versionId":7,"changeType":"UPDATE","recordNumber":0,'
        b'"newData":{ "a":1.0 }}}'
    )


def test_states_of_the_table_are_those_of_the_page():
    assert {expression.word for name, expression in EXPRESSIONS.items() if name.startswith("job.")} == {
        "PENDING", "RUNNING", "STOPPING", "DONE",
    }  # fmt: skip
