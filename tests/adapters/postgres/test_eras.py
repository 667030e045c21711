"""Eras: what is old goes as a whole and gives its room back; what is needed stays; an insert never fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.contracts.given import NOTHING, Clock, deciding, delivery, endpoint, entry, settlement, submission
from tests.contracts.removing import DAY, worker_on
from tests.kit.postgres import PostgresServer
from tests.kit.stores import PostgresPlace, held, moves

from tocsin.adapters.postgres.database import prepare_database
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.model.delivery import Step
from tocsin.model.ids import IdMint
from tocsin.model.retention import RetentionRule
from tocsin.ports import Cursor, DeliveryQuery, Fanned, Holder
from tocsin.rules.retention import Limits, parse_times

ROWS = 64
"""Of an era, here; one event comes in an hour."""
HOUR = 3_600_000
LIMITS = Limits(times={"attempts": parse_times("12d"), "rows": parse_times("24d")})
KEYS = {"event": "position", "delivery": "number", "attempt": "place"}
SMALL = "".join(
    f"DROP TABLE {table}_0; CREATE TABLE {table}_0 PARTITION OF {table} FOR VALUES FROM (0) TO ({ROWS << shift});"
    for table, shift in (("event", 0), ("delivery", 0), ("attempt", 20))
)
ALL = DeliveryQuery(tenant=None, limit=500)


class World:
    """A store with one endpoint and small eras."""

    def __init__(self, place: PostgresPlace, store: PostgresStore, clock: Clock) -> None:
        self.place, self.store, self.clock = place, store, clock
        self.mint = IdMint(clock, os.urandom)
        self.holder: Holder
        self.position = 0
        self.began = clock.now

    async def begin(self) -> None:
        await self.store.directory.add_endpoint(endpoint(self.mint), entry(self.mint, at=self.clock.now))
        self.revision, _ = await self.store.directory.endpoints()
        self.holder, _ = await held(self.store)
        await self.store.retention.tend_eras()

    async def filled(self, count: int, *, data: bytes = b'"x"', look: bool = True) -> list[int]:
        """So many events, one an hour, each with a delivery; gives the numbers of these."""
        numbers: list[int] = []
        for _ in range(count):
            given = [(submission(at=self.clock.now), NOTHING)]
            await self.store.log.accept(given, deciding(self.mint, 1, data=data))
            old, new = Cursor(position=self.position), Cursor(position=self.position + 1)
            made = [delivery(self.mint, 1, new.position, at=self.clock.now)]
            fanned = await self.store.queue.fan(
                self.holder, moves(self.store, old, new), made, directory_revision=self.revision
            )
            numbers += [one.number for one in fanned or ()]
            self.position += 1
            self.clock.now += HOUR
            if look and self.position % (ROWS // 4) == 0:
                await self.store.retention.tend_eras()
        return numbers

    async def settled(self, numbers: list[int], step: Step = Step.SUCCEED) -> None:
        made = [settlement(self.mint, number, step=step, at=self.clock.now) for number in numbers]
        await self.store.queue.settle(self.holder, made)

    async def eras(self, table: str) -> dict[str, int]:
        """How many rows lie where."""
        rows = await self.place.rows(f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1")
        return {str(name).removeprefix(f"{table}_"): int(str(count)) for name, count in rows}

    async def tables(self) -> set[str]:
        query = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^(event|delivery|attempt)_[0-9]'"
        return {str(name) for (name,) in await self.place.rows(query)}

    def hours(self, count: int) -> None:
        """It is so many hours since the first event."""
        self.clock.now = self.began + count * HOUR


@pytest.fixture
async def world(postgres_server: PostgresServer) -> AsyncIterator[World]:
    place = PostgresPlace(postgres_server.fresh("store", prepare_database))
    connection = await asyncpg.connect(place.url)
    await connection.execute(SMALL)
    await connection.close()
    clock = Clock()
    store = await PostgresStore.open(place.url, clock, lambda: clock.now / 1000)
    store.retention.eras.rows = ROWS
    made = World(place, store, clock)
    await made.begin()
    yield made
    await store.close()


async def test_the_next_era_is_open_before_it_begins(world: World) -> None:
    assert {f"{table}_64" for table in KEYS} <= await world.tables()
    numbers = await world.filled(2 * ROWS + 1)
    await world.settled(numbers)
    assert {f"{table}_192" for table in KEYS} <= await world.tables()
    assert await world.eras("event") == {"0": 63, "64": 64, "128": 2}
    assert await world.eras("delivery") == await world.eras("event") == await world.eras("attempt")


async def test_what_comes_when_no_era_is_open_lies_in_the_rest_and_the_next_one_is_opened_behind(world: World) -> None:
    await world.settled(await world.filled(2 * ROWS + 1, look=False))
    assert await world.eras("event") == {"0": 63, "64": 64, "rest": 2}
    await world.store.retention.tend_eras()
    behind = 2 * ROWS + 1 + ROWS // 16
    assert f"event_{behind}" in await world.tables()
    await world.settled(await world.filled(2 * ROWS))
    expected = {"0": 63, "64": 64, "rest": 5, str(behind): 64, str(behind + ROWS): 61}
    assert {name: await world.eras(name) for name in KEYS} == dict.fromkeys(KEYS, expected)


async def test_numbers_go_on_while_eras_are_opened(world: World) -> None:
    """Who writes waits for a moment; nobody fails."""
    world.store.retention.eras.rows = 2
    stop = asyncio.Event()

    async def tend() -> int:
        looks = 0
        while not stop.is_set():
            await world.store.retention.tend_eras()
            looks += 1
        return looks

    tending = asyncio.create_task(tend())
    numbers = await world.filled(3 * ROWS, look=False)
    stop.set()
    assert await tending > 0
    assert len(numbers) == 3 * ROWS
    assert sum((await world.eras("event")).values()) == 3 * ROWS


async def test_an_era_waits_until_all_of_it_is_old_and_goes_as_a_whole(world: World) -> None:
    worker = await worker_on(world.store, world.clock, LIMITS)
    for _ in range(6):
        await world.settled(await world.filled(ROWS // 2))
    world.hours(12 * 24 + ROWS - 3)
    await worker.round()
    assert (await world.eras("attempt"))["0"] == 63, "the youngest began not long enough ago"
    world.hours(12 * 24 + ROWS - 1)
    await worker.round()
    assert (await world.eras("attempt"))["0"] == 63, "it ended later than it began"
    world.hours(12 * 24 + 3 * ROWS + 9)
    await worker.round()
    assert await world.eras("attempt") == {}
    assert (await world.eras("event")) == {"0": 63, "64": 64, "128": 64, "192": 1}
    world.hours(24 * 24 + 62)
    await worker.round()
    assert (await world.eras("event"))["0"] == 63, "the youngest is not old enough"
    world.hours(24 * 24 + 3 * ROWS + 1)
    await worker.round()
    assert await world.eras("event") == {"192": 1}
    assert await world.eras("delivery") == {"192": 1}
    assert {name for name in await world.tables() if name.endswith(("_0", "_64", "_128", "_gone"))} == set()
    assert (await worker.progress()).removed == {"eras": 6, "attempts": 1}


async def test_what_is_still_needed_of_an_era_stays_until_it_is_not(world: World) -> None:
    """A delivery that is pending, one that is dead, an event that was sent once more a moment ago."""
    worker = await worker_on(world.store, world.clock, LIMITS)
    numbers = await world.filled(3 * ROWS)
    pending, dead, again = numbers[3], numbers[7], numbers[9]
    await world.settled([dead], Step.GIVE_UP)
    await world.settled([number for number in numbers if number not in {pending, dead}])
    world.hours(24 * 24 + 3 * ROWS + 1)
    new = delivery(world.mint, 1, again, at=world.clock.now)
    fanned = await world.store.queue.resend(again, new, lambda _: entry(world.mint, at=world.clock.now))
    assert isinstance(fanned, Fanned)
    await worker.round()
    assert await world.eras("event") == {"rest": 2, "192": 1}
    assert await world.eras("delivery") == {"rest": 2, "192": 2}
    assert await world.eras("attempt") == {}
    assert {view.number for view in await world.store.views.deliveries(ALL)} == {
        pending,
        again,
        *numbers[-1:],
        fanned.number,
    }
    counts = await world.place.rows("SELECT pending, dead FROM tally WHERE tenant = '' AND endpoint = 0")
    assert counts == [(2, 0)], "the dead one was counted off"
    await world.settled([pending, fanned.number])
    assert await world.eras("attempt") == {"rest": 1, "192": 1}, "an attempt of an era that is gone has a place"
    await world.filled(1)
    world.clock.now += 24 * DAY
    await worker.round()
    assert await world.eras("event") == {"192": 1}
    assert await world.eras("delivery") == {"192": 1}
    assert await world.eras("attempt") == {}


async def test_rows_go_one_by_one_where_somebody_keeps_his_for_longer(world: World) -> None:
    rules = {"acme": (RetentionRule(event_types=("other.*",), rows_seconds=900 * 86400),)}
    worker = await worker_on(world.store, world.clock, LIMITS, rules)
    await world.settled(await world.filled(ROWS + 20))
    world.hours(24 * 24 + ROWS + 21)
    before = await world.eras("event")
    await worker.round()
    assert before == {"0": 63, "64": 21}
    assert await world.eras("event") == {"64": 1}
    assert (await worker.progress()).removed["events"] == ROWS + 19
    assert "event_0" not in await world.tables(), "empty, it went too"


async def test_who_reads_for_long_is_waited_for_a_moment_only(world: World) -> None:
    worker = await worker_on(world.store, world.clock, LIMITS)
    await world.settled(await world.filled(ROWS + 20))
    world.hours(24 * 24 + 2 * ROWS)
    other = await asyncpg.connect(world.place.url)
    async with other.transaction():
        await other.fetch("SELECT 1 FROM event LIMIT 1")
        await worker.round()
        assert (await world.eras("event"))["0"] == 63
    await other.close()
    await worker.round()
    assert "0" not in await world.eras("event")


async def test_the_room_of_an_era_is_given_back(world: World) -> None:
    worker = await worker_on(world.store, world.clock, LIMITS)
    empty = (await world.store.retention.space()).file
    await world.settled(await world.filled(2 * ROWS, data=b'"' + os.urandom(20_000).hex().encode() + b'"'))
    before = (await world.store.retention.space()).file
    world.hours(24 * 24 + 2 * ROWS + 1)
    await worker.round()
    after = (await world.store.retention.space()).file
    assert before - empty > 2_500_000
    assert after - empty < (before - empty) // 2
