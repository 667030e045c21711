"""Ordered endpoints wait after a takeover until no request of the one before can be out, each time anew."""

from __future__ import annotations

import asyncio
import contextlib
import random

from tests.contracts.given import NOTHING, deciding, submission
from tests.kit.postgres import PostgresServer
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer
from tests.nodes.test_interleaved import MINT, opened

from tocsin.adapters.postgres.database import prepare_database
from tocsin.model.audit import SERVER
from tocsin.model.delivery import NewDelivery
from tocsin.ports import Cursor, DuePage, Move, Taken
from tocsin.rules.partitions import PARTITIONS
from tocsin.wiring import now_ms
from tocsin.wiring.loops import make_loops
from tocsin.workers.held import boottime_ms

LONGEST_MS = 600


async def test_one_that_was_given_back_and_taken_again_waits_for_the_last_one_that_was_fenced(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.fresh("store", prepare_database)
    async with contextlib.AsyncExitStack() as stack:
        node = await opened(url, stack, random.Random(0))
        document = {
            "name": "test",
            "url": "http://127.0.0.1:9/",
            "ordering": "subject",
            "timeout_seconds": LONGEST_MS / 1000,
        }
        await node.parts.operations.create("a", document, by=SERVER)
        (number,) = node.parts.endpoints.prepared
        loops = make_loops(node.parts)
        stack.push_async_callback(loops.exchanges.tokens.close)
        delivery, home = loops.delivery, loops.held.partition_of("a")
        loops.held.holder = await node.store.holding.join("one")
        loops.held.partitions = frozenset(range(PARTITIONS))
        fenced_now = [Taken(partition=home, cursor=Cursor(position=0), fenced_ago_ms=0)]
        began = boottime_ms()
        await delivery.taken(fenced_now)
        await delivery.giving_back(frozenset({home}))
        while boottime_ms() < began + LONGEST_MS // 2:  # half of its wait is over when another one is fenced
            await asyncio.sleep(0.01)
        again = boottime_ms()
        await delivery.taken(fenced_now)
        async with asyncio.timeout(20):
            while not delivery.is_here(number):
                await asyncio.sleep(0.001)
        assert boottime_ms() - again >= LONGEST_MS
        await delivery.stop(0)


async def test_what_was_read_before_it_ended_elsewhere_is_not_sent(postgres_server: PostgresServer) -> None:
    """Its successor may go as soon as the sweep has let go of its order keys: both would be out at once."""
    url = postgres_server.fresh("store", prepare_database)
    async with contextlib.AsyncExitStack() as stack:
        web = stack.enter_context(WebServer(lambda _: Say()))
        node = await opened(url, stack, random.Random(0))
        await node.parts.operations.create("a", {"name": "t", "url": web.url, "ordering": "subject"}, by=SERVER)
        (number,) = node.parts.endpoints.prepared
        loops = make_loops(node.parts)
        stack.push_async_callback(loops.exchanges.tokens.close)
        delivery, queue, home = loops.delivery, node.store.queue, loops.held.partition_of("a")
        holder = loops.held.holder = await node.store.holding.join("one")
        taken = await node.store.holding.take(holder, PARTITIONS)
        loops.held.partitions = frozenset(range(PARTITIONS))
        loops.held.beaten(boottime_ms(), 60_000)
        await node.store.log.accept([(submission("a"), NOTHING)], deciding(MINT, 2))
        new = [
            NewDelivery(id=MINT.delivery(), tenant="a", endpoint=number, position=n, created_at=now_ms(), keys=("k",))
            for n in (1, 2)
        ]
        move = Move(partition=home, old=Cursor(position=0), new=Cursor(position=2))
        fanned = await queue.fan(holder, [move], new, directory_revision=node.parts.endpoints.revision)
        assert [one.blocked for one in fanned or ()] == [0, 1]
        read, go, due = asyncio.Event(), asyncio.Event(), queue.due

        async def late(*asked: int) -> DuePage:
            page = await due(*asked)  # type: ignore[arg-type]  # as it was asked
            read.set()
            await go.wait()
            return page

        queue.due = late  # type: ignore[method-assign]  # the real one, late
        await delivery.taken(taken)
        running = asyncio.create_task(delivery.run())
        async with asyncio.timeout(20):
            await read.wait()
        first = (fanned or [])[0].number
        await queue.cancel(None, [first], frozenset(), "elsewhere", now_ms())
        await delivery.sweep()
        go.set()
        await until(lambda: len(web.asked) == 1)
        states = {new[0].id: "cancelled", new[1].id: "delivered"}
        async with asyncio.timeout(20):
            while {d.id: d.state.value for n in new if (d := await node.store.views.delivery(n.id, "a"))} != states:
                await asyncio.sleep(0.01)
        assert len(web.asked) == 1
        await delivery.stop(1)
        await running
