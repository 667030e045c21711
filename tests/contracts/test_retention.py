"""Retention beside the model: keys, versions, jobs, replays, batches, the audit log; what expires; a clock that jumps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import pytest
from tests.contracts.given import (
    NOTHING,
    Clock,
    deciding,
    delivery,
    endpoint,
    entry,
    settlement,
    submission,
    versioning,
)
from tests.contracts.removing import DAY, AtRest, worker_on
from tests.kit.stores import Place, Store, held, moves

from tocsin.model.batch import Batch, BatchSettlement, Part
from tocsin.model.delivery import Step
from tocsin.model.ids import IdMint
from tocsin.model.retention import RetentionRule
from tocsin.model.submission import Facts, Needs, Submission, Verdict
from tocsin.ports import Cursor, DeliveryQuery, Holder
from tocsin.rules.retention import Limits, parse_times

ROWS = Limits(times={"rows": parse_times("10d")})
ALL = DeliveryQuery(tenant=None, limit=500)


class Given:
    """A store with one endpoint, and what a test asks of it."""

    def __init__(self, store: Store, clock: Clock, mint: IdMint, place: Place) -> None:
        self.store, self.clock, self.mint, self.place = store, clock, mint, place
        self.holder: Holder
        self.cursor = Cursor(position=0)

    async def begin(self) -> None:
        await self.store.directory.add_endpoint(endpoint(self.mint), entry(self.mint, at=self.clock.now))
        self.revision, _ = await self.store.directory.endpoints()
        self.holder, _ = await held(self.store)

    async def fanned(self, count: int, *, of_each: int = 1, keys: tuple[str, ...] = ()) -> list[int]:
        """So many new events with their deliveries, by number."""
        await self.store.log.accept([(submission(at=self.clock.now), NOTHING)], deciding(self.mint, count))
        first = self.cursor.position + 1
        new = [
            delivery(self.mint, 1, position, at=self.clock.now, keys=keys)
            for position in range(first, first + count)
            for _ in range(of_each)
        ]
        moved = Cursor(position=first + count - 1)
        fanned = await self.store.queue.fan(
            self.holder, moves(self.store, self.cursor, moved), new, directory_revision=self.revision
        )
        assert fanned is not None
        self.cursor = moved
        return [placed.number for placed in fanned]

    async def settled(self, numbers: list[int], step: Step = Step.SUCCEED) -> None:
        made = [settlement(self.mint, number, step=step, at=self.clock.now) for number in numbers]
        await self.store.queue.settle(self.holder, made)

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        return await self.place.rows(query)

    async def count(self, table: str) -> int:
        ((count,),) = await self.rows(f"SELECT count(*) FROM {table}")
        assert isinstance(count, int)
        return count


@pytest.fixture
async def given(store: Store, clock: Clock, mint: IdMint, place: Place) -> Given:
    made = Given(store, clock, mint, place)
    await made.begin()
    return made


async def test_an_event_of_many_deliveries_goes_at_once_and_they_follow(given: Given) -> None:
    worker = await worker_on(given.store, given.clock, ROWS)
    numbers = await given.fanned(1, of_each=1200)
    await given.settled(numbers)
    await given.fanned(1)
    given.clock.now += 10 * DAY
    page = await given.store.retention.page("rows", "", 0, given.clock.now, 10)
    await given.store.retention.remove("rows", [page.found[0].number], given.clock.now)
    assert await given.store.views.deliveries(msgspec.structs.replace(ALL, limit=2)) != []
    assert {view.number for view in await given.store.views.deliveries(ALL)} == {1201}
    assert await given.count("delivery") == 1201 - 512
    assert await given.rows("SELECT what, number FROM retention_left") == [("remains", 1)]
    await worker.round()
    assert (await given.count("delivery"), await given.count("attempt"), await given.count("event")) == (1, 0, 1)


async def test_keys_and_versions_outlive_their_events_and_then_go(given: Given) -> None:
    limits = Limits(times=ROWS.times, seen=30 * DAY)
    worker = await worker_on(given.store, given.clock, limits)
    needs = Needs(counter=True)
    for version in (1, 2):
        decide = versioning(given.mint, version, version)
        only = decide if version == 1 else _without_keys(decide)
        await given.store.log.accept([(submission(at=given.clock.now), needs)], only)
    given.cursor = Cursor(position=2)
    await given.store.queue.fan(
        given.holder, moves(given.store, Cursor(position=0), given.cursor), [], directory_revision=given.revision
    )
    given.clock.now += 11 * DAY
    await worker.round()
    assert await given.rows("SELECT version_id FROM version") == [(2,)]
    assert (await given.count("event"), await given.count("seen")) == (1, 1)
    given.clock.now += 20 * DAY
    await worker.round()
    assert (await given.count("event"), await given.count("seen")) == (1, 0)
    row = await given.rows("SELECT version_counter FROM tenant")
    assert row == [(2,)], "a version that is forgotten is never given again"


def _without_keys(decide: Callable[..., object]) -> Callable[..., object]:
    return lambda submitted, facts: msgspec.structs.replace(decide(submitted, facts), seen=())


async def test_a_key_stays_as_long_as_its_event_whatever_its_own_time(given: Given) -> None:
    worker = await worker_on(given.store, given.clock, Limits(seen=DAY))
    decide = versioning(given.mint, 1, 1)
    await given.store.log.accept([(submission(at=given.clock.now), Needs(counter=True))], decide)
    given.clock.now += 900 * DAY
    await worker.round()
    assert (await given.count("event"), await given.count("seen"), await given.count("version")) == (1, 1, 1)


async def test_answers_go_after_a_day_and_the_audit_log_after_its_time(given: Given) -> None:
    worker = await worker_on(given.store, given.clock, Limits(audit=5 * DAY))
    for key in ("a", "b"):
        await given.store.log.accept([(submission(at=given.clock.now, key=key), NOTHING)], deciding(given.mint))
        given.clock.now += DAY // 3
    await worker.round()
    assert (await given.count("answer"), await given.count("audit")) == (2, 1)
    given.clock.now += DAY // 3
    await worker.round()
    assert (await given.count("answer"), await given.count("audit")) == (1, 1)
    given.clock.now += 4 * DAY
    await worker.round()
    assert (await given.count("answer"), await given.count("audit")) == (0, 0)


async def test_a_streak_that_nobody_went_on_with_goes_as_the_events_of_its_failures(given: Given) -> None:
    worker = await worker_on(given.store, given.clock, Limits(times={"rows": parse_times("job.*=10d order.*=1d")}))

    def failing(submitted: Submission, facts: Facts) -> Verdict:
        digest = f"{submitted.received_at % 1000}".rjust(16).encode()
        return Verdict(status=202, body=b"", streaks=((digest, 2),))

    for number in range(300):
        await given.store.log.accept([(submission(at=given.clock.now - number), NOTHING)], failing)
    given.clock.now += 10 * DAY - 150
    await worker.round()
    assert await given.count("streak") == 150
    worker._table_mono.clear()
    given.clock.now += 150
    await worker.round()
    assert await given.count("streak") == 0


async def test_nothing_is_removed_without_a_time(given: Given) -> None:
    worker = await worker_on(given.store, given.clock, Limits())
    await given.settled(await given.fanned(3))
    given.clock.now += 4000 * DAY
    await worker.round()
    assert (await given.count("event"), await given.count("attempt"), await given.count("audit")) == (3, 3, 1)
    assert (await worker.progress()).passes == []


@pytest.mark.parametrize("way", ["jump", "restart"])
async def test_a_clock_that_jumps_ahead_wipes_nothing(given: Given, clock: Clock, way: str) -> None:
    worker = await worker_on(given.store, clock, ROWS)
    await given.settled(await given.fanned(3))
    await worker.round()
    await worker.save()
    real = clock.now / 1000
    worker._monotonic = lambda: real
    clock.now += 4000 * DAY
    if way == "restart":
        await given.fanned(1)
        worker = await worker_on(given.store, clock, ROWS)
        worker._monotonic = lambda: clock.now / 1000
    await worker.round()
    assert await given.count("delivery") >= 3
    assert (await worker.progress()).judged_at == "2027-01-15T08:00:00.000Z"


async def test_a_long_stop_is_made_up_for_in_time(given: Given, clock: Clock) -> None:
    worker = await worker_on(given.store, clock, ROWS)
    await given.settled(await given.fanned(3))
    await worker.save()
    clock.now += 15 * DAY
    worker = await worker_on(given.store, clock, ROWS)
    await worker.round()
    assert await given.count("event") == 3
    clock.now += DAY
    await worker.round()
    assert await given.count("event") == 1


async def test_rules_are_kept_and_looked_at_from_the_beginning(given: Given) -> None:
    store, mint, clock = given.store, given.mint, given.clock
    worker = await worker_on(store, clock, Limits(times={"rows": parse_times("100d")}))
    await given.settled(await given.fanned(3))
    clock.now += 50 * DAY
    await worker.round()
    assert await given.count("event") == 3
    rules: Mapping[str, tuple[RetentionRule, ...]] = {
        "acme": (RetentionRule(event_types=("order.*",), rows_seconds=86400),)
    }
    await store.retention.save_rules("acme", rules["acme"], entry(mint, "acme", action="retention.changed"))
    worker.changed(rules)
    await worker.round()
    assert await given.count("event") == 1
    await worker.save()
    state = await store.retention.load()
    assert state.rules == rules
    assert {(c.what, c.scope, c.keep // DAY, c.position) for c in state.cursors} == {
        ("rows", "", 100, 0),
        ("rows", "acme", 1, 3),
        ("rows", "acme", 100, 0),
    }
    await store.retention.save_rules("acme", (), entry(mint, "acme", action="retention.changed"))
    assert (await store.retention.load()).rules == {}


async def test_what_is_pending_for_too_long_is_dead_and_its_line_moves_on(given: Given) -> None:
    worker = await worker_on(given.store, given.clock, Limits(times=ROWS.times, pending=20 * DAY))
    rest = worker._delivery
    assert isinstance(rest, AtRest)
    rest.holder = given.holder
    first, second, third = await given.fanned(3, keys=("k",))
    given.clock.now += 15 * DAY
    (young,) = await given.fanned(1, keys=("k",))
    given.clock.now += 5 * DAY
    rest.out = frozenset({first})
    await worker.round()
    states = {view.number: (view.state.value, view.reason) for view in await given.store.views.deliveries(ALL)}
    dead = ("dead", "expired")
    assert states == {first: ("pending", None), second: dead, third: dead, young: ("pending", None)}
    assert await given.rows("SELECT number FROM retention_left WHERE what = 'expire'") == [(first,)]
    rest.out = frozenset()
    given.clock.now += DAY
    await worker.round()
    due = await given.store.queue.due(1, 0, given.clock.now, 10)
    assert [claim.delivery.number for claim in due.claims] == [young]
    given.clock.now += 10 * DAY
    await worker.round()
    assert [view.number for view in await given.store.views.deliveries(ALL)] == [young]
    assert await given.rows("SELECT number FROM retention_left WHERE what = 'expire'") == []


def _batch(given: Given) -> Batch:
    return Batch(
        number=0, id=given.mint.batch(), tenant="acme", endpoint=1, lane=0, created_at=given.clock.now
    )  # fmt: skip


async def test_a_batch_expires_when_all_of_it_is_old_enough(given: Given) -> None:
    worker = await worker_on(given.store, given.clock, Limits(pending=20 * DAY))
    old = await given.fanned(2)
    given.clock.now += 10 * DAY
    young = await given.fanned(1)
    formed = await given.store.batches.form(given.holder, _batch(given), [*old, *young], [])
    given.clock.now += 15 * DAY
    await worker.round()
    assert {view.state.value for view in await given.store.views.deliveries(ALL)} == {"pending"}
    given.clock.now += 5 * DAY
    rest = worker._delivery
    assert isinstance(rest, AtRest)
    rest.holder = given.holder
    rest.out = frozenset([*old, *young])
    await worker.round()
    assert {view.state.value for view in await given.store.views.deliveries(ALL)} == {"pending"}, "it is in flight"
    rest.out = frozenset()
    given.clock.now += DAY
    await worker.round()
    assert {view.reason for view in await given.store.views.deliveries(ALL)} == {"expired"}
    assert await given.rows("SELECT state FROM batch") == [("dead",)]
    late = settlement(given.mint, formed.batch.number, step=Step.RETRY, at=given.clock.now).attempt
    ended = BatchSettlement(
        batch=formed.batch,
        state="pending",
        reason=None,
        due_at=0,
        schedule_step=1,
        at_once=0,
        attempt=late,
        settled_at=0,
    )
    await given.store.batches.settle(given.holder, ended)
    assert await given.rows("SELECT state FROM batch") == [("dead",)]


async def test_a_batch_that_is_pending_keeps_all_its_members(given: Given) -> None:
    worker = await worker_on(given.store, given.clock, ROWS)
    numbers = await given.fanned(2)
    formed = await given.store.batches.form(given.holder, _batch(given), numbers, [])
    await given.fanned(1)
    await given.store.queue.cancel(given.holder, numbers[:1], frozenset(numbers), "by hand", given.clock.now)
    given.clock.now += 50 * DAY
    await worker.round()
    (claim,) = (await given.store.batches.due(1, 0, given.clock.now, 10)).claims
    assert claim.batch.number == formed.batch.number
    assert [member.delivery.number for member in claim.members] == numbers


async def test_batches_are_emptied_and_go_after_their_members(given: Given) -> None:
    times = {kind: parse_times(text) for kind, text in (("bodies", "1d"), ("attempts", "2d"), ("rows", "10d"))}
    worker = await worker_on(given.store, given.clock, Limits(times=times))  # type: ignore[arg-type]  # kinds by name
    numbers = await given.fanned(2)
    batch = (await given.store.batches.form(given.holder, _batch(given), numbers, [])).batch
    parts = tuple(Part(id=given.mint.batch(), members=(number,)) for number in numbers)
    attempt = settlement(given.mint, 1, at=given.clock.now, body=b"whole").attempt
    split = BatchSettlement(
        batch=batch, state="split", reason=None, due_at=0, schedule_step=0, at_once=0,
        attempt=attempt, settled_at=given.clock.now, parts=parts,
    )  # fmt: skip
    settled = await given.store.batches.settle(given.holder, split)
    assert settled is not None
    children, _ = settled

    async def shown() -> list[bytes | None]:
        attempts = await given.store.views.attempts(numbers[0], None)
        return [None if attempt.bodies_removed else attempt.request_body for attempt in attempts]

    given.clock.now += 5 * DAY
    await worker.round()
    assert await shown() == [b"whole"], "a part of it is pending"
    for number, child in enumerate(children):
        made = settlement(given.mint, 1, attempt=2, at=given.clock.now, body=b"part").attempt
        ended = BatchSettlement(
            batch=child.batch, state="delivered", reason=None, due_at=0, schedule_step=0, at_once=0,
            attempt=made, settled_at=given.clock.now + number,
        )  # fmt: skip
        await given.store.batches.settle(given.holder, ended)
    given.clock.now += DAY + 1
    await worker.round()
    assert await shown() == [None]
    given.clock.now += DAY
    await worker.round()
    assert await shown() == []
    assert await given.count("batch") == 3
    await given.fanned(1)
    given.clock.now += 10 * DAY
    await worker.round()
    given.clock.now += DAY
    await worker.round()
    given.clock.now += DAY
    await worker.round()
    assert (await given.count("batch"), await given.count("batch_attempt"), await given.count("delivery")) == (0, 0, 1)


async def test_space_is_given_back(given: Given) -> None:
    await given.store.log.accept([(submission(), NOTHING)], deciding(given.mint, 400, data=b'"' + b"x" * 40_000 + b'"'))
    moved = Cursor(position=400)
    await given.store.queue.fan(
        given.holder, moves(given.store, given.cursor, moved), [], directory_revision=given.revision
    )
    before = await given.store.retention.space()
    assert before.file > 16_000_000
    given.clock.now += 10 * DAY
    worker = await worker_on(given.store, given.clock, ROWS)
    await worker.round()
    after = await given.store.retention.space()
    assert await given.count("event") == 1
    assert (after.unused <= 4 * 1024 * 1024, after.file < before.file // 2) == (True, True)
