"""What happened to endpoints lately: attempts by the hour agree with those that were settled, and the last ones come newest first."""

from __future__ import annotations

from tests.contracts.given import (
    NOTHING,
    Clock,
    deciding,
    delivery,
    endpoint,
    entry,
    settlement,
    submission,
)
from tests.kit.stores import Store, held, moves

from tocsin.model.delivery import Step
from tocsin.model.ids import IdMint
from tocsin.ports import AttemptsQuery, AuditQuery, Cursor, Holder, StripQuery

HOUR = 3_600_000


async def begun(store: Store, mint: IdMint, events: int) -> Holder:
    """Endpoints 1 (acme) and 2 (globex), each with so many pending deliveries: odd numbers are of the first."""
    for tenant in ("acme", "globex"):
        await store.directory.add_endpoint(endpoint(mint, tenant), entry(mint))
    holder, cursor = await held(store)
    await store.log.accept([(submission(), NOTHING)], deciding(mint, events))
    made = [
        delivery(mint, number, position, tenant=tenant)
        for position in range(1, events + 1)
        for number, tenant in ((1, "acme"), (2, "globex"))
    ]
    revision, _ = await store.directory.endpoints()
    assert await store.queue.fan(
        holder, moves(store, cursor, Cursor(position=events)), made, directory_revision=revision
    )
    return holder


def lately(clock: Clock, tenant: str | None = None, *endpoints: int) -> StripQuery:
    last = (clock.now // HOUR + 1) * 60
    return StripQuery(tenant=tenant, endpoints=endpoints or (1, 2), minutes=range(last - 1440, last + 1, 60), step=60)


async def test_attempts_are_counted_by_the_hour(store: Store, mint: IdMint, clock: Clock) -> None:
    holder = await begun(store, mint, 4)

    async def settled(number: int, step: Step, attempt: int) -> None:
        made = settlement(mint, number, 1, step=step, attempt=attempt, at=clock.now)
        await store.queue.settle(holder, [made])

    await settled(1, Step.SUCCEED, 1)
    clock.now += HOUR
    await settled(3, Step.RETRY, 1)
    clock.now += 3 * HOUR
    await settled(3, Step.SUCCEED, 2)
    await settled(5, Step.GIVE_UP, 1)
    strips = await store.views.strips(lately(clock))
    strip = strips[1]
    assert [(cell.delivered, cell.failed) for cell in strip.cells[-5:]] == [(1, 0), (0, 1), (0, 0), (0, 0), (1, 1)]
    assert len(strip.cells) == 24
    assert sum(cell.delivered + cell.failed for cell in strip.cells[:-5]) == 0
    assert (strip.pending, strip.dead) == (1, 1)
    assert strip.attempt_p99_ms is not None
    assert 1.4 < strip.attempt_p99_ms < 1.6
    assert (strips[2].pending, strips[2].attempt_p99_ms) == (4, None)
    assert set(await store.views.strips(lately(clock, "acme"))) == {1}
    assert await store.views.strips(lately(clock, "none")) == {}
    clock.now += 25 * HOUR
    later = (await store.views.strips(lately(clock)))[1]
    assert (later.attempt_p99_ms, sum(cell.delivered + cell.failed for cell in later.cells)) == (None, 0)
    assert (later.pending, later.dead) == (1, 1)


async def test_the_last_attempts_come_newest_first(store: Store, mint: IdMint, clock: Clock) -> None:
    holder = await begun(store, mint, 3)
    for attempt in range(1, 8):
        made = settlement(mint, 1, 1, step=Step.RETRY, attempt=attempt, at=attempt)
        await store.queue.settle(holder, [made])
    await store.queue.settle(holder, [settlement(mint, 3, 1, at=5)])
    found = await store.views.last_attempts(AttemptsQuery(tenant="acme", endpoint=1, limit=100))
    assert [attempt.started_at for _, attempt in found] == [7, 6, 5, 5, 4, 3]
    assert len({delivery_id for delivery_id, _ in found}) == 2
    assert {attempt.request_body for _, attempt in found} == {b""}
    two = await store.views.last_attempts(AttemptsQuery(tenant=None, endpoint=1, limit=2))
    assert [attempt.started_at for _, attempt in two] == [7, 6]
    assert await store.views.last_attempts(AttemptsQuery(tenant="globex", endpoint=1, limit=100)) == []
    assert await store.views.last_attempts(AttemptsQuery(tenant="globex", endpoint=2, limit=100)) == []


async def test_an_entry_of_its_own_is_written(store: Store, mint: IdMint) -> None:
    noted = entry(mint, action="endpoint.draft_tested")
    await store.directory.note(noted)
    assert [one for _, one in await store.views.audit(AuditQuery(tenant=None, limit=9))] == [noted]


async def test_a_long_backlog_does_not_hide_the_last_attempts(store: Store, mint: IdMint) -> None:
    holder = await begun(store, mint, 2500)
    await store.queue.settle(holder, [settlement(mint, 1, 1, step=Step.RETRY, attempt=1, at=5)])
    found = await store.views.last_attempts(AttemptsQuery(tenant="acme", endpoint=1, limit=100))
    assert [attempt.started_at for _, attempt in found] == [5]
