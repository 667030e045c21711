"""What is written again because nobody knows whether it came through: it counts once, and nothing that it set free is lost."""

from __future__ import annotations

import pytest
from tests.contracts.given import NOTHING, deciding, delivery, endpoint, entry, settlement, submission
from tests.contracts.test_tallies import replay
from tests.kit.stores import Place, Store, held, moves

from tocsin.model.batch import Batch, BatchSettlement, BatchState, Part
from tocsin.model.delivery import Step
from tocsin.model.ids import IdMint
from tocsin.model.notice import Notice
from tocsin.ports import Cursor, Holder, StatsQuery


async def fanned(store: Store, mint: IdMint, count: int) -> Holder:
    """So many deliveries of one subject, from number 1 on."""
    await store.log.accept([(submission(), NOTHING)], deciding(mint))
    await store.directory.add_endpoint(endpoint(mint), entry(mint))
    revision, _ = await store.directory.endpoints()
    holder, cursor = await held(store)
    made = [delivery(mint, 1, 1, keys=["a"]) for _ in range(count)]
    assert (
        await store.queue.fan(holder, moves(store, cursor, Cursor(position=1)), made, directory_revision=revision)
        is not None
    )
    return holder


async def test_of_a_settlement_that_was_in_before_it_is_said_that_it_was(store: Store, mint: IdMint) -> None:
    holder = await fanned(store, mint, 2)
    first = settlement(mint, 1)
    ready = await store.queue.settle(holder, [first])
    assert ready is not None
    assert [claim.delivery.number for claim in ready] == [2]
    assert await store.queue.settle(holder, [first]) is None


@pytest.mark.parametrize("state", ["delivered", "dead", "pending", "split"])
async def test_a_batch_that_was_settled_before_is_not_again(store: Store, mint: IdMint, state: BatchState) -> None:
    """The first answer got lost; nothing counts twice."""
    holder = await fanned(store, mint, 5)
    new = Batch(number=0, id=mint.batch(), tenant="acme", endpoint=1, lane=0, created_at=1)
    formed = await store.batches.form(holder, new, (1, 2, 3, 4), ())
    parts = (Part(id=mint.batch(), members=(1, 2)), Part(id=mint.batch(), members=(3, 4), waits=True))
    outcome = BatchSettlement(
        batch=formed.batch, state=state, reason=None, due_at=1, schedule_step=0, at_once=0,
        attempt=settlement(mint, formed.batch.number).attempt, settled_at=1, parts=parts if state == "split" else (),
    )  # fmt: skip
    assert await store.batches.settle(holder, outcome) is not None
    assert await store.batches.settle(holder, outcome) is None
    view = await store.views.stats(StatsQuery(tenant="acme", minutes=range(0, 1 << 40, 1 << 39)))
    assert view.whole is not None
    assert view.whole.attempts_delivered == 1
    assert view.whole.pending == view.now.pending == {"delivered": 1, "dead": 1}.get(state, 5)


async def test_a_cancelled_replay_leaves_no_line_of_what_ended_just_before(
    store: Store, place: Place, mint: IdMint
) -> None:
    """They were out when it was cancelled, but what came of them is written already: nobody else takes them out."""
    holder = await fanned(store, mint, 1)
    begun = await store.replays.add(replay(mint, 1, 1), entry(mint))
    made = [delivery(mint, 1, 1, keys=["a"], lane=begun.number)]
    assert await store.replays.move(begun.number, 0, 1, made) is not None
    await store.queue.settle(holder, [settlement(mint, 2, step=Step.RETRY, lane=begun.number)])
    note = Notice(type="replay.finished", tenant="acme", about=begun.id, time=1, data=b"{}", once=begun.id)
    assert await store.replays.cancel_pending(holder, begun, frozenset({2}), 1, lambda _: note) == []
    assert await store.replays.cancel_pending(holder, begun, frozenset(), 1, lambda _: note) is None
    left = await place.rows("SELECT delivery FROM line WHERE lane > 0")
    assert left == []
