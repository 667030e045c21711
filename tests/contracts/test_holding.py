"""Holding as every store does it: who joins holds nothing, takes everything once, moves all cursors or none, and reads its own part
of the log."""

from __future__ import annotations

import pytest
from tests.contracts.given import NOTHING, deciding, delivery, endpoint, entry, submission
from tests.kit.stores import Store, held, moves

from tocsin.model.ids import IdMint
from tocsin.model.submission import Accepted
from tocsin.ports import Cursor, Fenced, Hint, Move, StoredEndpoint
from tocsin.rules.partitions import partition_of

TENANTS = ("acme", "other", "third")


async def test_partitions_are_taken_once_and_given_back(store: Store) -> None:
    holding = store.holding
    every = set(range(holding.partitions))
    holder = await holding.join("one")
    assert await holding.cursors(holder) == {}
    taken = await holding.take(holder, 64)
    assert {one.partition for one in taken} == every
    assert {(one.cursor, one.fenced_ago_ms) for one in taken} == {(Cursor(position=0), None)}
    assert await holding.take(holder, 64) == []
    seen = await holding.beat(holder, is_watching=True)
    assert seen is not None
    assert (seen.neighbours, seen.holders) == ((), dict.fromkeys(every, holder.epoch))
    await holding.give_back(holder, [0])
    assert set(await holding.cursors(holder) or {}) == every - {0}
    seen = await holding.beat(holder, is_watching=True)
    assert seen is not None
    assert [partition for partition, epoch in seen.holders.items() if epoch == 0] == [0]
    assert [one.partition for one in await holding.take(holder, 64)] == [0]


async def test_who_has_left_holds_nothing_and_writes_nothing(store: Store) -> None:
    holder, _ = await held(store)
    await store.holding.leave(holder)
    assert await store.holding.beat(holder, is_watching=False) is None
    assert await store.holding.cursors(holder) is None
    assert await store.holding.take(holder, 64) == []
    with pytest.raises(Fenced):
        await store.queue.settle(holder, [])
    await held(store)


async def test_all_cursors_move_or_none(store: Store, mint: IdMint) -> None:
    holder, old = await held(store)
    revision, _ = await store.directory.endpoints()
    await store.log.accept([(submission(), NOTHING)], deciding(mint, 3))
    new = Cursor(position=1, endpoint=7)
    assert await store.queue.fan(holder, moves(store, old, new), [], directory_revision=revision) == []
    assert set((await store.holding.cursors(holder) or {}).values()) == {new}
    wrong = moves(store, new, Cursor(position=2))
    wrong[-1] = Move(partition=wrong[-1].partition, old=old, new=Cursor(position=2))
    assert await store.queue.fan(holder, wrong, [delivery(mint, 1, 2)], directory_revision=revision) is None
    assert set((await store.holding.cursors(holder) or {}).values()) == {new}
    one = [Move(partition=0, old=new, new=Cursor(position=3))]
    assert await store.queue.fan(holder, one, [], directory_revision=revision) == []
    cursors = await store.holding.cursors(holder)
    assert cursors == dict.fromkeys(range(store.holding.partitions), new) | {0: Cursor(position=3)}


async def test_a_stretch_has_the_events_of_its_partitions_and_an_end(store: Store, mint: IdMint) -> None:
    count = store.holding.partitions
    mine = [partition_of("acme", count)]
    assert (await store.log.stretch(mine, 0, 10)).end == 0
    groups = [(submission(tenant), NOTHING) for tenant in TENANTS for _ in range(4)]
    answers = await store.log.accept(groups, deciding(mint, 2))
    events = [event for answer in answers if isinstance(answer, Accepted) for event in answer.events]
    assert len(events) == 24
    wanted = [event for event in events if partition_of(event.tenant, count) in mine]
    assert len(wanted) > 0
    first = await store.log.stretch(mine, 0, 3)
    assert (list(first.events), first.end) == (wanted[:3], wanted[2].position)
    rest = await store.log.stretch(mine, first.end, 100)
    assert (list(rest.events), rest.end) == (wanted[3:], 24)
    assert (await store.log.stretch(mine, 24, 100)).end == 24
    everything = await store.log.stretch(range(count), 0, 100)
    assert (list(everything.events), everything.end) == (events, 24)


async def test_lanes_that_wait_are_those_of_the_partitions(store: Store, mint: IdMint) -> None:
    count = store.holding.partitions
    await store.log.accept([(submission(), NOTHING)], deciding(mint, 2))
    ends: list[StoredEndpoint] = [
        await store.directory.add_endpoint(endpoint(mint, tenant), entry(mint)) for tenant in TENANTS
    ]
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    made = [
        delivery(mint, end.number, position, tenant=end.tenant, at=10 * end.number + position, lane=lane)
        for end in ends
        for position in (2, 1)
        for lane in (0, end.number)
    ]
    assert await store.queue.fan(holder, moves(store, cursor, Cursor(position=2)), made, directory_revision=revision)
    for partition in {partition_of(end.tenant, count) for end in ends}:
        found = {(one.endpoint, one.lane, one.due_at) for one in await store.queue.waiting([partition])}
        assert found == {
            (end.number, lane, 10 * end.number + 1)
            for end in ends
            if partition_of(end.tenant, count) == partition
            for lane in (0, end.number)
        }
    assert len(await store.queue.waiting(range(count))) == 6


async def test_telling_and_hearing_do_no_harm_where_nobody_is(store: Store) -> None:
    await store.holding.listen(lambda hint: pytest.fail(f"heard {hint}"))
    store.holding.tell(Hint(partitions=(0,), changed=True))
    holder = await store.holding.join("one")
    assert await store.holding.beat(holder, is_watching=False) is not None


async def test_what_expires_elsewhere_keeps_its_order_keys_until_its_holder_releases_it(
    store: Store, mint: IdMint
) -> None:
    await store.log.accept([(submission(), NOTHING)], deciding(mint, 2))
    await store.directory.add_endpoint(endpoint(mint), entry(mint))
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    made = [delivery(mint, 1, position, keys=["k"], at=position) for position in (1, 2)]
    await store.queue.fan(holder, moves(store, cursor, Cursor(position=2)), made, directory_revision=revision)
    expired, ready = await store.retention.expire(None, [1], 1, frozenset(), 50)
    assert ([one.endpoint for one in expired], ready) == ([1], [])
    assert (await store.queue.due(1, 0, 100, 10)).claims == ()
    assert await store.queue.release_ended(holder, [1], frozenset({1})) == []
    (claim,) = await store.queue.release_ended(holder, [1], frozenset())
    assert claim.delivery.number == 2


async def test_a_replay_goes_as_far_as_the_fan_out_of_its_tenant(store: Store, mint: IdMint) -> None:
    """Others may be behind: that is nothing to it."""
    await store.log.accept([(submission(), NOTHING)], deciding(mint, 3))
    holder, old = await held(store)
    revision, _ = await store.directory.endpoints()
    home = partition_of("acme", store.holding.partitions)
    move = Move(partition=home, old=old, new=Cursor(position=2))
    assert await store.queue.fan(holder, [move], [], directory_revision=revision) == []
    assert await store.replays.span("acme", None, None) == (0, 2)
