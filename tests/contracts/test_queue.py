"""Deliveries that are not settled: fan-out by compare-and-set, what is due, settling, cancelling, resending."""

from __future__ import annotations

import pytest
from tests.contracts.given import NOTHING, deciding, delivery, endpoint, entry, noting, settlement, submission
from tests.kit.stores import Store, held, moves, position

from tocsin.model.batch import Batch
from tocsin.model.delivery import Step
from tocsin.model.endpoint import Standing
from tocsin.model.ids import IdMint
from tocsin.ports import Cursor, DeliveryQuery, Fenced, Holder, Waiting

PAGE = DeliveryQuery(tenant=None, limit=100)


async def prepared(store: Store, mint: IdMint, events: int = 3) -> tuple[Holder, Cursor, int]:
    """A holder at the beginning of a log of so many events, and the directory's revision with two endpoints in it."""
    await store.log.accept([(submission(), NOTHING)], deciding(mint, events))
    for _ in range(2):
        await store.directory.add_endpoint(endpoint(mint), entry(mint))
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    return holder, cursor, revision


async def fan(
    store: Store, holder: Holder, old: Cursor, new: Cursor, revision: int, *deliveries: object
) -> list[tuple[int, int]]:
    fanned = await store.queue.fan(holder, moves(store, old, new), deliveries, directory_revision=revision)
    assert fanned is not None
    return [(f.number, f.blocked) for f in fanned]


async def test_fan_inserts_and_moves_the_cursor_together(store: Store, mint: IdMint) -> None:
    holder, old, revision = await prepared(store, mint)
    new = Cursor(position=1, endpoint=0)
    assert await fan(store, holder, old, new, revision, delivery(mint, 1, 1), delivery(mint, 2, 1)) == [(1, 0), (2, 0)]
    assert await position(store, holder) == new
    due = await store.queue.due(1, 0, 10, 10)
    assert [(c.delivery.number, c.event.position) for c in due.claims] == [(1, 1)]
    assert due.is_all


@pytest.mark.parametrize("wrong", ["position", "endpoint", "epoch", "directory"])
async def test_a_fan_from_a_wrong_view_writes_nothing(store: Store, mint: IdMint, wrong: str) -> None:
    holder, old, revision = await prepared(store, mint)
    stale = Holder(epoch=holder.epoch - 1) if wrong == "epoch" else holder
    seen = Cursor(position=old.position + (wrong == "position"), endpoint=old.endpoint + (wrong == "endpoint"))
    lost = await store.queue.fan(
        stale,
        moves(store, seen, Cursor(position=2)),
        [delivery(mint, 1, 1)],
        directory_revision=revision - (wrong == "directory"),
    )
    assert lost is None
    assert await position(store, holder) == old
    assert await store.views.deliveries(PAGE) == []


async def test_taking_over_ends_the_right_of_the_one_before(store: Store, mint: IdMint) -> None:
    first, cursor, revision = await prepared(store, mint)
    await fan(store, first, cursor, Cursor(position=1), revision, delivery(mint, 1, 1))
    second, where = await held(store)
    assert second.epoch > first.epoch
    assert where == Cursor(position=1)
    assert await position(store, first) is None
    for write in (
        store.queue.settle(first, [settlement(mint, 1)]),
        store.batches.dissolve(first, [1], 5),
        store.queue.cancel(first, [1], frozenset(), "by hand", 50, entry(mint)),
        store.queue.give_up(first, 1, "no template", 50),
        store.retention.expire(first, [1], 50, frozenset(), 50),
        store.directory.save(first, Standing(endpoint=1, failures=1)),
    ):
        with pytest.raises(Fenced):
            await write
    assert await store.directory.load() == []
    assert [view.state for view in await store.views.deliveries(PAGE)] == ["pending"]
    assert await store.queue.settle(second, [settlement(mint, 1)]) == []


async def test_due_leaves_out_what_is_later_and_says_when_it_is(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    made = [delivery(mint, 1, 1, at=at) for at in (30, 10, 20, 10)]
    await fan(store, holder, cursor, Cursor(position=1), revision, *made)
    page = await store.queue.due(1, 0, 20, 2)
    assert [c.delivery.number for c in page.claims] == [2, 4]
    assert not page.is_all
    page = await store.queue.due(1, 0, 20, 10)
    assert [c.delivery.number for c in page.claims] == [2, 4, 3]
    assert (page.is_all, page.next_due_at) == (True, 30)
    everything = range(store.holding.partitions)
    assert await store.queue.waiting(everything) == [Waiting(endpoint=1, lane=0, due_at=10)]


async def test_settling_keeps_the_attempt_and_moves_the_delivery(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    await fan(store, holder, cursor, Cursor(position=3), revision, *(delivery(mint, 1, p) for p in (1, 2, 3)))
    await store.queue.settle(
        holder,
        [
            settlement(mint, 1, at=5),
            settlement(mint, 2, step=Step.RETRY, due_at=99, at=5),
            settlement(mint, 3, step=Step.GIVE_UP, reason="schedule exhausted", at=5),
        ],
    )
    views = {v.number: v for v in await store.views.deliveries(PAGE)}
    assert [(n, views[n].state, views[n].reason, views[n].attempts, views[n].settled_at) for n in (1, 2, 3)] == [
        (1, "delivered", None, 1, 5),
        (2, "pending", None, 1, None),
        (3, "dead", "schedule exhausted", 1, 5),
    ]
    page = await store.queue.due(1, 0, 98, 10)
    assert (page.claims, page.next_due_at) == ((), 99)
    again = (await store.queue.due(1, 0, 99, 10)).claims[0].delivery
    assert (again.number, again.attempts, again.step) == (2, 1, 1)


async def test_a_body_is_kept_once_and_shown_for_every_attempt(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    await fan(store, holder, cursor, Cursor(position=1), revision, delivery(mint, 1, 1))
    for number, body in ((1, b"one"), (2, b"one"), (3, b"two"), (4, b"two")):
        await store.queue.settle(holder, [settlement(mint, 1, step=Step.RETRY, attempt=number, body=body)])
    attempts = await store.views.attempts(1, "acme")
    assert [(a.number, a.request_body) for a in attempts] == [(1, b"one"), (2, b"one"), (3, b"two"), (4, b"two")]
    assert attempts[0].response is not None
    assert attempts[0].response.body == b"\x00\xff"
    assert await store.views.attempts(1, "other") == []


async def test_cancel_ends_only_what_is_pending(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    await fan(store, holder, cursor, Cursor(position=2), revision, delivery(mint, 1, 1), delivery(mint, 1, 2))
    await store.queue.settle(holder, [settlement(mint, 1)])
    await store.queue.cancel(holder, [1, 2], frozenset(), "by hand", 50)
    views = {v.number: v for v in await store.views.deliveries(PAGE)}
    assert [(views[n].state, views[n].reason) for n in (1, 2)] == [("delivered", None), ("cancelled", "by hand")]
    assert (await store.queue.due(1, 0, 100, 10)).claims == ()


@pytest.mark.parametrize(
    ("step", "state", "reason"),
    [(Step.SUCCEED, "delivered", None), (Step.RETRY, "cancelled", "by hand"), (Step.GIVE_UP, "cancelled", "by hand")],
)
async def test_only_success_overwrites_a_cancel_of_what_was_out(
    store: Store, mint: IdMint, step: Step, state: str, reason: str | None
) -> None:
    holder, cursor, revision = await prepared(store, mint)
    await fan(store, holder, cursor, Cursor(position=1), revision, delivery(mint, 1, 1))
    await store.queue.cancel(holder, [1], frozenset({1}), "by hand", 50)
    await store.queue.settle(holder, [settlement(mint, 1, step=step, due_at=60)])
    view = (await store.views.deliveries(PAGE))[0]
    assert (view.state, view.reason, view.attempts) == (state, reason, 1)
    assert (await store.queue.due(1, 0, 100, 10)).claims == ()


async def test_a_cancelled_delivery_that_is_out_holds_its_keys_until_it_is_settled(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    made = [delivery(mint, 1, p, keys=["k"]) for p in (1, 2)]
    assert await fan(store, holder, cursor, Cursor(position=2), revision, *made) == [(1, 0), (2, 1)]
    assert await store.queue.cancel(holder, [1], frozenset({1}), "by hand", 50) == (1, [])
    ready = await store.queue.settle(holder, [settlement(mint, 1, step=Step.RETRY)])
    assert ready is not None
    assert [c.delivery.number for c in ready] == [2]


async def test_keys_of_what_was_cancelled_elsewhere_are_released_when_it_is_not_out(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    made = [delivery(mint, number, p, keys=[f"k{number}"]) for number in (1, 2) for p in (1, 2)]
    await fan(store, holder, cursor, Cursor(position=2), revision, *made)
    cancelled = [1, 3]
    assert await store.queue.cancel(holder, cancelled, frozenset(cancelled), "by hand", 50) == (2, [])
    assert await store.queue.release_ended(holder, [2], frozenset(cancelled)) == []
    ready = await store.queue.release_ended(holder, [1, 2], frozenset({1}))
    assert [c.delivery.number for c in ready] == [4]
    assert [(await store.queue.due(n, 0, 100, 10)).claims for n in (1, 2)] == [(), tuple(ready)]
    assert await store.queue.release_ended(holder, [2], frozenset()) == []
    ready = await store.queue.release_ended(holder, [1], frozenset())
    assert [c.delivery.number for c in ready] == [2]
    assert await store.queue.release_ended(holder, [1, 2], frozenset()) == []


async def test_a_batch_of_what_was_cancelled_elsewhere_ends_when_it_is_not_out(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    made = [delivery(mint, 1, p, keys=["k"]) for p in (1, 2, 3)]
    await fan(store, holder, cursor, Cursor(position=3), revision, *made)
    batch = Batch(
        number=0, id=mint.batch(), tenant="acme", endpoint=1, lane=0, step=0, at_once=0, attempts=0, created_at=0
    )
    assert (await store.batches.form(holder, batch, [1, 2], [])).members == (1, 2)
    assert await store.queue.cancel(holder, [1, 2], frozenset({1, 2}), "by hand", 50) == (2, [])
    assert await store.queue.release_ended(holder, [1], frozenset({2})) == []
    ready = await store.queue.release_ended(holder, [1], frozenset())
    assert [c.delivery.number for c in ready] == [3]
    assert await store.batches.waiting(range(store.holding.partitions)) == []


async def test_a_delivery_that_is_given_up_is_dead_without_an_attempt(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    made = [delivery(mint, 1, p, keys=["k"]) for p in (1, 2)]
    await fan(store, holder, cursor, Cursor(position=2), revision, *made)
    ready = await store.queue.give_up(holder, 1, "the template failed", 50)
    assert [c.delivery.number for c in ready] == [2]
    views = {v.number: v for v in await store.views.deliveries(PAGE)}
    assert (views[1].state, views[1].reason, views[1].attempts, views[1].settled_at) == (
        "dead",
        "the template failed",
        0,
        50,
    )
    assert await store.queue.give_up(holder, 1, "again", 60) == []
    assert {v.number: v.reason for v in await store.views.deliveries(PAGE)}[1] == "the template failed"


@pytest.mark.parametrize("again", ["cancel", "give up"])
async def test_a_cancelled_delivery_that_was_not_sent_after_all_releases_its_keys(
    store: Store, mint: IdMint, again: str
) -> None:
    holder, cursor, revision = await prepared(store, mint)
    made = [delivery(mint, 1, p, keys=["k"]) for p in (1, 2)]
    await fan(store, holder, cursor, Cursor(position=2), revision, *made)
    assert await store.queue.cancel(holder, [1], frozenset({1}), "by hand", 50) == (1, [])
    if again == "cancel":
        _, ready = await store.queue.cancel(holder, [1], frozenset(), "not sent", 60)
    else:
        ready = await store.queue.give_up(holder, 1, "not sent", 60)
    assert [c.delivery.number for c in ready] == [2]
    assert {v.number: (v.state, v.reason) for v in await store.views.deliveries(PAGE)}[1] == ("cancelled", "by hand")


async def test_resend_is_a_new_delivery_of_the_same_event_at_the_end_of_its_line(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    await fan(store, holder, cursor, Cursor(position=2), revision, *(delivery(mint, 1, p, keys=["k"]) for p in (1, 2)))
    placed = await store.queue.resend(1, delivery(mint, 1, 1, keys=["k"]), noting(mint))
    assert placed is not None
    assert (placed.number, placed.blocked) == (3, 1)
    assert await store.queue.resend(77, delivery(mint, 1, 1), noting(mint)) is None
    view = (await store.views.deliveries(PAGE))[0]
    assert (view.number, view.resend_of) == (3, (await store.views.deliveries(PAGE))[2].id)
    ready = await store.queue.settle(holder, [settlement(mint, 1), settlement(mint, 2)])
    assert ready is not None
    assert [c.delivery.number for c in ready] == [3]


async def test_deliveries_of_a_removed_endpoint_are_cancelled(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    await fan(
        store,
        holder,
        cursor,
        Cursor(position=2),
        revision,
        *(delivery(mint, 1, p, keys=["k"]) for p in (1, 2)),
        delivery(mint, 2, 2),
    )
    stored = next(e for e in (await store.directory.endpoints())[1] if e.number == 1)
    await store.directory.remove_endpoint(stored, entry(mint, at=60))
    views = {v.number: v for v in await store.views.deliveries(PAGE)}
    assert [(views[n].state, views[n].reason) for n in (1, 2, 3)] == [
        ("cancelled", "endpoint deleted"),
        ("cancelled", "endpoint deleted"),
        ("pending", None),
    ]
