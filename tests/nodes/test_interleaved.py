"""Random histories of several nodes on one PostgreSQL, as slow as it takes for everything to come in between everything else: each
event becomes exactly one delivery for each endpoint, in the order of the log, and ordered endpoints get them in that order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import asyncpg
import pytest
from tests.contracts.given import NOTHING, deciding, settlement, submission
from tests.kit.postgres import PostgresServer
from tests.kit.server import SETTINGS
from tests.kit.stores import PostgresPlace

from tocsin.adapters.crypto.secret_box import AesSecretBox
from tocsin.adapters.postgres.database import prepare_database
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.config import load_settings
from tocsin.errors import StoreUnavailable
from tocsin.model.audit import SERVER
from tocsin.model.delivery import Claim, NewDelivery
from tocsin.model.event import Event
from tocsin.model.ids import IdMint
from tocsin.model.submission import Accepted
from tocsin.pipeline import fanout as chunks
from tocsin.pipeline.fanout import Fan
from tocsin.ports import Fanned, Fenced, Hint, Holder, Move, Neighbour, Stretch
from tocsin.rules.partitions import PARTITIONS
from tocsin.telemetry import Metrics
from tocsin.wiring import now_ms
from tocsin.wiring.parts import Parts, make_parts
from tocsin.wiring.sending import make_sender
from tocsin.workers import fanout
from tocsin.workers.fanout import FanoutWorker
from tocsin.workers.held import Held
from tocsin.workers.store_clock import StoreClock

MINT = IdMint(now_ms, os.urandom)
TENANTS = ("a", "b", "c", "d", "e")
NODES = 3
STEPS = 40
LATE_SECONDS = 0.003


class Late:
    """The log and the queue of a store, whose answers come late: what is known when one is asked is old when it answers."""

    def __init__(self, store: PostgresStore, dice: random.Random) -> None:
        self._store = store
        self._dice = dice

    async def _wait(self) -> None:
        if self._dice.random() < 0.5:
            await asyncio.sleep(self._dice.random() * LATE_SECONDS)

    async def stretch(self, partitions: Sequence[int], after: int, limit: int) -> Stretch:
        await self._wait()
        found = await self._store.log.stretch(partitions, after, limit)
        await self._wait()
        return found

    async def fan(
        self, holder: Holder, moves: Sequence[Move], deliveries: Sequence[NewDelivery], *, directory_revision: int
    ) -> list[Fanned] | None:
        await self._wait()
        fanned = await self._store.queue.fan(holder, moves, deliveries, directory_revision=directory_revision)
        await self._wait()
        return fanned


class Node:
    """The fan-out and the settling of one process, told by the test what it takes, gives back, and loses. `sent`: what any of
    them sent to an endpoint, by position."""

    def __init__(self, store: PostgresStore, parts: Parts, dice: random.Random) -> None:
        self.store = store
        self.sent: dict[int, list[int]] = defaultdict(list)
        self.ready: dict[int, tuple[str, int, int]] = {}
        self.known: set[int] = set()
        self.settling = asyncio.Lock()
        self.missed = asyncio.Event()
        self.parts = parts
        self.dice = dice
        self.others: list[Node] = []
        self.held = Held(PARTITIONS, is_shared=True)
        late = Late(store, dice)
        self.fanout = FanoutWorker(
            reader=late,  # type: ignore[arg-type]  # what fan-out asks of it
            queue=late,  # type: ignore[arg-type]
            holding=store.holding,
            held=self.held,
            endpoints=parts.endpoints,
            mint=MINT,
            now_ms=now_ms,
            metrics=Metrics(),
            pushed=self.pushed,
            fenced=self.fenced,
            tell=self.tell,
            missed=self.missed.set,
        )

    def tell(self, hint: Hint) -> None:
        for other in self.others:
            if self.dice.random() < 0.7:
                other.fanout.heard(hint)

    def pushed(self, fan: Fan, fanned: Sequence[Fanned]) -> None:
        for new, placed in zip(fan.deliveries, fanned, strict=True):
            if not placed.blocked:
                self.offer(placed.number, new.tenant, new.endpoint, new.position)

    def taken(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            made = claim.delivery
            self.offer(made.number, made.tenant, made.endpoint, claim.event.position)

    def offer(self, number: int, tenant: str, endpoint: int, position: int) -> None:
        if self.held.holds(tenant) and number not in self.known:
            self.known.add(number)
            self.ready[number] = tenant, endpoint, position

    async def settle(self) -> None:
        """One request, and its outcome."""
        async with self.settling:
            number = self.dice.choice(list(self.ready))
            (_, endpoint, position), holder = self.ready.pop(number), self.held.holder
            self.sent[endpoint].append(position)
            try:
                now_ready = await self.store.queue.settle(holder, [settlement(MINT, number, endpoint, at=now_ms())])
            except Fenced:
                self.fenced(holder)
            else:
                if holder is self.held.holder:
                    self.taken(now_ready or ())

    async def settle_all(self) -> None:
        """Until cancelled."""
        while True:
            while self.ready:
                await self.settle()
            await asyncio.sleep(LATE_SECONDS)

    async def refill(self, partitions: Collection[int]) -> None:
        """What is pending there."""
        holder = self.held.holder
        await self.parts.endpoints.reload()
        for number, preparation in tuple(self.parts.endpoints.prepared.items()):
            if self.held.partition_of(preparation.endpoint.tenant) in partitions:
                page = await self.store.queue.due(number, 0, now_ms() + 1000, 1000)
                if holder is self.held.holder:
                    self.taken(page.claims)

    def fenced(self, holder: Holder) -> None:
        if holder is self.held.holder:
            self.ready.clear()
            self.known.clear()
            self.held.holder = Holder(epoch=0)
            self.held.nothing()
            self.fanout.lost()

    async def accept(self) -> list[Event]:
        tenant, count = self.dice.choice(TENANTS), self.dice.randint(1, 4)
        (accepted,) = await self.store.log.accept([(submission(tenant), NOTHING)], deciding(MINT, count))
        assert isinstance(accepted, Accepted)
        self.fanout.committed(accepted.events)
        return list(accepted.events)

    async def create(self, tenant: str) -> None:
        ordering = self.dice.choice(("none", "subject"))
        document = {"name": "test", "url": "http://127.0.0.1:9/", "ordering": ordering}
        await self.parts.operations.create(tenant, document, by=SERVER)

    async def take(self) -> None:
        if await self.store.holding.beat(self.held.holder, is_watching=False) is None:
            self.fenced(self.held.holder)
        if not self.held.holder.epoch:
            self.held.holder = await self.store.holding.join("one")
        holder = self.held.holder
        taken = await self.store.holding.take(holder, self.dice.randint(1, PARTITIONS))
        if holder is self.held.holder:
            self.held.partitions |= {one.partition for one in taken}
            await self.refill([one.partition for one in taken])
            await self.fanout.taken(taken)

    async def give_back(self, share: float) -> None:
        holder = self.held.holder
        some = frozenset(one for one in sorted(self.held.partitions) if self.dice.random() < share)
        self.held.partitions -= some
        await self.fanout.giving_back(some)
        for number, (tenant, *_) in tuple(self.ready.items()):
            if not self.held.holds(tenant):
                del self.ready[number]
                self.known.discard(number)
        async with self.settling:
            pass
        await self.store.holding.give_back(holder, sorted(some))

    async def fence(self, other: Node) -> None:
        beat = await self.store.holding.beat(self.held.holder, is_watching=False)
        gone: list[Neighbour] = (
            [] if beat is None else [n for n in beat.neighbours if n.epoch == other.held.holder.epoch]
        )
        for neighbour in gone:
            await self.store.holding.fence(self.held.holder, neighbour)

    async def live(self) -> None:
        """Takes and gives back, now and then takes over from another one, which may notice late."""
        for _ in range(STEPS // 2):
            await asyncio.sleep(self.dice.random() * 2 * LATE_SECONDS)
            what = self.dice.random()
            if what < 0.5:
                await self.take()
            elif what < 0.93:
                await self.give_back(self.dice.random())
            elif self.others:
                await self.fence(self.dice.choice(self.others))

    async def emit(self) -> None:
        for _ in range(STEPS):
            await self.accept()
            if self.dice.random() < 0.1:
                await self.create(self.dice.choice(TENANTS))
            await asyncio.sleep(self.dice.random() * LATE_SECONDS)


@pytest.mark.parametrize("seed", range(2))
async def test_each_event_becomes_one_delivery_for_each_endpoint_whoever_holds_it_when(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 3)
    monkeypatch.setattr(fanout, "EVENTS", 4)
    monkeypatch.setattr(fanout, "_LOOK_SECONDS", 0.02)
    url = postgres_server.fresh("store", prepare_database)
    async with contextlib.AsyncExitStack() as stack:
        nodes = [await opened(url, stack, random.Random(f"{seed} {number}")) for number in range(NODES)]
        for node in nodes:
            node.others = [other for other in nodes if other is not node]
            node.sent = nodes[0].sent
        for number in range(4 * len(TENANTS)):
            await nodes[0].create(TENANTS[number % len(TENANTS)])
        running = [asyncio.create_task(node.fanout.run()) for node in nodes]
        settling = [asyncio.create_task(node.settle_all()) for node in nodes]
        await asyncio.gather(*(work for node in nodes for work in (node.live(), node.emit())))
        for node in nodes[1:]:
            await node.give_back(1.0)
        head = await nodes[0].store.log.head()
        place = PostgresPlace(url)
        async with asyncio.timeout(60):
            while await place.rows(f"SELECT 1 FROM cursor WHERE position < {head} OR endpoint > 0 LIMIT 1"):
                await nodes[0].take()
                await asyncio.sleep(0.02)
            while left := await place.rows("SELECT blocked FROM delivery WHERE state = 'pending'"):
                assert (0,) in left, "all of them wait for one another"
                await asyncio.sleep(0.02)
        for node in nodes:
            node.fanout.stop()
        await asyncio.gather(*running)
        for task in settling:
            task.cancel()
        await check(place)
        assert not await place.rows("SELECT 1 FROM line")
        ordered_ones = await place.rows("SELECT number FROM endpoint WHERE config LIKE '%subject%'")
        assert ordered_ones
        for (ordered,) in ordered_ones:
            firsts = list(dict.fromkeys(nodes[0].sent[int(str(ordered))]))
            assert firsts == sorted(firsts), "one was sent before another that came earlier"


async def test_an_event_that_was_begun_is_ended_before_its_front_joins_the_next_one(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.fresh("store", prepare_database)
    async with contextlib.AsyncExitStack() as stack:
        node = await opened(url, stack, random.Random(0))
        for _ in range(4):
            await node.create("a")
        for tenant in "bbba":
            await node.store.log.accept([(submission(tenant), NOTHING)], deciding(MINT, 1))
        place, home = PostgresPlace(url), node.held.partition_of("a")
        numbers = [number for (number,) in await place.rows("SELECT number FROM endpoint ORDER BY number")]
        await execute(url, "UPDATE cursor SET position = 2")
        await execute(url, f"UPDATE cursor SET position = 0, endpoint = {numbers[1]} WHERE partition = {home}")
        node.held.holder = await node.store.holding.join("one")
        taken = await node.store.holding.take(node.held.holder, PARTITIONS)
        node.held.partitions = frozenset(range(PARTITIONS))
        await node.fanout.taken(sorted(taken, key=lambda one: one.partition != home))
        running = asyncio.create_task(node.fanout.run())
        async with asyncio.timeout(20):
            while node.fanout.position_of("a") < 4:
                await asyncio.sleep(0.01)
        node.fanout.stop()
        await running
        found = await place.rows("SELECT endpoint FROM delivery ORDER BY endpoint")
        assert found == [(number,) for number in numbers[2:]], "the first two have it already"


async def test_what_was_fanned_out_though_the_store_did_not_say_so_is_looked_for(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.fresh("store", prepare_database)
    async with contextlib.AsyncExitStack() as stack:
        node = await opened(url, stack, random.Random(0))
        fan, told = Late.fan, [StoreUnavailable()]

        async def lossy(late: Late, *chunk: Any, **named: Any) -> list[Fanned] | None:
            fanned = await fan(late, *chunk, **named)
            if fanned and told:
                raise told.pop()
            return fanned

        monkeypatch.setattr(Late, "fan", lossy)
        await node.create("a")
        await node.parts.endpoints.reload()
        running = asyncio.create_task(node.fanout.run())
        while len(node.held.partitions) < PARTITIONS:
            await node.take()
        await node.store.log.accept([(submission("a"), NOTHING)], deciding(MINT, 1))
        async with asyncio.timeout(20):
            await node.missed.wait()
        assert not node.ready
        await node.refill(node.held.partitions)
        assert len(node.ready) == 1
        node.fanout.stop()
        await running


async def opened(url: str, stack: contextlib.AsyncExitStack, dice: random.Random) -> Node:
    settings = load_settings(SETTINGS | {"database": url, "master_key": "A" * 43 + "="}, {})
    store = await PostgresStore.open(url, now_ms, time.monotonic)
    stack.push_async_callback(store.close)
    sender = make_sender(settings)
    stack.push_async_callback(sender.close)
    parts = await make_parts(settings, store, sender, MINT, AesSecretBox({1: b"k" * 32}), StoreClock(now_ms))
    stack.push_async_callback(parts.templates.close)
    return Node(store, parts, dice)


async def execute(url: str, text: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(text)
    await connection.close()


async def check(place: PostgresPlace) -> None:
    """What is for whom is told by positions alone, and the numbers of an endpoint's deliveries rise with them."""
    wanted: dict[int, list[int]] = defaultdict(list)
    for endpoint, position in await place.rows(
        "SELECT n.number, e.position FROM event AS e JOIN endpoint AS n ON n.tenant = e.tenant AND e.position > n.active_from"
        " ORDER BY e.position"
    ):
        wanted[int(str(endpoint))].append(int(str(position)))
    found: dict[int, list[int]] = defaultdict(list)
    for endpoint, position in await place.rows("SELECT endpoint, position FROM delivery ORDER BY number"):
        found[int(str(endpoint))].append(int(str(position)))
    assert found == wanted
    assert sum(map(len, found.values())) > STEPS
