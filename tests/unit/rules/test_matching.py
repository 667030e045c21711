"""Which endpoints want an event: the definition by examples, the index by comparison with the definition."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.model.endpoint import Endpoint, EndpointConfig
from tocsin.model.event import CloudContext, Event
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter, ResourceRef
from tocsin.model.ids import EndpointId, EventId
from tocsin.model.job import JobState
from tocsin.model.record import Action
from tocsin.rules.matching import Interests, glob, matches, wants

JOB = {
    "job_id": "job-1", "job_type": "load_source", "mode": "batch", "name": None, "state": "failed",
    "state_since": "2026-11-22T10:00:00.000Z", "previous_state": "running", "history": [], "details": None,
    "error": None, "parent_job_id": None, "root_job_id": "job-1", "attributes": {},
    "resources": [{"kind": "source", "id": "s1"}, {"kind": "workflow", "id": "w1"}],
    "labels": {"team": "mdm", "env": "prod"},
}  # fmt: skip
RECORD = {
    "table": "customers", "record_id": "r1", "version_id": 1, "change_type": "UPDATE", "record_number": 0,
    "action": "merge", "new_data": {},
}  # fmt: skip


def event(event_type: str, subject_id: str, data: object = None, *, tenant: str = "acme", position: int = 10) -> Event:
    subject_type, _, verb = event_type.rpartition(".")
    return Event(
        id=EventId("evt_1"), tenant=tenant, type=event_type, subject_type=subject_type, subject_id=subject_id,
        verb=verb, time=0, data=json.dumps(data).encode(), position=position, accepted_at=0,
        cloud=CloudContext(id="1", source="/s") if subject_type.startswith("com.") else None,
    )  # fmt: skip


JOB_EVENT = event("job.failed", "job-1", JOB)
RECORD_EVENT = event("record.updated", "customers/r1", RECORD)
CLOUD_EVENT = event("com.example.segment.created", "seg-1", {"a": 1})


@pytest.mark.parametrize(
    ("condition", "of_job", "of_record", "of_cloud"),
    [
        (Filter(), True, True, True),
        (Filter(event_types=("job.failed",)), True, False, False),
        (Filter(event_types=("job.*",)), True, False, False),
        (Filter(event_types=("*",)), True, True, True),
        (Filter(event_types=("*.created", "record.*")), False, True, True),
        (Filter(event_types=("job.faile?",)), True, False, False),
        (Filter(event_types=("job.[f]ailed", "JOB.FAILED", "job", "job.failed ")), False, False, False),
        (Filter(event_types=("com.*.created",)), False, False, True),
        (Filter(subject_types=("record", "com.example.segment")), False, True, True),
        (Filter(subject_types=("com.example",)), False, False, False),
        (Filter(subject_ids=("customers/r1", "job-1")), True, True, False),
        (Filter(verbs=("created", "failed")), True, False, True),
        (Filter(job_types=("load_source", "x")), True, False, False),
        (Filter(job_types=("x",)), False, False, False),
        (Filter(modes=("batch",)), True, False, False),
        (Filter(modes=("realtime",)), False, False, False),
        (Filter(states=(JobState.FAILED, JobState.STOPPED)), True, False, False),
        (Filter(states=(JobState.RUNNING,)), False, False, False),
        (Filter(resources=(ResourceRef(kind="workflow", id="w1"),)), True, False, False),
        (Filter(resources=(ResourceRef(kind="workflow", id="s1"),)), False, False, False),
        (Filter(sources=("s0", "s1")), True, False, False),
        (Filter(sources=("w1",)), False, False, False),
        (Filter(labels={"team": "mdm"}), True, False, False),
        (Filter(labels={"team": "mdm", "env": "prod"}), True, False, False),
        (Filter(labels={"team": "mdm", "env": "test"}), False, False, False),
        (Filter(labels={"other": "x"}), False, False, False),
        (Filter(tables=("customers",)), False, True, False),
        (Filter(tables=("orders",)), False, False, False),
        (Filter(actions=(Action.MERGE,)), False, True, False),
        (Filter(actions=(Action.UPDATE,)), False, False, False),
        (Filter(tables=("customers",), job_types=("load_source",)), False, False, False),
        (Filter(event_types=("job.*",), verbs=("succeeded",)), False, False, False),
        (Filter(subject_types=("job",), states=(JobState.FAILED,), labels={"env": "prod"}), True, False, False),
    ],
)
def test_a_filter(condition: Filter, of_job: bool, of_record: bool, of_cloud: bool) -> None:
    found = [matches(condition, EventView(each)) for each in (JOB_EVENT, RECORD_EVENT, CLOUD_EVENT)]
    assert found == [of_job, of_record, of_cloud]


def endpoint(
    number: int, *filters: Filter, tenant: str = "acme", active_from: int = 0, enabled: bool = True
) -> Endpoint:
    config = EndpointConfig(name="e", url="https://a.example", enabled=enabled, filters=filters)
    return Endpoint(
        number=number, id=EndpointId(f"end_{number}"), tenant=tenant, revision=1, active_from=active_from,
        created_at=0, config=config,
    )  # fmt: skip


def numbers(endpoints: list[Endpoint], found: Event) -> list[int]:
    view = EventView(found)
    by_index = [each.number for each in Interests.of(endpoints).matching(view)]
    assert by_index == sorted(each.number for each in endpoints if wants(each, EventView(found)))
    return by_index


def test_who_takes_part_at_all() -> None:
    endpoints = [
        endpoint(5),
        endpoint(1, tenant="other"),
        endpoint(2, enabled=False),
        endpoint(3, active_from=10),
        endpoint(4, active_from=9),
        endpoint(6, Filter(verbs=("failed",)), active_from=10),
    ]
    assert numbers(endpoints, JOB_EVENT) == [4, 5]


def test_an_endpoint_is_named_once_however_many_filters_match() -> None:
    endpoints = [
        endpoint(
            2, Filter(verbs=("failed",)), Filter(event_types=("job.*", "job.failed", "*")), Filter(sources=("s1",))
        ),
        endpoint(1, Filter(verbs=("other",)), Filter(subject_ids=("job-1", "job-1"))),
        endpoint(3, Filter(verbs=("other",)), Filter(subject_ids=("job-2",))),
    ]
    assert numbers(endpoints, JOB_EVENT) == [1, 2]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), False),
        ((Filter(),), False),
        ((Filter(event_types=("*",)),), False),
        ((Filter(event_types=("*.disabled",)),), False),
        ((Filter(event_types=("e*",)),), False),
        ((Filter(verbs=("disabled",)),), False),
        ((Filter(subject_ids=("end_9",)),), False),
        ((Filter(event_types=("endpoint.disabled",)),), True),
        ((Filter(event_types=("endpoint.*",)),), True),
        ((Filter(event_types=("*", "endpoint.dis*")),), True),
        ((Filter(subject_types=("endpoint",)),), True),
        ((Filter(event_types=("*",), subject_types=("endpoint",)),), True),
        ((Filter(subject_types=("endpoint",), verbs=("paused",)),), False),
        ((Filter(event_types=("*",)), Filter(subject_types=("delivery", "endpoint"))), True),
    ],
)
def test_operational_events_go_only_to_those_who_name_them(filters: tuple[Filter, ...], expected: bool) -> None:
    found = event("endpoint.disabled", "end_9", {})
    assert numbers([endpoint(1, *filters)], found) == ([1] if expected else [])
    assert numbers([endpoint(9, *filters)], found) == []


@pytest.mark.parametrize("event_type", ["job.overdue", "job.lost"])
def test_events_about_jobs_are_not_operational_in_this_sense(event_type: str) -> None:
    assert numbers([endpoint(1)], event(event_type, "job-1", JOB)) == [1]


def test_job_data_is_read_only_if_the_rest_matches() -> None:
    broken = EventView(event("job.failed", "job-1", "not a job"))
    endpoints = [
        endpoint(1, Filter(event_types=("job.succeeded",), job_types=("x",))),
        endpoint(2, Filter(subject_ids=("job-2",), labels={"a": "b"})),
        endpoint(3, Filter(verbs=("succeeded",), states=(JobState.FAILED,))),
        endpoint(4, Filter(tables=("t",))),
        endpoint(5),
    ]
    assert [each.number for each in Interests.of(endpoints).matching(broken)] == [5]
    with pytest.raises(ValueError, match="Expected `object`"):
        Interests.of([endpoint(6, Filter(event_types=("job.failed",), job_types=("x",)))]).matching(broken)


def test_a_pattern_of_many_stars_is_quick_to_fail() -> None:
    assert glob("*a" * 60 + "b").match("a" * 512) is None
    assert glob("*a" * 60 + "b").match("a" * 512 + "b") is not None


texts = st.text("ab.*?[]", max_size=6)


def naive_glob(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return naive_glob(pattern[1:], text) or (bool(text) and naive_glob(pattern, text[1:]))
    return bool(text) and pattern[0] in {"?", text[0]} and naive_glob(pattern[1:], text[1:])


@settings(deadline=None)
@given(texts, texts)
def test_globs_agree_with_their_definition(pattern: str, text: str) -> None:
    assert (glob(pattern).match(text) is not None) is naive_glob(pattern, text)


def some(*values: object) -> st.SearchStrategy[object]:
    return st.one_of(st.none(), st.none(), st.lists(st.sampled_from(values), min_size=1, max_size=2).map(tuple))


filters = st.builds(
    Filter,
    event_types=some(
        "job.failed", "job.*", "*", "*.created", "j*", "jo?.failed", "record.updated", "endpoint.*", "com.*", "x.*"
    ),
    subject_types=some("job", "record", "endpoint", "com.example.segment"),
    subject_ids=some("job-1", "customers/r1", "seg-1", "end_2", "x"),
    verbs=some("failed", "created", "updated", "disabled"),
    job_types=some("load_source", "x"),
    states=some(JobState.FAILED, JobState.RUNNING),
    sources=some("s1", "x"),
    labels=st.sampled_from([None, None, None, {}, {"team": "mdm"}, {"team": "x"}]),
    tables=some("customers", "x"),
    actions=some(Action.MERGE, Action.CREATE),
)
endpoints_of = st.lists(
    st.tuples(
        st.lists(filters, max_size=3),
        st.sampled_from(["acme", "acme", "other"]),
        st.sampled_from([0, 9, 10]),
        st.booleans(),
    ),
    max_size=6,
).map(
    lambda rows: [
        endpoint(number, *conditions, tenant=tenant, active_from=active_from, enabled=enabled or number % 2 == 0)
        for number, (conditions, tenant, active_from, enabled) in enumerate(rows, 1)
    ]
)
events = st.sampled_from(
    [
        JOB_EVENT,
        RECORD_EVENT,
        CLOUD_EVENT,
        event("endpoint.disabled", "end_2", {}),
        event("plain", ""),
        event("job.x.y", "job-1", {}),
    ]
)


@settings(max_examples=150, deadline=None)
@given(endpoints_of, events)
def test_the_index_agrees_with_the_definition(endpoints: list[Endpoint], found: Event) -> None:
    expected = [each for each in endpoints if wants(each, EventView(found))]
    assert Interests.of(reversed(endpoints)).matching(EventView(found)) == expected


@settings(max_examples=60, deadline=None)
@given(endpoints_of, endpoints_of, events)
def test_an_index_with_a_tenant_replaced_is_the_index_over_what_there_is_now(
    old: list[Endpoint], new: list[Endpoint], found: Event
) -> None:
    of_acme = [each for each in new if each.tenant == "acme"]
    now = [each for each in old if each.tenant != "acme"] + of_acme
    before = Interests.of(old)
    was = before.matching(EventView(found))
    after = before.replacing({"acme"}, of_acme)
    assert after.matching(EventView(found)) == Interests.of(now).matching(EventView(found))
    assert before.matching(EventView(found)) == was
