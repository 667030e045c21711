"""What was cancelled or expired elsewhere, while it may have been out here."""

from __future__ import annotations

import pytest
from tests.contracts.given import delivery, settlement
from tests.contracts.test_queue import PAGE, fan, prepared
from tests.kit.stores import Store

from tocsin.model.batch import Batch, BatchSettlement, BatchState
from tocsin.model.delivery import Step
from tocsin.model.ids import IdMint
from tocsin.model.notice import GivenUp, Notice
from tocsin.ports import Cursor, StatsQuery


async def test_who_is_not_the_holder_cancels_and_keeps_all_keys(store: Store, mint: IdMint) -> None:
    holder, cursor, revision = await prepared(store, mint)
    made = [delivery(mint, 1, p, keys=["k"]) for p in (1, 2)]
    await fan(store, holder, cursor, Cursor(position=2), revision, *made)
    assert await store.queue.cancel(None, [1], frozenset(), "by hand", 50) == (1, [])
    assert (await store.queue.due(1, 0, 100, 10)).claims == ()
    ready = await store.queue.release_ended(holder, [1], frozenset())
    assert [c.delivery.number for c in ready] == [2]


@pytest.mark.parametrize(
    ("step", "state", "reason"),
    [(Step.SUCCEED, "delivered", None), (Step.RETRY, "dead", "expired"), (Step.GIVE_UP, "dead", "expired")],
)
async def test_only_success_overwrites_the_expiry_of_what_was_out(
    store: Store, mint: IdMint, step: Step, state: str, reason: str | None
) -> None:
    holder, cursor, revision = await prepared(store, mint)
    made = [delivery(mint, 1, p, keys=["k"], at=p) for p in (1, 2)]
    await fan(store, holder, cursor, Cursor(position=2), revision, *made)
    await store.retention.expire(None, [1], 1, frozenset(), 50)
    ready = await store.queue.settle(holder, [settlement(mint, 1, step=step, due_at=60, at=55, reason=reason)])
    assert ready is not None
    assert [c.delivery.number for c in ready] == [2]
    view = {v.number: v for v in await store.views.deliveries(PAGE)}[1]
    assert (view.state, view.reason, view.attempts) == (state, reason, 1)
    told: list[GivenUp] = []

    def note(given_up: GivenUp) -> Notice:
        told.append(given_up)
        return Notice(type="delivery.dead", tenant="acme", about="x", time=1, data=b"{}", once="o")

    await store.notices.gather(1 << 60, note)
    assert [given_up.count for given_up in told] == [1]


@pytest.mark.parametrize("batch_state", ["delivered", "dead"])
async def test_members_that_expired_while_their_batch_was_out_are_delivered_by_it(
    store: Store, mint: IdMint, batch_state: BatchState
) -> None:
    holder, cursor, revision = await prepared(store, mint)
    await fan(store, holder, cursor, Cursor(position=1), revision, *(delivery(mint, 1, 1) for _ in range(2)))
    new = Batch(number=0, id=mint.batch(), tenant="acme", endpoint=1, lane=0, created_at=0)
    formed = await store.batches.form(holder, new, [1, 2], [])
    await store.retention.expire(None, [1, 2], 50, frozenset(), 50)
    outcome = BatchSettlement(
        batch=formed.batch, state=batch_state, reason="spent", due_at=1, schedule_step=0, at_once=0,
        attempt=settlement(mint, formed.batch.number).attempt, settled_at=60,
    )  # fmt: skip
    assert await store.batches.settle(holder, outcome) is not None
    expected = ("delivered", "spent") if batch_state == "delivered" else ("dead", "expired")
    assert {(v.state, v.reason) for v in await store.views.deliveries(PAGE)} == {expected}
    counts = (await store.views.stats(StatsQuery(tenant="acme"))).now
    assert (counts.pending, counts.dead) == (0, 0 if batch_state == "delivered" else 2)
