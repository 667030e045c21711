"""Which endpoints want an event: the definition by examples, the index by comparison with the definition."""

from __future__ import annotations

import json
from collections.abc import Callable

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
from tocsin.rules.interests import FEW, MOST_PATHS, Interests
from tocsin.rules.matching import glob, matches, wants

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
        (Filter(after_failures=1), True, False, False),
        (Filter(after_failures=2), False, False, False),
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
    after_failures=st.sampled_from([None, None, None, 1, 2]),
    tables=some("customers", "x"),
    actions=some(Action.MERGE, Action.CREATE),
)
EndpointSettings = tuple[list[Filter], str, int, bool]
endpoint_settings = st.tuples(
    st.lists(filters, max_size=3),
    st.sampled_from(["acme", "acme", "other"]),
    st.sampled_from([0, 9, 10]),
    st.booleans(),
)


def made_of(number: int, given_settings: EndpointSettings) -> Endpoint:
    conditions, tenant, active_from, enabled = given_settings
    return endpoint(number, *conditions, tenant=tenant, active_from=active_from, enabled=enabled or number % 2 == 0)


endpoints_of = st.lists(endpoint_settings, max_size=4 * FEW).map(
    lambda rows: [made_of(number, row) for number, row in enumerate(rows, 1)]
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


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.one_of(st.none(), endpoint_settings)), max_size=40), events)
def test_what_is_put_in_and_taken_out_one_by_one_is_the_index_over_what_there_is(
    changes: list[tuple[int, EndpointSettings | None]], found: Event
) -> None:
    interests = Interests()
    present: dict[int, Endpoint] = {}
    for number, change in changes:
        if change is None:
            interests.remove(number)
            present.pop(number, None)
        else:
            interests.put(made := made_of(number, change))
            present[number] = made
    expected = [each for _, each in sorted(present.items()) if wants(each, EventView(found))]
    assert interests.matching(EventView(found)) == expected
    for most in (1, 2):
        pages: list[Endpoint] = []
        while page := interests.matching(EventView(found), pages[-1].number if pages else 0, most):
            pages += page
        assert pages == expected
    for number in present:
        interests.remove(number)
    assert interests.matching(EventView(found)) == []
    assert interests.size == 0


@pytest.mark.parametrize(
    "of",
    [
        lambda n: Filter(subject_ids=(f"job-1{n}",)),
        lambda n: Filter(event_types=("job.failed",), subject_types=("job",), job_types=(f"type-{n}", f"other-{n}")),
        lambda n: Filter(event_types=("*",), resources=(ResourceRef(kind="source", id=f"s-{n}"),)),
        lambda n: Filter(verbs=("failed",), sources=(f"s-{n}",), where="data.never"),
        lambda n: Filter(labels={"env": "prod", "team": f"team-{n}"}),
        lambda n: Filter(event_types=(f"job.*-{n}",)),
        lambda n: Filter(states=(JobState.RUNNING,), where=f"data.n == {n}"),
        lambda n: Filter(event_types=("job.*",), tables=(f"table-{n}",)),
        lambda n: Filter(subject_types=(f"subject-{n}",), verbs=(f"verb-{n}",)),
    ],
)
def test_endpoints_that_cannot_match_are_not_even_candidates(of: Callable[[int], Filter]) -> None:
    crowd = [endpoint(number, of(number)) for number in range(1, 301)]
    interests = Interests.of([*crowd, endpoint(301, Filter(job_types=("load_source",)))])
    candidates = interests.candidates(EventView(JOB_EVENT))
    assert 301 in candidates
    assert len(candidates) <= FEW + 1
    assert [each.number for each in interests.matching(EventView(JOB_EVENT))] == [301]


def test_a_filter_of_many_values_of_many_kinds_is_not_spread_over_all_their_pairs() -> None:
    many = tuple(f"job.{n}" for n in range(200))
    crowd = [endpoint(n, Filter(event_types=many, job_types=many, labels={"n": str(n)})) for n in range(1, 21)]
    interests = Interests.of(
        [*crowd, endpoint(30, Filter(event_types=(*many, "job.failed"), job_types=("load_source",)))]
    )
    assert interests.size <= 21 * MOST_PATHS
    assert [each.number for each in interests.matching(EventView(JOB_EVENT))] == [30]
    for number in range(1, 31):
        interests.remove(number)
    assert interests.size == 0
