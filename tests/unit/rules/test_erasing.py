"""What names a subject, and what is left of a thing without it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.attempt import Attempt, AttemptError
from tocsin.model.erasure import MOST_NAMED, Subject
from tocsin.model.exchange import ErrorKind, Response, Timings
from tocsin.model.filter import Filter
from tocsin.model.ids import AttemptId
from tocsin.rules.erasing import (
    STEP_BYTES,
    STEP_ROWS,
    attempt_without,
    filters_name,
    filters_without,
    first_step,
    keys_without,
    named_too,
    names,
    reason_without,
)

ANN = Subject(tenant="acme", type="record", id="people/ann")
JOB = Subject(tenant="acme", type="job", id="1")


@pytest.mark.parametrize(
    ("document", "is_named"),
    [
        ({"subject_type": "record", "subject_id": "people/ann"}, True),
        ({"subject_id": "people/ann"}, True),
        ({"subject_type": "record", "subject_id": "people/ann", "tenant": "acme"}, True),
        ({"items": [{"a": {"subject_type": "record", "subject_id": "people/ann"}}]}, True),
        ({"filters": [{"subject_ids": ["people/bea", "people/ann"]}]}, True),
        ({"filters": [{"subject_ids": ["people/ann"], "subject_types": ["record", "job"]}]}, True),
        ({"filters": [{"where": 'subject == "people/ann"'}]}, True),
        ({"filters": [{"where": "subject == 'people/ann' || true"}]}, True),
        ({"subject_type": "person", "subject_id": "people/ann"}, False),
        ({"subject_type": "record", "subject_id": "people/ann", "tenant": "other"}, False),
        ({"filters": [{"subject_ids": ["people/ann"], "subject_types": ["job"]}]}, False),
        ({"filters": [{"subject_ids": ["people/anna"]}]}, False),
        ({"filters": [{"where": 'subject == "people/anna"'}]}, False),
        ({"name": "people/ann", "job_id": "people/ann"}, False),
        ({}, False),
        (None, False),
        ("people/ann", False),
    ],
)
def test_a_document_names_a_subject_where_it_says_so(document: object, is_named: bool) -> None:
    assert names(document, ANN) is is_named


def test_a_short_id_is_not_found_in_everything() -> None:
    assert names({"results": [{"job_id": "1", "outcome": "changed"}]}, JOB)
    assert not names(
        {"tenant": "1", "attempt_count": 1, "name": "1", "reason": "1", "results": [{"job_id": "11"}]}, JOB
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Filter(subject_ids=("people/ann", "b")), Filter(subject_ids=("b",))),
        (Filter(subject_ids=("people/ann",)), Filter(where="false")),
        (Filter(subject_ids=("people/ann",), verbs=("created",)), Filter(where="false")),
        (Filter(where='subject == "people/ann"'), Filter(where='subject == ""')),
        (Filter(where="subject in ['people/ann', 'b']"), Filter(where="subject in [\"\", 'b']")),
        (Filter(subject_ids=("b",)), Filter(subject_ids=("b",))),
        (Filter(), Filter()),
    ],
)
def test_filters_are_left_without_the_subject(before: Filter, after: Filter) -> None:
    other = Filter(verbs=("updated",))
    assert filters_without((before, other), ANN) == (after, other)
    assert filters_name((before, other), ANN) is (before != after)
    assert not filters_name((after,), ANN)


@pytest.mark.parametrize(
    ("reason", "left"),
    [
        (None, None),
        ("schedule exhausted (status 500)", "schedule exhausted (status 500)"),
        (f"the template failed: no number: {ANN.id}", "erased"),
        ("the template failed: no number", "the template failed: no number"),
    ],
)
def test_a_reason_is_left_without_the_subject(reason: str | None, left: str | None) -> None:
    assert reason_without(reason, ANN) == left


def test_a_short_id_is_not_found_in_reasons_of_ours() -> None:
    assert reason_without("too old (status 501)", JOB) == "too old (status 501)"


def test_an_attempt_keeps_when_and_how_it_ended() -> None:
    response = Response(status=500, headers=(("X-Saw", "ann"),), body=b"ann", body_bytes=3)
    error = AttemptError(kind=ErrorKind.STATUS, message="ann", reason="ann")
    attempt = Attempt(
        id=AttemptId("att_1"),
        number=2,
        started_at=3,
        outcome="retry",
        error=error,
        url="https://example.com/ann",
        request_headers=(("X", "ann"),),
        request_body=b"ann",
        request_body_bytes=3,
        response=response,
        timings=Timings(total=1.0),
        address="192.0.2.1",
        next_attempt_at=9,
    )
    left = attempt_without(attempt)
    assert "ann" not in repr(left)
    assert (left.id, left.number, left.started_at, left.outcome, left.address) == ("att_1", 2, 3, "retry", "192.0.2.1")
    assert left.response is not None
    assert (left.response.status, left.response.body_bytes, left.request_body_bytes) == (500, 3, 3)
    assert left.error is not None
    assert left.error.kind is ErrorKind.STATUS
    assert attempt_without(left) == left


def test_the_other_part_of_a_merge_is_left_with_its_own_key() -> None:
    own, theirs, third = "record\0people/bea", "record\0people/ann", "record\0people/eve"
    assert keys_without((own, theirs), own, ANN) == ()
    assert keys_without((own, theirs, third), own, ANN) == (own, third)


@given(st.lists(st.integers(0, 2 * STEP_BYTES), min_size=1, max_size=2 * STEP_ROWS))
def test_a_step_is_bounded_and_takes_one_at_least(sizes: list[int]) -> None:
    count = first_step(sizes)
    assert 1 <= count <= min(len(sizes), STEP_ROWS)
    assert count == 1 or sum(sizes[:count]) <= STEP_BYTES
    assert count == len(sizes) or count == STEP_ROWS or sum(sizes[: count + 1]) > STEP_BYTES


def test_a_report_names_each_once_and_not_too_many() -> None:
    assert named_too(("a", "b"), ("b", "c")) == ("a", "b", "c")
    assert len(named_too((), map(str, range(1000)))) == MOST_NAMED
