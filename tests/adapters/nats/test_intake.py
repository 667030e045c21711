"""The replicated intake on a real JetStream: what is appended, how it is read, and what ends a reading."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from tests.kit.nats import NatsCluster

from tocsin.adapters.nats.connection import NatsConnection
from tocsin.adapters.nats.intake import NatsIntake
from tocsin.adapters.nats.reading import ASKED, NatsArrivals
from tocsin.errors import IntakeUnavailable
from tocsin.model.intake import Arrival
from tocsin.rules.partitions import PARTITIONS

EVERYTHING = dict.fromkeys(range(PARTITIONS), 0)


@pytest.fixture
async def intake() -> AsyncIterator[NatsIntake]:
    async with NatsCluster(1) as cluster:
        connection = NatsConnection([cluster.urls[0]], credentials=None, ca=None, name="test")
        name = f"intake-{uuid.uuid4().hex[:8]}"
        made = NatsIntake(connection, stream=name, replicas=0, max_bytes=64_000_000, incarnation=lambda: "first")
        await made.open()
        assert (await made.make()).incarnation == "first"
        yield made
        await made.close()


async def come(arrivals: NatsArrivals, count: int) -> list[Arrival]:
    """So many."""
    found: list[Arrival] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += await arrivals.next()
    assert len(found) == count
    return found


async def reading(intake: NatsIntake, after: dict[int, int]) -> NatsArrivals:
    arrivals = await intake.read(after)
    assert isinstance(arrivals, NatsArrivals)
    return arrivals


async def test_what_is_appended_is_read_in_its_order(intake: NatsIntake) -> None:
    contents = [(n % 5, b"%d" % n) for n in range(2 * ASKED + 7)]
    for at in range(0, len(contents), 200):
        assert set(await intake.append(contents[at : at + 200])) == {None}
    arrivals = await reading(intake, EVERYTHING)
    assert [(one.partition, one.content) for one in await come(arrivals, len(contents))] == contents
    assert await arrivals.behind() == 0
    await arrivals.close()
    behind = {partition: 10 if partition == 1 else 5 for partition in (1, 2)}
    some = await reading(intake, behind)
    expected = [n + 1 for n, (p, _) in enumerate(contents) if p in behind and n + 1 > behind[p]]
    assert [one.sequence for one in await come(some, len(expected))] == expected
    await some.close()


async def test_what_is_larger_than_a_message_is_whole_again(intake: NatsIntake) -> None:
    large = bytes(range(256)) * 12_000
    assert await intake.append([(1, b"before")]) == [None]
    assert await intake.append([(2, large), (1, b"after")]) == [None, None]
    arrivals = await reading(intake, EVERYTHING)
    assert [one.content for one in await come(arrivals, 3)] == [b"before", large, b"after"]
    await arrivals.close()


async def test_a_gap_ends_the_reading(intake: NatsIntake) -> None:
    """As when nats-py drops something, or a connection loses it: the client does not say so."""
    await intake.append([(1, b"%d" % n) for n in range(5)])
    arrivals = await reading(intake, EVERYTHING)
    await arrivals._ask(asyncio.get_running_loop().time())
    async with asyncio.timeout(20):
        while len(arrivals._heard) < 5:
            await arrivals._news.wait()
            arrivals._news.clear()
    del arrivals._heard[2]
    with pytest.raises(IntakeUnavailable, match="lost on the way"):
        await arrivals.next()
    await arrivals.close()


async def test_a_consumer_that_is_gone_ends_the_reading(intake: NatsIntake) -> None:
    arrivals = await reading(intake, EVERYTHING)
    jetstream = arrivals._client.jetstream()
    await jetstream.delete_consumer(arrivals._stream, arrivals._consumer)
    with pytest.raises(IntakeUnavailable):
        await come(arrivals, 1)
    await arrivals.close()


async def test_what_is_dropped_is_not_read(intake: NatsIntake) -> None:
    await intake.append([(n % 2, b"%d" % n) for n in range(10)])
    await intake.drop(1, 6)
    arrivals = await reading(intake, EVERYTHING)
    assert [one.content for one in await come(arrivals, 7)] == [b"0", b"2", b"4", b"6", b"7", b"8", b"9"]
    await arrivals.close()
