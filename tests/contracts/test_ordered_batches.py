"""Order over batches: random histories of the real store against a small model that works readiness out from scratch.

The model knows deliveries by number with their keys, and batches by their members. Whatever may be sent (a delivery by itself, a
batch, a batch again) must have nothing unsettled before it that shares a key with it, other than what it brings along itself.
"""

from __future__ import annotations

import os
import random

import pytest
from tests.contracts.given import NOTHING, deciding, delivery, endpoint, entry, settlement, submission
from tests.kit.stores import Place, Store, close, held, moves

from tocsin.model.batch import Batch, BatchClaim, BatchSettlement, BatchState
from tocsin.model.ids import IdMint
from tocsin.ports import Cursor, Holder
from tocsin.rules.splitting import halves

KEYS = "abcd"
FAR = 10
MOVES = {
    "fan": 3, "form": 5, "settle": 5, "single": 2, "cancel": 2, "cancel out": 1, "cancel elsewhere": 2, "release": 1,
    "dissolve": 1, "restart": 1,
}  # fmt: skip
STATES: list[BatchState] = ["delivered", "dead", "pending", "split", "split", "split"]


class Model:
    """`keys` of everything that still stands in somebody's way, by number; `cancelled` of it; `batches` by number, in order."""

    def __init__(self) -> None:
        self.keys: dict[int, frozenset[str]] = {}
        self.cancelled: set[int] = set()
        self.batches: dict[int, tuple[int, ...]] = {}

    def before(self, number: int) -> set[int]:
        """Everything earlier that shares a key, directly; what waits blocks all its keys, so that is enough."""
        return {other for other, keys in self.keys.items() if other < number and keys & self.keys[number]}

    @property
    def batched(self) -> set[int]:
        return {number for members in self.batches.values() for number in members}

    def ready(self) -> list[int]:
        """What can be sent by itself."""
        held = self.batched | self.cancelled
        return [number for number in self.keys if number not in held and not self.before(number)]

    def closure(self, first: list[int]) -> set[int]:
        """These and everybody who waits for nobody else."""
        found = set(first)
        for number in sorted(self.keys.keys() - self.batched - self.cancelled):
            before = self.before(number)
            if before and before <= found:
                found.add(number)
        return found

    def end(self, numbers: set[int]) -> None:
        for number in numbers:
            self.keys.pop(number, None)
            self.cancelled.discard(number)

    def end_of_batch(self, number: int) -> None:
        self.end(set(self.batches.pop(number)))

    def end_empty(self) -> None:
        for number, members in tuple(self.batches.items()):
            if self.cancelled.issuperset(members):
                self.end_of_batch(number)


@pytest.mark.parametrize("seed", range(60))
async def test_no_batch_ever_overtakes(seed: int, place: Place) -> None:
    chance = random.Random(seed)
    mint = IdMint(lambda: 1, os.urandom)
    model = Model()
    store = await place.open(lambda: 1)
    try:
        await store.log.accept([(submission(), NOTHING)], deciding(mint))
        await store.directory.add_endpoint(endpoint(mint), entry(mint))
        revision, _ = await store.directory.endpoints()
        holder, cursor = await held(store)
        keys = KEYS[: chance.randint(1, len(KEYS))]
        for move in chance.choices(list(MOVES), list(MOVES.values()), k=50):
            which = chance.randrange(1000)
            if move == "restart":
                holder, cursor = await held(store)
                await release(store, holder, model)
            elif move == "fan":
                cursor = await fan(store, holder, mint, model, cursor, revision, keys, chance)
            else:
                await apply(move, place, store, holder, mint, model, which, chance)
            await compare(store, holder, model)
    finally:
        await close(store)


async def fan(
    store: Store,
    holder: Holder,
    mint: IdMint,
    model: Model,
    cursor: Cursor,
    revision: int,
    keys: str,
    chance: random.Random,
) -> Cursor:
    made = [
        delivery(mint, 1, 1, keys=chance.sample(keys, min(len(keys), chance.choice([1, 1, 1, 2]))))
        for _ in range(chance.randint(1, 6))
    ]
    after = Cursor(position=cursor.position + 1)
    fanned = await store.queue.fan(holder, moves(store, cursor, after), made, directory_revision=revision)
    assert fanned is not None
    model.keys |= {f.number: frozenset(new.keys) for new, f in zip(made, fanned, strict=True)}
    return after


async def apply(
    move: str, place: Place, store: Store, holder: Holder, mint: IdMint, model: Model, which: int, chance: random.Random
) -> None:
    match move:
        case "form":
            await form(store, holder, mint, model, chance)
        case "settle":
            await settle(place, store, holder, mint, model, which, chance.choice(STATES))
        case "single":
            if ready := model.ready():
                number = ready[which % len(ready)]
                await store.queue.settle(holder, [settlement(mint, number)])
                model.end({number})
        case "cancel":
            await cancel(store, holder, model, which, frozenset())
        case "cancel out":
            await cancel(store, holder, model, which, frozenset(chance.choice([(), *model.batches.values()])))
        case "cancel elsewhere":
            await cancel(store, holder, model, which, frozenset(model.keys))
        case "release":
            await release(store, holder, model)
        case _:
            await dissolve(store, holder, model, which)


async def test_what_waits_for_a_batch_that_is_split_waits_for_all_of_it(place: Place) -> None:
    """Two subjects are tied by a merge in the later half; the earlier half falls into two that have nothing to do with one
    another, and the later one waits for both."""
    mint = IdMint(lambda: 1, os.urandom)
    model = Model()
    store = await place.open(lambda: 1)
    try:
        await store.log.accept([(submission(), NOTHING)], deciding(mint))
        await store.directory.add_endpoint(endpoint(mint), entry(mint))
        revision, _ = await store.directory.endpoints()
        holder, cursor = await held(store)
        keys = [["a"], ["b"], ["a", "b"], ["a"]]
        made = [delivery(mint, 1, 1, keys=one) for one in keys]
        await store.queue.fan(holder, moves(store, cursor, Cursor(position=1)), made, directory_revision=revision)
        model.keys = {n: frozenset(one) for n, one in enumerate(keys, 1)}
        batch = Batch(number=0, id=mint.batch(), tenant="acme", endpoint=1, lane=0, created_at=1)
        formed = await store.batches.form(holder, batch, (1, 2, 3, 4), ())
        model.batches[formed.batch.number] = formed.members
        sent: list[tuple[int, ...]] = []
        for state in ("split", "split", "delivered", "delivered", "delivered"):
            (claim,) = (await store.batches.due(1, 0, FAR, 100)).claims
            sent.append(tuple(member.delivery.number for member in claim.members))
            await settle(place, store, holder, mint, model, 0, state)
            await compare(store, holder, model)
        assert sent == [(1, 2, 3, 4), (1, 2), (1,), (2,), (3, 4)]
    finally:
        await close(store)


async def form(store: Store, holder: Holder, mint: IdMint, model: Model, chance: random.Random) -> None:
    """As the loop of delivery does: some that are ready, and what follows them. Now and then one is cancelled on the way."""
    first, room = model.ready()[: chance.randint(1, 4)], chance.randint(0, 7)
    found = await store.batches.following(first, FAR, room, 1_000_000)
    following = found.claims
    numbers = sorted([*first, *(claim.delivery.number for claim in following)])
    chosen = set(numbers)
    assert len(chosen) == len(numbers)
    assert all(model.before(number) <= chosen for number in numbers)
    if len(following) < room:
        assert chosen == model.closure(first), "somebody could have come along"
    assert found.more == min(2 * room, len(model.closure(first)) - len(first)) - len(following)
    kept = numbers
    if numbers and chance.random() < 0.2:
        gone = chance.choice(numbers)
        assert await store.queue.cancel(holder, [gone], frozenset(numbers), "x", 1) == (1, [])
        behind = [number for number in numbers if number > gone and gone in model.before(number)]
        kept = [number for number in numbers if number != gone and not (behind and number >= behind[0])]
        before = set(model.ready()) - {gone}
        model.end({gone})
        batch = Batch(number=0, id=mint.batch(), tenant="acme", endpoint=1, lane=0, created_at=1)
        formed = await store.batches.form(holder, batch, numbers, ())
        assert formed.members == tuple(kept)
        assert {claim.delivery.number for claim in formed.ready} == set(model.ready()) - before
    else:
        batch = Batch(number=0, id=mint.batch(), tenant="acme", endpoint=1, lane=0, created_at=1)
        formed = await store.batches.form(holder, batch, numbers, ())
        assert formed.members == tuple(kept)
    if kept:
        model.batches[formed.batch.number] = tuple(kept)


async def settle(
    place: Place, store: Store, holder: Holder, mint: IdMint, model: Model, which: int, state: BatchState
) -> None:
    """What came of a batch that could be sent."""
    due = (await store.batches.due(1, 0, FAR, 100)).claims
    if not due:
        return
    claim: BatchClaim = due[which % len(due)]
    members = [(m.delivery.number, tuple(sorted(model.keys[m.delivery.number]))) for m in claim.members]
    parts = halves(members, mint.batch) if state == "split" and len(members) > 1 else ()
    if state == "split" and not parts:
        state = "dead"
    attempt = settlement(mint, claim.batch.number, attempt=claim.batch.attempts + 1).attempt
    outcome = BatchSettlement(
        batch=claim.batch, state=state, reason=None, due_at=1, schedule_step=0, at_once=0, attempt=attempt, settled_at=1,
        parts=parts,
    )  # fmt: skip
    settled = await store.batches.settle(holder, outcome)
    assert settled is not None
    freed, ready = settled
    before = set(model.ready())
    if state == "split":
        model.end(model.cancelled & set(model.batches.pop(claim.batch.number)))
        model.batches |= await stored_batches(place, store, holder, [part.id for part in parts])
        assert {n for part in parts for n in part.members} == {number for number, _ in members}
    elif state != "pending" or model.cancelled.issuperset(model.batches[claim.batch.number]):
        model.end_of_batch(claim.batch.number)
    assert {c.delivery.number for c in ready} == set(model.ready()) - before
    still = {c.batch.number for c in (await store.batches.due(1, 0, FAR, 100)).claims}
    assert {c.batch.number for c in freed} <= still


async def dissolve(store: Store, holder: Holder, model: Model, which: int) -> None:
    if not model.batches:
        return
    number = sorted(model.batches)[which % len(model.batches)]
    before = set(model.ready())
    ready = await store.batches.dissolve(holder, [number], 1)
    left = await store.batches.pending(1, 0, 0, 1000)
    gone = [batch for batch in model.batches if batch not in left]
    assert number in gone
    freed = {member for batch in gone for member in model.batches.pop(batch)}
    model.end(model.cancelled & freed)
    assert {claim.delivery.number for claim in ready} <= set(model.ready()) - before


async def stored_batches(place: Place, store: Store, holder: Holder, ids: list[str]) -> dict[int, tuple[int, ...]]:
    """The members of new batches, also of those that wait."""
    numbers = await store.batches.pending(1, 0, 0, 1000)

    wanted = ", ".join(f"'{name}'" for name in ids)
    made: dict[int, tuple[int, ...]] = {}
    for batch, number in await place.rows(
        f"SELECT b.number, d.number FROM batch AS b JOIN delivery AS d ON d.batch = b.number WHERE b.id IN ({wanted}) ORDER BY d.number"
    ):
        made[batch] = (*made.get(batch, ()), number)
    assert set(made) <= set(numbers)
    return made


async def cancel(store: Store, holder: Holder, model: Model, which: int, out: frozenset[int]) -> None:
    """Somebody gives up on a delivery; it keeps its keys while it is out or its batch lives."""
    waiting = [number for number in model.keys if number not in model.cancelled]
    if not waiting:
        return
    number = waiting[which % len(waiting)]
    _, ready = await store.queue.cancel(holder, [number], out, "x", 1)
    before = set(model.ready())
    model.cancelled.add(number)
    for batch, members in tuple(model.batches.items()):
        if number in members and out.isdisjoint(members) and model.cancelled.issuperset(members):
            model.end_of_batch(batch)
    if number in model.keys and number not in model.batched and number not in out:
        model.end({number})
    assert {claim.delivery.number for claim in ready} == set(model.ready()) - before - {number}


async def release(store: Store, holder: Holder, model: Model) -> None:
    """Nothing is out, and the holder lets go of what ended without it."""
    before = set(model.ready())
    ready = await store.queue.release_ended(holder, [1], frozenset())
    model.end_empty()
    model.end(model.cancelled - model.batched)
    assert {claim.delivery.number for claim in ready} == set(model.ready()) - before


async def compare(store: Store, holder: Holder, model: Model) -> None:
    due = await store.queue.due(1, 0, FAR, 1000)
    assert sorted(claim.delivery.number for claim in due.claims) == model.ready()
    pending = set(await store.batches.pending(1, 0, 0, 1000))
    assert pending == set(model.batches)
    page = (await store.batches.due(1, 0, FAR, 1000)).claims
    sendable = [tuple(m.delivery.number for m in claim.members) for claim in page]
    for claim, members in zip(page, sendable, strict=True):
        assert model.batches[claim.batch.number] == members == tuple(sorted(members))
        assert all(model.before(number) <= set(members) for number in members), "a batch would overtake"
    if model.batches:
        assert sendable, "nothing can ever be sent"
