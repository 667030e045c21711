"""The steps and their loops over the real store: bounds, trouble of the store, chunks, turns."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import msgspec
import pytest
from tests.contracts.given import NOTHING, Clock, deciding, delivery, endpoint, entry, new_event, settlement, submission
from tests.kit.stores import held, moves

from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import placed
from tocsin.errors import Overloaded, RequestRunning, StoreUnavailable
from tocsin.formats import renderer_of
from tocsin.model.attempt import Settlement
from tocsin.model.batch import Batch, BatchClaim
from tocsin.model.delivery import Claim, Delivery
from tocsin.model.endpoint import Endpoint, EndpointConfig
from tocsin.model.event import Event, order_keys
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter
from tocsin.model.ids import BatchId, IdMint
from tocsin.model.submission import IdempotencyKey, Needs, Submission
from tocsin.pipeline import accept as accept_module
from tocsin.pipeline.accept import Accept
from tocsin.pipeline.commit_group import CommitGroup
from tocsin.pipeline.fanout import CHUNK, fan_out
from tocsin.pipeline.settle import Settle
from tocsin.ports import BEGINNING, Cursor, StatsQuery
from tocsin.rules.interests import Interests
from tocsin.workers.lanes import LIVE, Budget, Lane, Outlet
from tocsin.workers.recent import Recent
from tocsin.workers.rotation import Rotation

MINT = IdMint(Clock(), os.urandom)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "steps.db", Clock(), time.monotonic)
    yield opened
    opened.close()


def accepting(store: SqliteStore, heard: list[Event]) -> Accept:
    return Accept(store.log, lambda _: NOTHING, deciding(MINT), heard.extend)


class Hold:
    """Keeps the writer busy until released."""

    def __init__(self, store: SqliteStore) -> None:
        self._gate = threading.Event()
        self._began = threading.Event()
        self._work = asyncio.ensure_future(store._writer.run(Rank.REST, self._wait))

    def _wait(self, _: apsw.Connection) -> None:
        self._began.set()
        assert self._gate.wait(20)

    async def begun(self) -> None:
        await asyncio.to_thread(self._began.wait, 20)

    async def release(self) -> None:
        self._gate.set()
        await self._work


async def test_what_is_committed_is_heard_in_log_order(store: SqliteStore) -> None:
    heard: list[Event] = []
    accept = accepting(store, heard)
    answers = await asyncio.gather(*(accept(submission(at=n)) for n in range(600)))
    assert [event.position for event in heard] == list(range(1, 601))
    assert sorted(a.events[0].position for a in answers) == list(range(1, 601))


async def test_beyond_its_bound_accept_says_so_and_takes_nothing(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept_module, "WAITING_BYTES", 10 * accept_module.LEAST_BYTES)
    heard: list[Event] = []
    accept = accepting(store, heard)
    hold = Hold(store)
    await hold.begun()
    first = asyncio.ensure_future(accept(submission()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = [asyncio.ensure_future(accept(submission())) for _ in range(10)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await accept(submission())
    assert refused.value.members["retry_after_seconds"] == 1
    await hold.release()
    await asyncio.gather(first, *waiting)
    assert len(heard) == 11


async def test_a_submission_that_cannot_be_looked_at_leaves_no_key_at_work(store: SqliteStore) -> None:
    broken = [True]

    def needs_of(_: Submission) -> Needs:
        if broken:
            raise RuntimeError(broken.pop())
        return NOTHING

    accept = Accept(store.log, needs_of, deciding(MINT), lambda _: None)
    keyed = msgspec.structs.replace(
        submission(), idempotency=IdempotencyKey(route="POST /v1/events", key="k", body_hash=b"h")
    )
    with pytest.raises(RuntimeError):
        await accept(keyed)
    assert len((await accept(keyed)).events) == 1


async def test_large_submissions_count_by_their_size(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept_module, "WAITING_BYTES", 1_000_000)
    accept = accepting(store, [])
    hold = Hold(store)
    await hold.begun()
    large = msgspec.structs.replace(submission(), size=600_000)
    first = asyncio.ensure_future(accept(large))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = [asyncio.ensure_future(accept(large)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await accept(submission())
    await hold.release()
    assert [a.events[0].position for a in await asyncio.gather(first, *waiting)] == [1, 2, 3]


async def test_a_group_weighs_no_more_than_it_may(store: SqliteStore) -> None:
    groups: list[list[int]] = []

    async def write(group: list[int]) -> None:
        groups.append(group)
        await asyncio.sleep(0)

    group = CommitGroup(write, limit=10)
    for weight in (4, 4, 4, 25, 1, 1, 10, 3):
        group.add(weight, weight)
    assert group.weight == 52
    await group.idle()
    assert groups == [[4, 4], [4], [25], [1, 1], [10], [3]]
    assert group.weight == 0


async def test_a_key_at_work_is_refused_and_free_afterwards(store: SqliteStore) -> None:
    accept = accepting(store, [])
    hold = Hold(store)
    await hold.begun()
    first = asyncio.ensure_future(accept(submission(key="k")))
    await asyncio.sleep(0)
    with pytest.raises(RequestRunning):
        await accept(submission(key="k"))
    other = asyncio.ensure_future(accept(submission("globex", key="k")))
    await hold.release()
    assert (await first).events
    assert (await other).events
    assert (await accept(submission(key="k"))).events == ()


async def test_a_store_in_trouble_accepts_nothing_and_says_so_to_all(store: SqliteStore) -> None:
    heard: list[Event] = []
    accept = accepting(store, heard)
    await accept(submission())
    await asyncio.to_thread(store.close)
    told = await asyncio.gather(*(accept(submission()) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in told] == [StoreUnavailable] * 3
    assert len(heard) == 1


async def test_outcomes_wait_for_a_full_disk_and_are_written_then(store: SqliteStore) -> None:
    await store.log.accept([(submission(), NOTHING)], deciding(MINT))
    await store.directory.add_endpoint(endpoint(MINT), entry(MINT))
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    made = [delivery(MINT, 1, 1) for _ in range(40)]
    await store.queue.fan(holder, moves(store, cursor, Cursor(position=1)), made, directory_revision=revision)
    heard: list[Settlement] = []
    settle = Settle(store.queue, holder, lambda settlements, _: heard.extend(settlements))
    await store._writer.run(Rank.REST, lambda c: c.execute("PRAGMA max_page_count = 1").fetchall())
    for number in range(1, 41):
        settle.add(settlement(MINT, number, body=os.urandom(4000)))
    while not settle.is_stalled:
        await asyncio.sleep(0.001)
    assert heard == []
    await settle.written()
    assert [s.delivery for s in heard] == list(range(1, 41))
    assert not settle.is_stalled
    assert (await store.views.stats(StatsQuery(tenant=None))).now.pending == 0


def an_event(position: int, *, tenant: str = "acme") -> EventView:
    return EventView(placed(new_event(MINT, tenant, data=b"1"), position, 0))


def an_endpoint(number: int, **fields: object) -> Endpoint:
    config = msgspec.convert({"name": "n", "url": "https://example.com/"} | fields, EndpointConfig)
    return Endpoint(
        number=number, id=MINT.endpoint(), tenant="acme", revision=1, active_from=0, created_at=0, config=config
    )


def fanned_out(
    endpoints: list[Endpoint], views: list[EventView], cursor: Cursor
) -> tuple[list[tuple[int, int]], list[int], Cursor]:
    """Everything fan-out makes of these events, the sizes of its chunks, and the cursor at the end."""
    interests = Interests.of(endpoints)
    renderers = {e.number: renderer_of(e.config) for e in endpoints}
    made: list[tuple[int, int]] = []
    sizes: list[int] = []
    for _ in range(1000):
        left = [v for v in views if v.event.position > cursor.position]
        if not left:
            return made, sizes, cursor
        fan = fan_out(cursor, left, interests, renderers, MINT, 0)
        assert len(fan.views) == len(fan.deliveries)
        made += [(d.position, d.endpoint) for d in fan.deliveries]
        sizes.append(len(fan.deliveries))
        cursor = fan.cursor
    raise AssertionError("fan-out does not end")


def test_one_event_for_many_endpoints_goes_in_chunks_and_each_gets_it_once() -> None:
    endpoints = [an_endpoint(n) for n in range(1, 1301)]
    made, sizes, cursor = fanned_out(endpoints, [an_event(1), an_event(2)], Cursor(position=0))
    assert made == [(p, n) for p in (1, 2) for n in range(1, 1301)]
    assert max(sizes) == CHUNK
    assert cursor == Cursor(position=2)


def test_fan_out_goes_on_in_the_middle_of_an_event_though_endpoints_came_and_went() -> None:
    first = [an_endpoint(n) for n in range(1, 701)]
    fan = fan_out(
        Cursor(position=0),
        [an_event(1)],
        Interests.of(first),
        {e.number: renderer_of(e.config) for e in first},
        MINT,
        0,
    )
    assert fan.cursor == Cursor(position=0, endpoint=CHUNK)
    late = msgspec.structs.replace(an_endpoint(701), active_from=1)
    second = [e for e in first if e.number not in {5, 600}] + [late]
    made, _, cursor = fanned_out(second, [an_event(1)], fan.cursor)
    assert [number for _, number in made] == [n for n in range(CHUNK + 1, 701) if n != 600]
    assert cursor == Cursor(position=1)


def test_events_that_a_format_has_no_words_for_make_no_delivery() -> None:
    endpoints = [an_endpoint(1, format={"kind": "telmai"}), an_endpoint(2)]
    made, _, _ = fanned_out(endpoints, [an_event(1)], Cursor(position=0))
    assert made == [(1, 2)]


def test_several_filters_that_match_make_one_delivery() -> None:
    both = msgspec.to_builtins([Filter(verbs=("created",)), Filter(event_types=("order.*",))])
    made, _, _ = fanned_out([an_endpoint(1, filters=both)], [an_event(1)], Cursor(position=0))
    assert made == [(1, 1)]


def test_recent_hands_over_what_is_next_and_nothing_else() -> None:
    recent = Recent(limit_bytes=5 * (1 + 1024))
    recent.add([an_event(p).event for p in range(1, 4)])
    assert [v.event.position for v in recent.after(0, 2)] == [1, 2]
    assert [v.event.position for v in recent.after(2, 9)] == [3]
    recent.add([an_event(p).event for p in range(4, 12)])
    assert recent.after(3, 9) == []
    assert [v.event.position for v in recent.after(6, 9)] == [7, 8, 9, 10, 11]


def a_claim(number: int) -> tuple[Claim, EventView]:
    view = an_event(1)
    made = Delivery(number=number, id=MINT.delivery(), tenant="acme", endpoint=1, lane=0, created_at=0)
    return Claim(delivery=made, event=view.event), view


def a_lane(budget: Budget, number: int = LIVE, outlet: Outlet | None = None) -> Lane:
    outlet = outlet or Outlet(1, "acme", 4, is_ordered=False)
    lane = outlet.lanes[number] = Lane(outlet, number, budget)
    return lane


def test_a_lane_holds_a_delivery_once_and_leaves_the_rest_to_the_store() -> None:
    lane = a_lane(Budget(total=3 * 2049))
    assert [lane.offer(*a_claim(n)) for n in (1, 2, 1, 3)] == [True, True, True, False]
    assert (lane.is_spilled, lane.spills, len(lane.ready)) == (True, 1, 2)
    taken = lane.take()
    assert taken is not None
    assert taken[0].delivery.number == 1
    assert lane.offer(*a_claim(1)) is True
    assert len(lane.ready) == 1
    lane.settled(1)
    assert lane.offer(*a_claim(1)) is True
    assert len(lane.ready) == 2


def test_what_a_refill_read_of_a_delivery_that_was_settled_meanwhile_is_not_sent_again() -> None:
    lane = a_lane(Budget())
    lane.offer(*a_claim(1))
    lane.take()
    lane.is_refilling = True
    lane.settled(1)
    assert lane.offer(*a_claim(1)) is True
    assert len(lane.ready) == 0
    lane.refilled()
    assert lane.offer(*a_claim(1)) is True
    assert len(lane.ready) == 1
    assert lane.read_to == BEGINNING


def test_turns_go_round_by_tenant_then_by_endpoint() -> None:
    rotation = Rotation()
    lanes = {n: Outlet(i, n[0], 4, is_ordered=False) for i, n in enumerate(("a1", "a2", "a3", "b1"))}
    for lane in lanes.values():
        rotation.add(lane)
        rotation.add(lane)
    names = {id(lane): name for name, lane in lanes.items()}
    turns: list[str] = []
    for _ in range(8):
        lane = rotation.next()
        turns.append(names[id(lane)])
        rotation.add(lane)
    assert turns == ["a1", "b1", "a2", "b1", "a3", "b1", "a1", "b1"]


def test_live_traffic_goes_first_and_each_fourth_turn_is_for_replays() -> None:
    outlet = Outlet(1, "acme", 4, is_ordered=False)
    live, first, second = (a_lane(Budget(), number, outlet) for number in (LIVE, 1, 2))
    for number in range(40):
        live.offer(*a_claim(number))
    first.offer(*a_claim(100))
    assert outlet.next_lane(0) is live
    second.offer(*a_claim(200))
    turns = [outlet.next_lane(0) for _ in range(12)]
    assert turns.count(live) == 9
    assert {lane.lane for lane in turns if lane is not None} == {LIVE, 1, 2}
    first.is_held = True
    assert first not in [outlet.next_lane(0) for _ in range(12)]
    live.put_back(lambda _: True)
    assert [outlet.next_lane(0) for _ in range(3)] == [second] * 3


def test_one_delivery_of_a_subject_is_out_over_all_lanes() -> None:
    outlet = Outlet(1, "acme", 4, is_ordered=True)
    live, replay = a_lane(Budget(), LIVE, outlet), a_lane(Budget(), 1, outlet)
    live.offer(*a_claim(1))
    replay.offer(*a_claim(2))
    taken = live.take()
    assert taken is not None
    assert replay.take() is None
    live.settled(1, order_keys(taken[0].event))
    assert replay.take() is not None


def test_a_batch_with_a_member_that_is_withheld_is_left_to_the_store() -> None:
    lane = a_lane(Budget())
    members = tuple(a_claim(number)[0] for number in (1, 2))
    batch = Batch(number=7, id=BatchId("bat_1"), tenant="acme", endpoint=1, lane=LIVE, created_at=0)
    claim = BatchClaim(batch=batch, members=members)
    for numbers in (lane.withheld, lane.withdrawn):
        numbers.update((2,))
        lane.is_spilled = False
        lane.offer_batch(claim)
        assert (list(lane.batches), lane.is_spilled) == ([], True)
        lane.withheld.clear()
        lane.refilled()
    for _ in range(2):
        lane.offer_batch(claim)
        assert list(lane.batches) == [claim]
