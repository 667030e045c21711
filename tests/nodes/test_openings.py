"""Ordered endpoints wait after a takeover until no request of the one before can be out, each time anew."""

from __future__ import annotations

import asyncio
import contextlib
import random

from tests.kit.postgres import PostgresServer
from tests.nodes.test_interleaved import opened

from tocsin.adapters.postgres.database import prepare_database
from tocsin.model.audit import SERVER
from tocsin.ports import Cursor, Taken
from tocsin.rules.partitions import PARTITIONS
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
