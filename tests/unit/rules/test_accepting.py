"""Submissions: arrays of reports, CloudEvents, data versions; what is needed, answered and changed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.rules.rules_builders import NOW, Accepting, frozen, mint, report, results, submitted

from tocsin.errors import InvalidRequest, MalformedJson
from tocsin.model.event import OWN_SUBJECT_TYPES, CloudContext
from tocsin.model.ids import EventId
from tocsin.model.job import JobState, Report
from tocsin.model.record import DataVersion
from tocsin.model.submission import CloudEvent, CloudEvents, DataVersions, Facts, Submission
from tocsin.rules.accepting import Deciding
from tocsin.rules.needs import needs_of, seen_hash


def test_each_report_of_an_array_stands_alone() -> None:
    accepting = Accepting()
    verdict = accepting.reports(
        report("running", job_id="a"),
        InvalidRequest.at("/state", "Not a state."),
        report("running", job_id="b", job_type=None),
        report("succeeded", job_id="a"),
        report("running", job_id="a"),
        report("succeeded", job_id="a"),
        MalformedJson("Odd bytes."),
    )
    answers = results(verdict)
    assert [(answer["job_id"], answer["outcome"]) for answer in answers] == [
        ("a", "changed"), (None, "refused"), ("b", "refused"), ("a", "changed"), ("a", "refused"), ("a", "unchanged"),
        (None, "refused"),
    ]  # fmt: skip
    assert [list(answer) for answer in answers] == [
        ["job_id", "outcome", "event_ids", *(["problem"] if answer["outcome"] == "refused" else [])]
        for answer in answers
    ]
    problems = [answer["problem"] for answer in answers if "problem" in answer]
    assert [(problem["status"], [e["pointer"] for e in problem["errors"]]) for problem in problems] == [  # type: ignore[index, call-overload]
        (422, ["/1/state"]), (422, ["/2/job_type"]), (409, ["/4"]), (400, ["/6"]),
    ]  # fmt: skip
    assert problems[2]["current_state"] == "succeeded"  # type: ignore[index]
    assert (verdict.status, verdict.problem, verdict.keeps_answer) == (202, None, True)
    assert [event.type for event in verdict.events] == ["job.created", "job.running", "job.succeeded"]
    assert [named for answer in answers for named in answer["event_ids"]] == [e.id for e in verdict.events]  # type: ignore[attr-defined]
    assert verdict.jobs == (("a", accepting.facts.jobs["a"]),)
    assert set(accepting.facts.jobs) == {"a"}


def test_a_single_report_that_cannot_be_read_is_its_problem() -> None:
    problem = InvalidRequest.at("/time", "Not a time.")
    verdict = Accepting().decide(submitted(problem, single=True))
    assert (verdict.problem, verdict.status, verdict.body, verdict.keeps_answer) == (problem, 422, b"", False)


def test_only_the_last_row_of_a_job_is_written() -> None:
    accepting = Accepting()
    verdict = accepting.reports(
        *(report(state, job_id=job_id) for state in ("pending", "running") for job_id in ("b", "a"))
    )
    assert [(job_id, row.job.state) for job_id, row in verdict.jobs] == [("b", "running"), ("a", "running")]
    assert verdict.jobs == tuple(accepting.facts.jobs.items())


def test_a_verdict_leaves_known_rows_as_they_are() -> None:
    accepting = Accepting()
    accepting.one(report("running", attributes={"a": 1}, labels={"l": "1"}))
    row = accepting.facts.jobs["job-1"]
    accepting.one(report("waiting", attributes={"b": 1}, labels={"m": "1"}))
    assert (row.job.attributes, row.job.labels, row.job.state) == ({"a": 1}, {"l": "1"}, "running")


def test_what_reports_need() -> None:
    needs = needs_of(
        submitted(
            report("running", job_id="b", parent_job_id="p"),
            InvalidRequest("?"),
            report("running", job_id="a"),
            report("waiting", job_id="b", parent_job_id="p"),
        )
    )
    assert (needs.jobs, needs.lineages) == (("b", "a"), ("p",))
    assert (needs.seen, needs.versions, needs.counter) == ((), (), False)


@given(
    st.lists(
        st.builds(
            Report,
            job_id=st.sampled_from("abc"),
            job_type=st.one_of(st.none(), st.just("t")),
            state=st.one_of(st.none(), st.sampled_from(JobState)),
            parent_job_id=st.one_of(st.none(), st.sampled_from("abcd")),
            details=st.one_of(st.none(), st.sampled_from("xy")),
        ),
        max_size=12,
    )
)
def test_an_array_gives_what_its_reports_give_one_by_one(items: list[Report]) -> None:
    at_once, one_by_one = Accepting(), Accepting()
    verdict = at_once.reports(*items)
    verdicts = []
    for item in items:
        before = frozen(one_by_one.facts)
        verdicts.append(one_by_one.one(item))
        if verdicts[-1].problem is not None:
            assert frozen(one_by_one.facts) == before
    assert frozen(at_once.facts) == frozen(one_by_one.facts)
    assert verdict.events == tuple(event for each in verdicts for event in each.events)
    assert [answer["outcome"] for answer in results(verdict)] == [
        "refused" if each.problem else results(each)[0]["outcome"] for each in verdicts
    ]
    for job_id in at_once.facts.jobs:
        lineage, steps = at_once.facts.lineages[job_id], 0
        while lineage.parent_job_id in at_once.facts.lineages:
            lineage, steps = at_once.facts.lineages[lineage.parent_job_id], steps + 1
            assert steps < 5, "a circle"


def cloud(named: str = "e1", source: str = "/s", **fields: object) -> CloudEvent:
    context = CloudContext(id=named, source=source, subject=fields.pop("subject", None))  # type: ignore[arg-type]
    given: dict[str, object] = {
        "type": "com.example.segment.created", "subject_type": "com.example.segment", "verb": "created", "time": None,
        "data": b'{ "a":1}', **fields,
    }  # fmt: skip
    return CloudEvent(digest=seen_hash(source, named), context=context, **given)  # type: ignore[arg-type]


def clouds(*items: CloudEvent) -> Submission:
    return Submission(tenant="acme", received_at=NOW, body=CloudEvents(items=items))


def test_a_cloud_event_is_accepted_as_it_came() -> None:
    item = cloud(subject="seg-1", time=NOW - 3)
    accepting = Accepting()
    verdict = accepting.decide(clouds(item))
    (event,) = verdict.events
    assert (event.tenant, event.type, event.subject_type, event.verb, event.subject_id) == (
        "acme", "com.example.segment.created", "com.example.segment", "created", "seg-1",
    )  # fmt: skip
    assert (event.time, event.data, event.keys) == (NOW - 3, b'{ "a":1}', ())
    assert event.cloud is item.context
    assert results(verdict) == [{"id": "e1", "outcome": "accepted", "event_id": event.id}]
    assert verdict.seen == ((seen_hash("/s", "e1"), event.id),)
    assert accepting.facts.seen == dict(verdict.seen)
    assert (verdict.status, verdict.keeps_answer) == (202, True)


def test_without_subject_and_time() -> None:
    (event,) = Accepting().decide(clouds(cloud())).events
    assert (event.subject_id, event.time) == ("", NOW)


def test_the_same_source_and_id_is_a_duplicate_in_the_array_and_later() -> None:
    accepting = Accepting()
    first = accepting.decide(clouds(cloud("a"), cloud("b"), cloud("a", data=b"other"), cloud("a", source="/t")))
    assert [answer["outcome"] for answer in results(first)] == ["accepted", "accepted", "duplicate", "accepted"]
    assert [answer["event_id"] for answer in results(first)] == [
        first.events[0].id, first.events[1].id, first.events[0].id, first.events[2].id,
    ]  # fmt: skip
    assert len(first.seen) == 3
    before = frozen(accepting.facts)
    again = accepting.decide(clouds(cloud("b")))
    assert results(again) == [{"id": "b", "outcome": "duplicate", "event_id": first.events[1].id}]
    assert (again.events, again.seen, again.status) == ((), (), 202)
    assert frozen(accepting.facts) == before


def test_a_duplicate_of_what_the_store_knows() -> None:
    facts = Facts()
    facts.seen[seen_hash("/s", "e1")] = EventId("evt_old")
    verdict = Deciding(mint())(clouds(cloud()), facts)
    assert results(verdict) == [{"id": "e1", "outcome": "duplicate", "event_id": "evt_old"}]


@pytest.mark.parametrize("subject_type", sorted(OWN_SUBJECT_TYPES))
def test_reserved_subject_types_refuse_the_whole_array(subject_type: str) -> None:
    accepting = Accepting()
    bad = cloud("x", type=f"{subject_type}.made", subject_type=subject_type, verb="made")
    for items, pointer in (((bad,), "/type"), ((cloud(), bad), "/1/type")):
        verdict = accepting.decide(clouds(*items))
        assert isinstance(verdict.problem, InvalidRequest)
        assert [error.pointer for error in verdict.problem.errors] == [pointer]
        assert (verdict.status, verdict.events, verdict.seen) == (422, (), ())
        assert accepting.facts.seen == {}


def test_what_cloud_events_need() -> None:
    needs = needs_of(clouds(cloud("a"), cloud("b"), cloud("a")))
    assert needs.seen == tuple(seen_hash("/s", named) for named in "aba")
    assert (needs.jobs, needs.counter) == ((), False)


@given(st.text(), st.text(), st.text(), st.text())
def test_only_equal_pairs_have_equal_hashes(source: str, named: str, other_source: str, other_named: str) -> None:
    assert len(seen_hash(source, named)) == 20
    equal = seen_hash(source, named) == seen_hash(other_source, other_named)
    assert equal is ((source, named) == (other_source, other_named))


def test_the_hash_knows_where_the_source_ends() -> None:
    assert len({seen_hash("ab", "c"), seen_hash("a", "bc"), seen_hash("", "abc"), seen_hash("abc", "")}) == 4


@pytest.mark.parametrize(
    ("named", "neighbour", "stranger"),
    [
        ("order-10425", "order-10499", "order-10500"),
        (
            "0193f2a1-5c07-7d3e-9b1a-0c5d1e2f3a4b",
            "0193f2a1-5cff-7000-8000-000000000000",
            "0193f2a1-5d00-7d3e-9b1a-0c5d1e2f3a4b",
        ),
    ],
)
def test_ids_that_follow_one_another_are_neighbours_in_an_index(named: str, neighbour: str, stranger: str) -> None:
    begin = seen_hash("/s", named)[:4]
    assert seen_hash("/s", neighbour)[:4] == begin
    assert seen_hash("/s", stranger)[:4] != begin
    assert seen_hash("/other", named)[:4] != begin


def test_data_versions() -> None:
    items = (
        DataVersion(data_category_id="c1", data_version="v1", time=NOW - 5),
        DataVersion(data_category_id="c2", data_version="v2"),
    )
    accepting = Accepting()
    verdict = accepting.decide(Submission(tenant="acme", received_at=NOW, body=DataVersions(items=items, single=False)))
    assert [(e.type, e.subject_type, e.verb, e.subject_id, e.time) for e in verdict.events] == [
        ("data_version.published", "data_version", "published", "c1", NOW - 5),
        ("data_version.published", "data_version", "published", "c2", NOW),
    ]
    assert json.loads(verdict.events[1].data) == {"data_category_id": "c2", "data_version": "v2"}
    assert results(verdict)[0] == {
        "data_category_id": "c1", "data_version": "v1", "event_ids": [verdict.events[0].id],
    }  # fmt: skip
    assert (verdict.status, verdict.keeps_answer) == (202, True)
    assert frozen(accepting.facts) == frozen(Facts())
