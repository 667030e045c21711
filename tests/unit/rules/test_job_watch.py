"""When a job is overdue or lost, and that each run is told of once."""

from __future__ import annotations

import pytest
from tests.unit.rules.rules_builders import NOW, mint, report

from tocsin.model.submission import Facts, Overrun, Reports, Submission, Verdict
from tocsin.rules.accepting import Deciding
from tocsin.rules.job_watch import JobLimits, parse_limits

SECOND = 1000


class Watching:
    """Reports on job-1 of type `load`, and looks at what is over."""

    def __init__(self, **limits: dict[str, float]) -> None:
        self.facts = Facts()
        self._decide = Deciding(mint(), JobLimits(**limits))

    def report(self, state: str | None = None, at: int = NOW, **fields: object) -> Verdict:
        body = Reports(items=(report(state, **fields),), single=True)
        return self._decide(Submission(tenant="acme", received_at=at, body=body), self.facts)

    def over(self, kind: str, at: int) -> list[str]:
        body = Overrun(items=(("job-1", kind),))  # type: ignore[arg-type]  # a word of the test's
        verdict = self._decide(Submission(tenant="acme", received_at=at, body=body), self.facts)
        assert len(verdict.jobs) == len(verdict.events)
        return [event.type for event in verdict.events]

    @property
    def times(self) -> tuple[int | None, int | None]:
        row = self.facts.jobs["job-1"]
        return row.overdue_at, row.lost_at


def test_a_run_that_takes_too_long_is_told_once() -> None:
    watching = Watching(overdue={"load": 60})
    watching.report("pending")
    assert watching.times == (None, None)
    watching.report("running")
    assert watching.times == (NOW + 60 * SECOND, None)
    assert watching.over("overdue", NOW + 59 * SECOND) == []
    assert watching.over("overdue", NOW + 60 * SECOND) == ["job.overdue"]
    assert watching.over("overdue", NOW + 61 * SECOND) == []
    watching.report("running", details="still at it", at=NOW + 62 * SECOND)
    assert watching.times == (None, None)
    watching.report("running", overdue_after_seconds=100.0, at=NOW + 63 * SECOND)
    assert watching.times == (NOW + 100 * SECOND, None)


def test_a_new_run_is_watched_anew() -> None:
    watching = Watching(overdue={"*": 60})
    watching.report("running")
    watching.over("overdue", NOW + 60 * SECOND)
    watching.report("waiting", at=NOW + 61 * SECOND)
    watching.report("running", at=NOW + 70 * SECOND)
    assert watching.times == (NOW + 130 * SECOND, None)


def test_an_end_ends_the_watch() -> None:
    watching = Watching(overdue={"*": 60}, lost={"*": 5})
    watching.report("running")
    assert watching.times == (NOW + 60 * SECOND, NOW + 5 * SECOND)
    watching.report("succeeded", at=NOW + SECOND)
    assert watching.times == (None, None)
    assert watching.over("overdue", NOW + 100 * SECOND) == []
    assert watching.over("lost", NOW + 100 * SECOND) == []


def test_any_report_is_a_sign_of_life() -> None:
    watching = Watching(lost={"load": 5})
    watching.report("running")
    again = watching.report("running", at=NOW + 4 * SECOND)
    assert again.events == ()
    assert [row.lost_at for _, row in again.jobs] == [NOW + 9 * SECOND]
    assert watching.over("lost", NOW + 8 * SECOND) == []
    assert watching.over("lost", NOW + 9 * SECOND) == ["job.lost"]
    assert watching.over("lost", NOW + 20 * SECOND) == []
    watching.report("running", at=NOW + 21 * SECOND)
    assert watching.times == (None, NOW + 26 * SECOND)


def test_a_limit_of_the_job_goes_before_that_of_its_type() -> None:
    watching = Watching(overdue={"load": 60, "*": 10})
    watching.report("running", overdue_after_seconds=5.0)
    assert watching.times == (NOW + 5 * SECOND, None)
    assert Watching().facts.jobs == {}


def test_without_limits_nothing_is_watched() -> None:
    watching = Watching(overdue={"other": 60}, lost={"other": 1})
    watching.report("running")
    assert watching.times == (None, None)
    assert watching.report("running", at=NOW + 1).jobs == ()


@pytest.mark.parametrize(
    ("text", "limits"),
    [("", {}), ("load=60", {"load": 60}), ("a=1, *=0.5", {"a": 1, "*": 0.5}), ("a=b=2", {"a=b": 2})],
)
def test_limits_are_read(text: str, limits: dict[str, float]) -> None:
    assert parse_limits(text) == limits


@pytest.mark.parametrize("text", ["load", "load=", "=60", "load=soon", "load=0", "load=-1", "load=nan", "load=inf"])
def test_other_limits_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a job type and seconds"):
        parse_limits(text)
