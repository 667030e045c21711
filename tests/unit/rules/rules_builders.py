"""Short ways to make what the rules are tested with."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

from tocsin.model.ids import EventId, IdMint
from tocsin.model.job import JobState, Report
from tocsin.model.submission import Facts, Reports, Submission, Verdict
from tocsin.rules.accepting import Deciding

NOW = 1_800_000_000_000


def mint() -> IdMint:
    """A mint whose ids grow and are the same in every run."""
    clock: Iterator[int] = itertools.count(NOW)
    return IdMint(lambda: next(clock), lambda n: b"\x07" * n)


def report(state: str | None = None, **fields: object) -> Report:
    """A report on job-1, of type `load` unless said."""
    given: dict[str, object] = {"job_id": "job-1", "job_type": "load", **fields}
    if state is not None:
        given["state"] = JobState(state)
    return Report(**given)  # type: ignore[arg-type]


def submitted(*items: object, now: int = NOW, single: bool = False) -> Submission:
    """Reports of tenant acme."""
    return Submission(tenant="acme", received_at=now, body=Reports(items=items, single=single))  # type: ignore[arg-type]


class Accepting:
    """A tenant's facts, and what was decided with them."""

    def __init__(self) -> None:
        self.facts = Facts()
        self._decide = Deciding(mint())

    def decide(self, submission: Submission) -> Verdict:
        return self._decide(submission, self.facts)

    def reports(self, *items: object, now: int = NOW) -> Verdict:
        return self.decide(submitted(*items, now=now))

    def one(self, item: Report, now: int = NOW) -> Verdict:
        return self.decide(submitted(item, now=now, single=True))


def frozen(facts: Facts) -> tuple[object, ...]:
    """Everything the facts say, to compare."""
    return (
        dict(facts.jobs),
        dict(facts.lineages),
        dict(facts.seen),
        dict(facts.versions),
        dict(facts.streaks),
        facts.counter,
    )


def results(verdict: Verdict) -> list[dict[str, object]]:
    """The results in the answer."""
    document = json.loads(verdict.body)
    assert list(document) == ["results"]
    return document["results"]


def event_id(n: int) -> EventId:
    return EventId(f"evt_{n}")
