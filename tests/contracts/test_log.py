"""The event log: order, durability, all or nothing, idempotency keys."""

from __future__ import annotations

import msgspec
from tests.contracts.given import NOTHING, Clock, deciding, new_event, refusing, submission, versioning
from tests.kit.stores import Place, Store, close

from tocsin.errors import Conflict, IdempotencyKeyReused, InvalidRequest, TocsinError
from tocsin.model.event import CloudContext
from tocsin.model.ids import IdMint
from tocsin.model.submission import Accepted, Facts, Needs, Submission, Verdict


def accepted(answer: object) -> Accepted:
    assert isinstance(answer, Accepted), answer
    return answer


async def test_positions_are_contiguous_in_the_order_of_the_group(store: Store, mint: IdMint) -> None:
    answers = await store.log.accept([(submission(), NOTHING)] * 3, deciding(mint, 2, 0, 3))
    positions = [[event.position for event in accepted(a).events] for a in answers]
    assert positions == [[1, 2], [], [3, 4, 5]]
    assert await store.log.head() == 5
    read = await store.log.read(2, 2)
    assert [event.position for event in read] == [3, 4]
    assert read[0] == accepted(answers[2]).events[0]


async def test_every_field_of_an_event_survives(store: Store, mint: IdMint) -> None:
    cloud = CloudContext(id="x", source="/s", time="2026-01-01T00:00:00.5Z", extensions={"a": 1, "b": True, "c": "é"})

    def decide(_: Submission, __: Facts) -> Verdict:
        event = msgspec.structs.replace(new_event(mint, data=b"\x00\xff"), keys=("a\0b", "c"), cloud=cloud)
        return Verdict(status=202, body=b"", events=(event,))

    given = accepted((await store.log.accept([(submission(), NOTHING)], decide))[0]).events[0]
    assert await store.log.read(0, 10) == [given]
    assert given.cloud == cloud
    assert given.keys == ("a\0b", "c")
    assert given.data == b"\x00\xff"


async def test_accepted_at_never_goes_back(store: Store, mint: IdMint, clock: Clock) -> None:
    first = accepted((await store.log.accept([(submission(), NOTHING)], deciding(mint)))[0]).events[0]
    clock.now -= 60_000
    second = accepted((await store.log.accept([(submission(), NOTHING)], deciding(mint)))[0]).events[0]
    assert second.accepted_at == first.accepted_at


async def test_a_refusal_writes_nothing_and_does_not_touch_its_neighbours(store: Store, mint: IdMint) -> None:
    made = deciding(mint)

    def decide(submitted: Submission, facts: Facts) -> Verdict:
        return refusing(submitted, facts) if submitted.tenant == "bad" else made(submitted, facts)

    answers = await store.log.accept([(submission(t), NOTHING) for t in ("a", "bad", "b")], decide)
    assert isinstance(answers[1], Conflict)
    assert [e.tenant for e in await store.log.read(0, 10)] == ["a", "b"]


async def test_only_the_submission_whose_data_the_store_cannot_take_fails(store: Store, mint: IdMint) -> None:
    made = deciding(mint)

    def decide(submitted: Submission, facts: Facts) -> Verdict:
        if submitted.tenant != "bad":
            return made(submitted, facts)
        return Verdict(status=202, body=b"", events=(new_event(mint, "bad", subject="\ud800"),))

    answers = await store.log.accept([(submission(t), NOTHING) for t in ("a", "bad", "b")], decide)
    assert isinstance(answers[1], InvalidRequest)
    assert [len(accepted(answers[n]).events) for n in (0, 2)] == [1, 1]
    assert [(e.position, e.tenant) for e in await store.log.read(0, 10)] == [(1, "a"), (2, "b")]


async def test_a_fault_in_deciding_one_submission_is_not_its_neighbours(store: Store, mint: IdMint) -> None:
    made = deciding(mint)

    def decide(submitted: Submission, facts: Facts) -> Verdict:
        if submitted.tenant == "bad":
            raise LookupError("a fault of ours")
        return made(submitted, facts)

    answers = await store.log.accept([(submission(t), NOTHING) for t in ("a", "bad", "b")], decide)
    assert [type(answer) for answer in answers] == [Accepted, TocsinError, Accepted]
    assert [(e.position, e.tenant) for e in await store.log.read(0, 10)] == [(1, "a"), (2, "b")]


async def test_an_idempotency_key_gives_the_first_answer_again(store: Store, mint: IdMint) -> None:
    decide = deciding(mint)
    first = accepted((await store.log.accept([(submission(key="k"), NOTHING)], decide))[0])
    again = await store.log.accept(
        [(submission(key="k"), NOTHING), (submission(key="k", body=b"other"), NOTHING)], decide
    )
    assert accepted(again[0]).verdict.body == first.verdict.body
    assert accepted(again[0]).events == ()
    assert isinstance(again[1], IdempotencyKeyReused)
    assert await store.log.head() == 1


async def test_an_idempotency_key_holds_within_one_group_and_one_tenant(store: Store, mint: IdMint) -> None:
    group = [(submission(key="k"), NOTHING), (submission(key="k"), NOTHING), (submission("other", key="k"), NOTHING)]
    answers = await store.log.accept(group, deciding(mint))
    assert [len(accepted(a).events) for a in answers] == [1, 0, 1]


async def test_a_refused_request_leaves_its_idempotency_key_free(store: Store, mint: IdMint) -> None:
    await store.log.accept([(submission(key="k"), NOTHING)], refusing)
    answers = await store.log.accept([(submission(key="k", body=b"mended"), NOTHING)], deciding(mint))
    assert len(accepted(answers[0]).events) == 1


async def test_an_answer_is_forgotten_after_24_hours(store: Store, mint: IdMint, clock: Clock) -> None:
    at = clock.now
    await store.log.accept([(submission(key="k", at=at), NOTHING)], deciding(mint))
    late = submission(key="k", body=b"other", at=at + 24 * 3600 * 1000 + 1)
    assert len(accepted((await store.log.accept([(late, NOTHING)], deciding(mint)))[0]).events) == 1


async def test_facts_are_of_the_tenant_and_follow_what_was_written(store: Store, mint: IdMint) -> None:
    await store.log.accept([(submission("acme"), NOTHING)], versioning(mint, 5, 9))
    seen: dict[str, tuple[int, list[int], int]] = {}

    def look(submitted: Submission, facts: Facts) -> Verdict:
        seen[submitted.tenant] = (facts.counter, list(facts.versions), len(facts.seen))
        return Verdict(status=202, body=b"")

    needs = Needs(versions=(5, 6), seen=(b"h" * 16,), counter=True)
    await store.log.accept([(submission("acme"), needs), (submission("other"), needs)], look)
    assert seen == {"acme": (9, [5], 1), "other": (0, [], 0)}


async def test_what_was_accepted_is_there_after_reopening(place: Place, mint: IdMint, clock: Clock) -> None:
    first = await place.open(clock)
    events = accepted((await first.log.accept([(submission(), NOTHING)], deciding(mint, 3)))[0]).events
    await close(first)
    second = await place.open(clock)
    try:
        assert tuple(await second.log.read(0, 10)) == events
        more = accepted((await second.log.accept([(submission(), NOTHING)], deciding(mint)))[0]).events
        assert more[0].position == 4
    finally:
        await close(second)
