"""Several nodes on one database: who is fenced writes no more, nobody holds what another holds, hints arrive, and no stretch skips an
event."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import asyncpg
import pytest
from tests.contracts.given import NOTHING, Clock, deciding, delivery, endpoint, entry, settlement, submission
from tests.contracts.test_tallies import replay
from tests.kit.postgres import PostgresServer

from tocsin.adapters.postgres.database import connect, prepare_database
from tocsin.adapters.postgres.holding import PostgresHolding
from tocsin.adapters.postgres.statements import read_one
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.errors import Misconfigured, StoreUnavailable
from tocsin.model.access import ApiKey, Role
from tocsin.model.batch import Batch
from tocsin.model.endpoint import Standing
from tocsin.model.ids import IdMint
from tocsin.model.replay import ReplayState
from tocsin.model.retention import RetentionRule
from tocsin.ports import Beat, Cursor, Fenced, Hint, Holder, Move, Neighbour, Revisions, WrappedKey
from tocsin.rules.partitions import PARTITIONS, partition_of

CLOCK = Clock()
MINT = IdMint(CLOCK, os.urandom)
HOME = partition_of("acme", PARTITIONS)
EVERYTHING = Hint(partitions=tuple(range(PARTITIONS)), changed=True, missed=True)
TOLD = 3000
"""So many hints take longer than it takes to send the first of them."""
T = TypeVar("T")
Opener = Callable[[], Awaitable[PostgresStore]]


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.fresh("store", prepare_database)


@pytest.fixture
async def node(url: str) -> AsyncIterator[Opener]:
    """Opens stores over the same database, as several nodes would."""
    opened: list[PostgresStore] = []

    async def open_one() -> PostgresStore:
        opened.append(await PostgresStore.open(url, CLOCK, time.monotonic))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


async def joined(store: PostgresStore, limit: int = PARTITIONS) -> Holder:
    holder = await store.holding.join("one")
    await store.holding.take(holder, limit)
    return holder


async def seen_by(store: PostgresStore, holder: Holder, *, is_watching: bool = False) -> Beat:
    beat = await store.holding.beat(holder, is_watching=is_watching)
    assert beat is not None
    return beat


async def neighbour(store: PostgresStore, holder: Holder) -> Neighbour:
    (other,) = (await seen_by(store, holder)).neighbours
    return other


async def some_wait_for_locks(url: str, count: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(20):
            while (
                await connection.fetchval(
                    "SELECT count(DISTINCT l.pid) FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid"
                    " WHERE NOT l.granted AND a.datname = current_database()"
                )
                < count
            ):
                continue
    finally:
        await connection.close()


async def given_deliveries(store: PostgresStore, holder: Holder, count: int) -> None:
    await store.log.accept([(submission(), NOTHING)], deciding(MINT))
    await store.directory.add_endpoint(endpoint(MINT), entry(MINT))
    revision, _ = await store.directory.endpoints()
    moves = [Move(partition=HOME, old=Cursor(position=0), new=Cursor(position=1))]
    made = [delivery(MINT, 1, 1) for _ in range(count)]
    assert await store.queue.fan(holder, moves, made, directory_revision=revision) is not None


async def test_who_is_fenced_writes_no_more_and_others_take_its_partitions(node: Opener) -> None:
    one, two = await node(), await node()
    first = await joined(one)
    await given_deliveries(one, first, 2)
    second = await joined(two)
    assert set((await seen_by(two, second)).holders.values()) == {first.epoch}
    assert await two.holding.fence(second, await neighbour(two, second))
    assert not await two.holding.fence(second, Neighbour(epoch=first.epoch, name="one", beats=0))
    with pytest.raises(Fenced):
        await one.queue.settle(first, [settlement(MINT, 1)])
    revision, _ = await one.directory.endpoints()
    moves = [Move(partition=HOME, old=Cursor(position=1), new=Cursor(position=2))]
    assert await one.queue.fan(first, moves, [delivery(MINT, 1, 1)], directory_revision=revision) is None
    assert await one.holding.beat(first, is_watching=False) is None
    assert await one.holding.take(first, 1) == []
    assert await one.holding.cursors(first) is None
    taken = await two.holding.take(second, PARTITIONS)
    assert {one.partition: one.cursor.position for one in taken} == dict.fromkeys(range(PARTITIONS), 0) | {HOME: 1}
    assert all(one.fenced_ago_ms is not None and 0 <= one.fenced_ago_ms < 60_000 for one in taken)
    assert await two.queue.settle(second, [settlement(MINT, 1)]) == []


async def test_a_fence_waits_for_a_write_under_way(url: str, node: Opener) -> None:
    """Something of the first node's transaction is locked, so that it is still open when the other one fences."""
    one, two = await node(), await node()
    first, second = await joined(one), await joined(two)
    await given_deliveries(one, first, 2)
    gone = await neighbour(two, second)
    obstacle = await connect(url, seconds=30)
    await obstacle.execute("BEGIN")
    await obstacle.execute("SELECT 1 FROM delivery WHERE number = 1 FOR UPDATE")
    settling = asyncio.create_task(one.queue.settle(first, [settlement(MINT, 1)]))
    await some_wait_for_locks(url, 1)
    await seen_by(one, first)  # beats do not wait for it
    assert not await two.holding.fence(second, gone)
    gone = await neighbour(two, second)
    fencing = asyncio.create_task(two.holding.fence(second, gone))
    await some_wait_for_locks(url, 2)
    await obstacle.execute("COMMIT")
    assert await settling == []
    assert await fencing
    await obstacle.close()
    with pytest.raises(Fenced):
        await one.queue.settle(first, [settlement(MINT, 2)])
    states = await two._readers.read("attempts_made", ([1, 2],))
    assert sorted(states) == [(1, 1), (2, 0)]


async def test_a_fence_that_waits_too_long_gives_up(url: str, node: Opener) -> None:
    one = await node()
    first = await one.holding.join("one")
    gone = Neighbour(epoch=(await one.holding.join("two")).epoch, name="two", beats=0)
    obstacle = await connect(url, seconds=30)
    await obstacle.execute("BEGIN")
    assert await read_one(obstacle, "epoch", (gone.epoch,)) == (gone.epoch,)
    with pytest.raises(StoreUnavailable):
        await one.holding.fence(first, gone)
    await obstacle.execute("COMMIT")
    await obstacle.close()
    assert await one.holding.fence(first, gone)


async def test_who_has_beaten_since_is_not_fenced(node: Opener) -> None:
    one, two = await node(), await node()
    first, second = await joined(one), await joined(two)
    before = await neighbour(two, second)
    await seen_by(one, first, is_watching=True)
    assert not await two.holding.fence(second, before)
    after = await neighbour(two, second)
    assert (after.name, after.beats, after.is_watching) == ("one", before.beats + 1, True)
    assert set((await one.holding.cursors(first)) or {}) == set(range(PARTITIONS))


async def test_who_is_fenced_itself_fences_nobody(node: Opener) -> None:
    one, two, three = await node(), await node(), await node()
    holders = [await joined(store) for store in (one, two, three)]
    names = {other.epoch: other for other in (await seen_by(three, holders[2])).neighbours}
    assert await three.holding.fence(holders[2], names[holders[1].epoch])
    assert not await two.holding.fence(holders[1], names[holders[0].epoch])
    assert await one.holding.beat(holders[0], is_watching=False) is not None


async def test_two_that_take_at_once_share(node: Opener) -> None:
    stores = [await node() for _ in range(4)]
    holders = [await store.holding.join("one") for store in stores]
    shares = await asyncio.gather(*(store.holding.take(h, 20) for store, h in zip(stores, holders, strict=True)))
    every = [one.partition for share in shares for one in share]
    assert len(every) == len(set(every))
    for store, holder, share in zip(stores, holders, shares, strict=True):
        more = await store.holding.take(holder, 20 - len(share))
        assert set(await store.holding.cursors(holder) or ()) == {one.partition for one in (*share, *more)}
    assert len({p for p, epoch in (await seen_by(stores[0], holders[0])).holders.items() if epoch}) == PARTITIONS


async def test_what_is_given_back_keeps_the_time_of_the_last_fence(url: str, node: Opener) -> None:
    one, two = await node(), await node()
    first, second = await joined(one, 2), await two.holding.join("two")
    assert await two.holding.fence(second, await neighbour(two, second))
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE cursor SET fenced_at = fenced_at - interval '1 hour' WHERE fenced_at IS NOT NULL")
    await connection.close()
    taken = await two.holding.take(second, 3)
    ago = {one.partition: one.fenced_ago_ms for one in taken}
    assert ago[2] is None
    assert all(3_600_000 <= (ago[number] or 0) < 3_660_000 for number in (0, 1))
    await two.holding.give_back(second, [1, 2])
    assert await one.holding.beat(first, is_watching=False) is None
    third = await one.holding.join("three")
    again = {one.partition: one.fenced_ago_ms for one in await one.holding.take(third, 2)}
    assert again[2] is None
    assert (again[1] or 0) >= (ago[1] or 0)
    await two.holding.leave(second)
    assert [one.partition for one in await one.holding.take(third, 1)] == [0]


async def test_a_cursor_is_moved_by_one_of_two(node: Opener) -> None:
    store = await node()
    holder = await joined(store)
    revision, _ = await store.directory.endpoints()
    moves = [Move(partition=number, old=Cursor(position=0), new=Cursor(position=5)) for number in (3, 4)]
    both = [store.queue.fan(holder, moves, [], directory_revision=revision) for _ in range(2)]
    assert sorted(await asyncio.gather(*both), key=repr) == [None, []]
    other = await (await node()).holding.join("two")
    assert (
        await store.queue.fan(
            other, [Move(partition=3, old=moves[0].new, new=Cursor(position=6))], [], directory_revision=revision
        )
        is None
    )
    assert (await store.holding.cursors(holder) or {})[3] == Cursor(position=5)


async def test_readers_of_a_stretch_never_skip_an_event(node: Opener) -> None:
    """Nodes append for several tenants, while for each of some partitions somebody follows its stretch."""
    chance = random.Random(11)
    tenants = [f"tenant {number}" for number in range(6)]
    stores = [await node() for _ in range(3)]
    reader = await node()
    wanted: dict[int, int] = {}

    async def many(store: PostgresStore) -> None:
        for _ in range(25):
            sizes = [chance.randint(0, 3) for _ in range(chance.randint(1, 4))]
            names = [chance.choice(tenants) for _ in sizes]
            await store.log.accept([(submission(name), NOTHING) for name in names], deciding(MINT, *sizes, 0))
            for name, size in zip(names, sizes, strict=True):
                partition = partition_of(name, PARTITIONS)
                wanted[partition] = wanted.get(partition, 0) + size

    found: dict[int, list[int]] = {}

    async def follow(partition: int) -> None:
        end, seen = 0, found.setdefault(partition, [])
        while not (writing.done() and end == await reader.log.head()):
            stretch = await reader.log.stretch([partition], end, chance.choice((1, 3, 50)))
            assert all(end < event.position <= stretch.end for event in stretch.events)
            assert {partition_of(event.tenant, PARTITIONS) for event in stretch.events} <= {partition}
            seen += [event.position for event in stretch.events]
            end = stretch.end

    writing = asyncio.gather(*map(many, stores))
    partitions = {partition_of(name, PARTITIONS) for name in tenants}
    async with asyncio.timeout(60):
        await asyncio.gather(*map(follow, partitions))
    await writing
    assert {partition: len(seen) for partition, seen in found.items()} == {p: wanted.get(p, 0) for p in partitions}
    assert sorted(position for seen in found.values() for position in seen) == list(range(1, sum(wanted.values()) + 1))


async def test_a_quiet_partition_is_read_past_in_steps(node: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.adapters.postgres.log.SPAN", 10)
    store = await node()
    await store.log.accept([(submission(), NOTHING)], deciding(MINT, 25))
    quiet = [(HOME + 1) % PARTITIONS]
    ends = [0]
    while ends[-1] < 25:
        ends.append((await store.log.stretch(quiet, ends[-1], 100)).end)
    assert ends == [0, 10, 20, 25]


async def test_revisions_move_with_what_changes(node: Opener) -> None:
    store = await node()
    holder = await store.holding.join("one")
    directory = store.directory
    key = ApiKey(id=MINT.key(), name="k", role=Role.PRODUCER, tenant="acme", hash=b"h" * 32, created_at=1)
    data_key = WrappedKey(id=1, master_key="m", wrapped=b"w", created_at=1)
    made = await directory.add_endpoint(endpoint(MINT), entry(MINT))
    moved: list[tuple[str, ...]] = []
    for change in (
        directory.change_endpoint(made, entry(MINT), at_revision=1, to_head=False),
        directory.add_key(key, entry(MINT)),
        directory.touch_keys([(key.id, 5)]),
        directory.remove_key(key.id, "acme", entry(MINT)),
        directory.save(holder, Standing(endpoint=made.number)),
        store.data_keys.save([data_key], None, over=[]),
    ):
        before = (await seen_by(store, holder)).revisions
        await change
        after = (await seen_by(store, holder)).revisions
        moved.append(
            tuple(name for name in Revisions.__struct_fields__ if getattr(after, name) > getattr(before, name))
        )
    assert moved == [("endpoints",), ("api_keys",), (), ("api_keys",), ("standings",), ("data_keys",)]


async def test_revisions_move_with_replays_and_rules_but_not_with_the_steps_of_a_replay(node: Opener) -> None:
    store = await node()
    holder = await store.holding.join("one")
    await store.log.accept([(submission(), NOTHING)], deciding(MINT, 2))
    await store.directory.add_endpoint(endpoint(MINT), entry(MINT))

    async def moved(change: Awaitable[T]) -> tuple[T, tuple[str, ...]]:
        before = (await seen_by(store, holder)).revisions
        done = await change
        after = (await seen_by(store, holder)).revisions
        names = Revisions.__struct_fields__
        return done, tuple(name for name in names if getattr(after, name) > getattr(before, name))

    replays = store.replays
    begun, by_adding = await moved(replays.add(replay(MINT, 1, 2), entry(MINT)))
    fanned, by_a_step = await moved(replays.move(begun.number, 0, 1, [delivery(MINT, 1, 1, lane=begun.number)]))
    assert fanned is not None
    present = await replays.replay(begun.id, None)
    assert present is not None
    changed, by_a_change = await moved(replays.change(present, ReplayState.CANCELLED, None, 5, entry(MINT)))
    assert changed
    rule = RetentionRule(event_types=("*",), rows_seconds=86_400)
    _, by_a_rule = await moved(store.retention.save_rules("acme", [rule], entry(MINT)))
    assert (by_adding, by_a_step, by_a_change, by_a_rule) == (("replays",), (), ("replays",), ("retention",))


async def test_hints_reach_the_others_and_not_oneself(node: Opener) -> None:
    one, two = await node(), await node()
    heard: asyncio.Queue[Hint] = asyncio.Queue()
    own: list[Hint] = []
    await one.holding.listen(own.append)
    await two.holding.listen(heard.put_nowait)
    one.holding.tell(Hint(partitions=(3,)))
    one.holding.tell(Hint(partitions=(1,), changed=True))
    async with asyncio.timeout(20):
        assert await heard.get() == Hint(partitions=(1, 3), changed=True)
        lanes = {(2**62 + number, number) for number in range(1000)}
        one.holding.tell(Hint(lanes=tuple(lanes), settled=((1, 2),)))
        told: set[tuple[int, int]] = set()
        while (hint := await heard.get()).lanes:
            told |= set(hint.lanes)
        assert told == lanes
        assert hint == Hint(settled=((1, 2),))
        two.holding.tell(Hint(lanes=((7, 0),)))
        while not own:
            await asyncio.sleep(0.01)
    assert own == [Hint(lanes=((7, 0),))]
    assert heard.empty()


async def test_what_is_told_while_something_is_sent_goes_too(node: Opener) -> None:
    one, two = await node(), await node()
    heard: asyncio.Queue[Hint] = asyncio.Queue()
    await two.holding.listen(heard.put_nowait)
    lanes: set[tuple[int, int]] = set()
    async with asyncio.timeout(20):
        for number in range(TOLD):
            one.holding.tell(Hint(partitions=(number % PARTITIONS,), lanes=((number, 0),)))
            await asyncio.sleep(0)
        while len(lanes) < TOLD:
            lanes.update((await heard.get()).lanes)


async def test_who_lost_the_connection_is_told_that_everything_may_have_changed(url: str, node: Opener) -> None:
    one, two = await node(), await node()
    heard: asyncio.Queue[Hint] = asyncio.Queue()
    await two.holding.listen(heard.put_nowait)
    holder = await two.holding.join("two")
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with asyncio.timeout(20):
        assert await heard.get() == EVERYTHING
        one.holding.tell(Hint(partitions=(5,)))
        assert await heard.get() == Hint(partitions=(5,))
        while True:
            try:
                assert await two.holding.beat(holder, is_watching=False) is not None
            except StoreUnavailable:
                continue
            break
    await connection.close()


async def test_what_was_told_last_is_sent_when_a_node_stops(url: str, node: Opener) -> None:
    one, two = await PostgresStore.open(url, CLOCK, time.monotonic), await node()
    heard: asyncio.Queue[Hint] = asyncio.Queue()
    await two.holding.listen(heard.put_nowait)
    await one.holding.listen(lambda _: None)
    one.holding.tell(Hint(partitions=(9,)))
    await one.close()
    async with asyncio.timeout(20):
        assert await heard.get() == Hint(partitions=(9,))


async def test_nodes_share_a_database_that_a_transfer_wants_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.adapters.postgres.writer._LOCK_TRIES", 2)
    one, two = [await PostgresStore.open(url, CLOCK, time.monotonic) for _ in range(2)]
    with pytest.raises(Misconfigured, match="Servers run on this database"):
        await PostgresStore.open(url, CLOCK, time.monotonic, alone=True)
    await one.close()
    await two.close()
    alone = await PostgresStore.open(url, CLOCK, time.monotonic, alone=True)
    with pytest.raises(Misconfigured, match="A transfer has this database for itself"):
        await PostgresStore.open(url, CLOCK, time.monotonic)
    await alone.close()
    await (await PostgresStore.open(url, CLOCK, time.monotonic)).close()


async def test_several_nodes_that_start_at_once_on_an_empty_database(postgres_server: PostgresServer) -> None:
    async def nothing(_: str) -> None: ...

    empty = postgres_server.fresh("empty", nothing)
    stores = await asyncio.gather(*(PostgresStore.open(empty, CLOCK, time.monotonic) for _ in range(4)))
    holders = [await store.holding.join("one") for store in stores]
    assert len({holder.epoch for holder in holders}) == 4
    for store in stores:
        await store.close()


async def test_a_server_that_is_silent_is_noticed(url: str, node: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.adapters.postgres.holding.LIMIT_SECONDS", 0.2)
    monkeypatch.setattr("tocsin.adapters.postgres.database.PROMPT_SECONDS", 0.2)
    store = await node()
    holder = await store.holding.join("one")
    obstacle = await connect(url, seconds=30)
    await obstacle.execute("BEGIN")
    await obstacle.execute("LOCK TABLE node IN ACCESS EXCLUSIVE MODE")
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.holding.beat(holder, is_watching=False)
    await obstacle.execute("COMMIT")
    await obstacle.close()
    await seen_by(store, holder)
    async with await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        nowhere = PostgresHolding(f"postgresql://postgres@127.0.0.1:{port}/test")
        with pytest.raises(StoreUnavailable):
            await nowhere.join("one")
        await nowhere.close()


async def test_a_delivery_is_not_resent_to_an_endpoint_that_is_being_removed(url: str, node: Opener) -> None:
    """The removal has not been committed when the resend asks."""
    store, other = await node(), await node()
    await given_deliveries(store, await joined(store), 1)
    obstacle = await connect(url, seconds=30)
    await obstacle.execute("BEGIN")
    await obstacle.execute("UPDATE endpoint SET deleted_at = 1")
    resending = asyncio.create_task(
        other.queue.resend(1, delivery(MINT, 1, 1), lambda fanned: entry(MINT, str(fanned.number)))
    )
    await some_wait_for_locks(url, 1)
    await obstacle.execute("COMMIT")
    await obstacle.close()
    assert await resending is None


async def test_members_of_a_batch_do_not_wait_by_themselves(node: Opener) -> None:
    """A lane where nothing else is due has nothing that a sweep could miss."""
    store = await node()
    holder = await joined(store)
    await given_deliveries(store, holder, 2)
    assert [one.endpoint for one in await store.queue.waiting([HOME])] == [1]
    batch = Batch(number=0, id=MINT.batch(), tenant="acme", endpoint=1, lane=0, created_at=1)
    await store.batches.form(holder, batch, [1, 2], [])
    assert await store.queue.waiting([HOME]) == []
    assert [one.endpoint for one in await store.batches.waiting([HOME])] == [1]
