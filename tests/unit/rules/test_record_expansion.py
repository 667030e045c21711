"""Record changes: the events of each action, and the rules of version ids."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.rules.rules_builders import NOW, Accepting, frozen, results

from tocsin.errors import InvalidRequest, VersionConflict
from tocsin.model.event import order_keys
from tocsin.model.record import Action, Change
from tocsin.model.submission import Changes, Submission, Verdict
from tocsin.rules.needs import needs_of


def change(
    action: str = "update",
    version_id: int | None = None,
    content: bytes = b"1",
    record_id: str = "r1",
    **fields: object,
) -> Change:
    given: dict[str, object] = {
        "table": "customers",
        "record_id": record_id,
        "data": b'{"name": "A\\u006En" }',
        **fields,
    }
    return Change(action=Action(action), version_id=version_id, content_hash=content.ljust(16), **given)  # type: ignore[arg-type]


def submission(*items: Change, single: bool = False) -> Submission:
    return Submission(tenant="acme", received_at=NOW, body=Changes(items=items, single=single))


def told(accepting: Accepting, *items: Change) -> Verdict:
    verdict = accepting.decide(submission(*items))
    assert verdict.problem is None
    return verdict


EXPECTED = {
    "create": [("record.created", "r1", "CREATE", "given")],
    "update": [("record.updated", "r1", "UPDATE", "given")],
    "enrich": [("record.updated", "r1", "UPDATE", "given")],
    "delete": [("record.deleted", "r1", "DELETE", "{}")],
    "merge": [("record.updated", "r1", "UPDATE", "given"), ("record.deleted", "r2", "DELETE", "{}")],
    "unmerge": [("record.updated", "r1", "UPDATE", "given"), ("record.created", "r3", "CREATE", '{ "b":1e2}')],
}


@pytest.mark.parametrize("action", EXPECTED)
def test_the_events_of_each_action(action: str) -> None:
    fields: dict[str, dict[str, object]] = {
        "merge": {"retired_id": "r2"},
        "unmerge": {"resurrected_id": "r3", "resurrected_data": b'{ "b":1e2}'},
    }
    verdict = told(Accepting(), change(action, 44566, **fields.get(action, {}), time=NOW - 7))
    assert len(verdict.events) == len(EXPECTED[action])
    for number, (event, (event_type, record_id, change_type, data)) in enumerate(
        zip(verdict.events, EXPECTED[action], strict=True)
    ):
        assert (event.type, event.subject_type, event.subject_id) == (event_type, "record", f"customers/{record_id}")
        assert (event.type, event.tenant, event.time) == (f"record.{event.verb}", "acme", NOW - 7)
        new_data = '{"name": "A\\u006En" }' if data == "given" else data
        assert event.data.decode() == (
            f'{{"table":"customers","record_id":"{record_id}","version_id":44566,"change_type":"{change_type}",'
            f'"record_number":{number},"action":"{action}","new_data":{new_data}}}'
        )
    (answer,) = results(verdict)
    assert answer == {"version_id": 44566, "event_ids": [event.id for event in verdict.events]}


@pytest.mark.parametrize(
    ("item", "other"),
    [(change("merge", retired_id="r2"), "r2"), (change("unmerge", resurrected_id="r3"), "r3")],
)
def test_both_parts_carry_the_order_keys_of_both_records(item: Change, other: str) -> None:
    events = told(Accepting(), item).events
    assert [order_keys(event) for event in events] == [("record\0customers/r1", f"record\0customers/{other}")] * 2


def test_a_single_part_has_only_the_key_of_its_subject() -> None:
    (event,) = told(Accepting(), change("create")).events
    assert event.keys == ()
    assert order_keys(event) == ("record\0customers/r1",)


@pytest.mark.parametrize(("action", "pointer"), [("merge", "/retired"), ("unmerge", "/resurrected")])
def test_the_other_record_is_needed(action: str, pointer: str) -> None:
    verdict = Accepting().decide(submission(change(action), single=True))
    assert isinstance(verdict.problem, InvalidRequest)
    assert [error.pointer for error in verdict.problem.errors] == [pointer]
    verdict = Accepting().decide(submission(change(), change(action)))
    assert verdict.problem is not None
    assert [error.pointer for error in verdict.problem.errors] == [f"/1{pointer}"]


def test_version_ids_are_assigned_one_after_another_and_above_those_given() -> None:
    accepting = Accepting()
    verdict = told(accepting, change(), change(), change(version_id=44566), change())
    assert [answer["version_id"] for answer in results(verdict)] == [1, 2, 44566, 44567]
    assert accepting.facts.counter == 44567
    assert [version_id for version_id, _ in verdict.versions] == [1, 2, 44566, 44567]
    (event,) = told(accepting, change()).events
    assert json.loads(event.data)["version_id"] == 44568
    assert event.time == NOW


@pytest.mark.parametrize("in_one_array", [True, False])
def test_the_same_version_again_gives_the_original_answer(in_one_array: bool) -> None:
    accepting = Accepting()
    first, again = change("merge", 9, retired_id="r2"), change("merge", 9, retired_id="r2")
    if in_one_array:
        verdict = told(accepting, first, again)
        assert len(verdict.events) == 2
        answers = results(verdict)
    else:
        answers = results(told(accepting, first))
        before = frozen(accepting.facts)
        verdict = told(accepting, again)
        assert (verdict.events, verdict.versions) == ((), ())
        assert frozen(accepting.facts) == before
        answers += results(verdict)
    assert answers[0] == answers[1]
    assert len(answers[0]["event_ids"]) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("version_id", [9, 8, 1])
@pytest.mark.parametrize("in_one_array", [True, False])
def test_another_change_under_a_used_or_lower_version_is_a_conflict(version_id: int, in_one_array: bool) -> None:
    accepting = Accepting()
    first, other = change(version_id=9), change(version_id=version_id, content=b"2")
    if not in_one_array:
        told(accepting, first)
    before = frozen(accepting.facts)
    verdict = accepting.decide(submission(first, other) if in_one_array else submission(other, single=True))
    assert isinstance(verdict.problem, VersionConflict)
    assert [error.pointer for error in verdict.problem.errors] == ["/1/version_id" if in_one_array else "/version_id"]
    assert (verdict.status, verdict.body, verdict.events, verdict.versions) == (409, b"", (), ())
    assert frozen(accepting.facts) == before


def test_an_assigned_version_given_again_is_that_change_or_a_conflict() -> None:
    accepting = Accepting()
    first = results(told(accepting, change()))
    again = told(accepting, change(version_id=1))
    assert (results(again), again.events) == (first, ())
    verdict = accepting.decide(submission(change(version_id=1, content=b"2"), single=True))
    assert isinstance(verdict.problem, VersionConflict)


def test_beyond_the_highest_version_nothing_is_assigned() -> None:
    accepting = Accepting()
    told(accepting, change(version_id=2**63 - 1))
    verdict = accepting.decide(submission(change(), single=True))
    assert isinstance(verdict.problem, VersionConflict)
    assert accepting.facts.counter == 2**63 - 1


def test_what_must_be_known() -> None:
    needs = needs_of(submission(change(), change(version_id=7), change(version_id=5), change(version_id=7)))
    assert (needs.versions, needs.counter) == ((7, 5), True)
    assert (needs.jobs, needs.lineages, needs.seen) == ((), (), ())


changes = st.builds(
    change,
    st.just("update"),
    st.one_of(st.none(), st.integers(1, 6)),
    st.sampled_from([b"1", b"2"]),
    st.sampled_from(["r1", "r2"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(changes, min_size=1, max_size=4), max_size=8))
def test_versions_agree_with_a_model(arrays: list[list[Change]]) -> None:
    accepting = Accepting()
    highest, used = 0, dict[int, bytes]()
    for items in arrays:
        new_highest, new_used, versions, is_refused = highest, dict(used), list[int](), False
        for item in items:
            version_id = item.version_id or new_highest + 1
            if item.version_id is not None and new_used.get(version_id) == item.content_hash:
                pass
            elif version_id > new_highest:
                new_highest = version_id
                new_used[version_id] = item.content_hash
            else:
                is_refused = True
                break
            versions.append(version_id)
        verdict = accepting.decide(submission(*items))
        assert (verdict.problem is not None) is is_refused
        if not is_refused:
            highest, used = new_highest, new_used
            assert [answer["version_id"] for answer in results(verdict)] == versions
        assert accepting.facts.counter == highest
        assert {known: stored.content_hash for known, stored in accepting.facts.versions.items()} == used
