"""The demo's verdict: it must notice whatever is missing, too much, unverified, malformed or out of order."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from tocsin.cli.demo.cast import CAST
from tocsin.cli.demo.expectations import Tally, in_order, is_complete, name_of, tally
from tocsin.receiver import Arrival

EXPECTED = Counter([("job.running", "j"), ("job.succeeded", "j")])


def arrival(name, *, number=1, sequence="01", status=204, attempt="1", **changes):
    body = {"specversion": "1.0", "type": name, "subject": "j", "sequence": sequence}
    made = Arrival(
        number=number,
        at=0.0,
        method="POST",
        path="/",
        headers={"webhook-id": f"evt_{number}", "webhook-attempt": attempt},
        body=json.dumps(body).encode(),
        status=status,
        verified=True,
        problem=None,
        is_duplicate=False,
        connection=1,
    )
    return replace(made, **changes)


GOOD = [
    arrival("job.running", number=1, status=503),
    arrival("job.running", number=2, attempt="2"),
    arrival("job.succeeded", number=3, sequence="02"),
]


def judge(arrivals, *, failures=1, problem=None):
    return tally(EXPECTED, arrivals, lambda _: problem, failures=failures, is_ordered=True)


def test_all_as_expected():
    assert judge(GOOD) == Tally(
        expected=2, arrived=2, verified=2, requests=3, retried=1, order=True, missing=(), complaints=()
    )
    assert judge(GOOD).is_right
    assert is_complete(EXPECTED, GOOD)


@pytest.mark.parametrize(
    ("arrivals", "failures", "missing", "complaint"),
    [
        (GOOD[:2], 1, ("job.succeeded j",), None),
        (GOOD[1:], 1, (), "0 requests failed, 1 should have"),
        ([*GOOD, arrival("job.succeeded", number=4, sequence="03")], 1, (), "job.succeeded j: arrived 1 times too often"),
        ([*GOOD, arrival("job.deleted", number=4, sequence="03")], 1, (), "job.deleted j: arrived 1 times too often"),
        (GOOD[::-1], 1, (), "the events of a subject came in another order than they happened"),
        ([*GOOD[:2], replace(GOOD[2], verified=False, problem="bad")], 1, (), "#3: bad"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(arrivals, failures, missing, complaint):
    found = judge(arrivals, failures=failures)
    assert not found.is_right
    assert found.missing == missing
    assert found.complaints == (() if complaint is None else (complaint,))
    assert is_complete(EXPECTED, arrivals) is not bool(missing)


def test_a_malformed_request_is_a_complaint():
    assert judge(GOOD, problem="keys are not a").complaints == tuple(f"#{n}: keys are not a" for n in (1, 2, 3))


def test_duplicates_do_not_count():
    assert judge([*GOOD, replace(GOOD[2], number=4, is_duplicate=True)]).is_right


def test_order_is_judged_by_subject_and_only_where_there_is_a_sequence():
    other = replace(GOOD[0], body=b'{"specversion": "1.0", "type": "t", "subject": "k", "sequence": "00"}')
    foreign = replace(GOOD[0], body=b'{"specversion": "1.0", "type": "t", "subject": "j"}')
    assert in_order([GOOD[2], other, foreign, replace(GOOD[0], body=b"no JSON")])
    assert not in_order([GOOD[2], other, GOOD[1]])


@pytest.mark.parametrize(
    ("data", "name"),
    [({"jobId": "j", "status": {"state": "DONE"}}, "DONE"), ({"tableId": "t", "recordId": "r", "changeType": "UPDATE"}, "UPDATE")],
)  # fmt: skip
def test_tamr_is_named_by_state_or_change(data, name):
    body = json.dumps({"specversion": "1.0", "type": "x", "data": data}).encode()
    assert name_of(replace(GOOD[0], body=body))[0] == name


def test_the_cast_has_each_format_once_and_examples_that_are_expected():
    kinds = [(part.settings["format"]["kind"], part.settings["format"].get("mode")) for part in CAST]
    assert len(set(kinds)) == len(kinds) == 7
    assert {kind for kind, _ in kinds} == {"cloudevents", "standard_webhooks", "tamr", "lytics", "telmai", "visier"}
    assert all(part.expected[part.example] == 1 for part in CAST)
