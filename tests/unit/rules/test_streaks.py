"""How many runs of a job failed in a row: counted by accept, carried by events, asked for by filters."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.rules.rules_builders import Accepting, report, submitted

from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter
from tocsin.model.job import JobState, Report
from tocsin.model.submission import Verdict
from tocsin.rules.matching import matches
from tocsin.rules.needs import needs_of
from tocsin.rules.streaks import streak_hash, streaks_of


def told(verdict: Verdict) -> list[tuple[str, int | None]]:
    """Verb and number of each event."""
    return [(event.verb, json.loads(event.data).get("failures_in_a_row")) for event in verdict.events]


def runs(accepting: Accepting, *states: str, **fields: object) -> list[tuple[str, int | None]]:
    """One run after another, each a job of its own with the same name; what is told of how they end."""
    ends = []
    for state in states:
        number = len(accepting.facts.jobs)
        named: dict[str, object] = {"name": "nightly", "job_id": f"run-{number}", **fields}
        ends.append(told(accepting.one(report(state, **named)))[-1])
    return ends


def test_failures_are_counted_until_a_success_which_tells_how_many_it_ended() -> None:
    ends = runs(Accepting(), "failed", "failed", "failed", "succeeded", "succeeded", "failed", "succeeded", "failed")
    assert ends == [
        ("failed", None), ("failed", 2), ("failed", 3), ("succeeded", 3), ("succeeded", None), ("failed", None),
        ("succeeded", None), ("failed", None),
    ]  # fmt: skip


def test_a_stopped_run_says_nothing_either_way() -> None:
    assert runs(Accepting(), "failed", "stopped", "failed", "running", "failed") == [
        ("failed", None), ("stopped", None), ("failed", 2), ("running", None), ("failed", 3),
    ]  # fmt: skip


def test_type_and_name_tell_streaks_apart_and_without_a_name_the_id() -> None:
    accepting = Accepting()
    for fields in ({}, {"job_type": "other"}, {"name": "other"}, {"name": None}, {"name": None}):
        assert runs(accepting, "failed", **fields) == [("failed", None)]
    assert runs(accepting, "failed") == [("failed", 2)]
    accepting.one(report("running", name=None, job_id="run-3", restart=True))
    assert told(accepting.one(report("failed", name=None, job_id="run-3"))) == [("failed", 2)]
    assert streak_hash("t", None, "x") != streak_hash("t", "x", "y")


def test_only_the_event_about_the_end_carries_it_and_what_is_not_new_is_not_counted() -> None:
    accepting = Accepting()
    runs(accepting, "failed")
    verdict = accepting.one(report("failed", name="nightly"))
    assert told(verdict) == [("created", None), ("failed", 2)]
    assert len(verdict.streaks) == 1
    assert told(accepting.one(report("failed", name="nightly"))) == []
    again = accepting.one(report("failed", name="nightly", details="more"))
    assert (told(again), again.streaks) == ([("progressed", None)], ())
    refused = accepting.reports(report("succeeded", name="nightly"))
    assert (told(refused), refused.streaks) == ([], ())
    assert runs(accepting, "failed") == [("failed", 3)]


def test_what_does_not_end_a_run_needs_and_writes_no_streak() -> None:
    accepting = Accepting()
    assert accepting.one(report("running", name="nightly")).streaks == ()
    assert needs_of(submitted(report("running"), report("stopped", job_id="b"))).streaks is False
    assert needs_of(submitted(report("running"), report("failed", job_id="b"))).streaks is True
    assert accepting.one(report("succeeded", name="nightly")).streaks == (), "there is none to end"


reports = st.builds(
    Report,
    job_id=st.sampled_from("abc"),
    job_type=st.sampled_from([None, "t", "u"]),
    name=st.sampled_from([None, "n", "m"]),
    state=st.sampled_from(
        [JobState.RUNNING, JobState.FAILED, JobState.FAILED, JobState.SUCCEEDED, JobState.STOPPED, None]
    ),
    restart=st.just(True),
)


@given(st.lists(st.lists(reports, max_size=6), max_size=8))
def test_any_grouping_of_reports_counts_as_a_plain_model_does_and_loads_what_it_touches(
    groups: list[list[Report]],
) -> None:
    accepting, one_by_one = Accepting(), Accepting()
    model: dict[tuple[str, str, str], int] = defaultdict(int)
    for group in groups:
        may_touch = streaks_of(group, accepting.facts.jobs)
        verdict = accepting.reports(*group)
        assert {digest for digest, _ in verdict.streaks} <= may_touch
        alone = [event for item in group for event in one_by_one.reports(item).events]
        assert [event.data for event in verdict.events] == [event.data for event in alone]
        for event in verdict.events:
            data: dict[str, Any] = json.loads(event.data)
            name = ("id", data["job_id"]) if data["name"] is None else ("name", data["name"])
            expected = None
            if event.verb in {"failed", "succeeded"}:
                before = model[data["job_type"], *name]
                model[data["job_type"], *name] = now = before + 1 if event.verb == "failed" else 0
                expected = max(before, now) if max(before, now) >= 2 else None
            assert data.get("failures_in_a_row") == expected
    assert accepting.facts.streaks == one_by_one.facts.streaks


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        (1, [True, True, True, True, False, True, False]),
        (2, [False, True, True, True, False, False, False]),
        (3, [False, False, True, True, False, False, False]),
        (4, [False, False, False, False, False, False, False]),
    ],
)
def test_a_filter_takes_failures_from_so_many_on_and_the_success_that_ends_them(limit: int, wanted: list[bool]) -> None:
    accepting = Accepting()
    found = []
    for number, state in enumerate(("failed", "failed", "failed", "succeeded", "succeeded", "failed", "succeeded")):
        verdict = accepting.reports(
            report("running", name="nightly", job_id=f"run-{number}"),
            report(state, name="nightly", job_id=f"run-{number}"),
            report(state, name="nightly", job_id=f"run-{number}", details="more"),
        )
        hits = [event.verb for event in verdict.events if matches(Filter(after_failures=limit), view_of(event))]
        assert hits in ([], [state])
        found.append(bool(hits))
    assert found == wanted


def view_of(new: Any) -> EventView:
    fields = {name: getattr(new, name) for name in new.__struct_fields__}
    return EventView(Event(**fields, position=1, accepted_at=1))
