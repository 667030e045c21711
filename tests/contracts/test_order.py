"""Order by key: random histories against a small model that computes readiness from scratch."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.given import NOTHING, deciding, delivery, endpoint, entry, settlement, submission
from tests.kit.stores import Place, close, held, moves

from tocsin.model.delivery import Step
from tocsin.model.ids import IdMint
from tocsin.ports import Cursor

KEYS = ("a", "b", "c")
key_sets = st.lists(st.sampled_from(KEYS), min_size=1, max_size=2, unique=True)
steps = st.one_of(
    st.tuples(st.just("fan"), st.lists(key_sets, min_size=1, max_size=3)),
    st.tuples(st.just("settle"), st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=3)),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("restart"), st.none()),
)


class Model:
    """Who is unsettled, in order, with their keys. Ready: nobody earlier who is unsettled shares a key."""

    def __init__(self) -> None:
        self.open: dict[int, frozenset[str]] = {}

    def ready(self) -> list[int]:
        return [n for n, keys in self.open.items() if not any(m < n and other & keys for m, other in self.open.items())]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(steps, max_size=14))
def test_the_store_agrees_with_the_model_in_every_history(
    places: Callable[[], Place], history: list[tuple[str, object]]
) -> None:
    asyncio.run(follow(places(), history))


async def follow(place: Place, history: list[tuple[str, object]]) -> None:
    mint = IdMint(lambda: 1, os.urandom)
    model = Model()
    store = await place.open(lambda: 1)
    try:
        await store.log.accept([(submission(), NOTHING)], deciding(mint))
        await store.directory.add_endpoint(endpoint(mint), entry(mint))
        revision, _ = await store.directory.endpoints()
        holder, cursor = await held(store)
        for move, argument in history:
            newly: list[int] = []
            before = model.ready()
            match move:
                case "fan":
                    made = [delivery(mint, 1, 1, keys=keys) for keys in argument]
                    after = Cursor(position=cursor.position + 1)
                    fanned = await store.queue.fan(
                        holder, moves(store, cursor, after), made, directory_revision=revision
                    )
                    assert fanned is not None
                    cursor = after
                    for new, placed in zip(made, fanned, strict=True):
                        model.open[placed.number] = frozenset(new.keys)
                        assert (placed.blocked == 0) == (placed.number in model.ready())
                    before = model.ready()
                case "settle":
                    chosen = {before[i % len(before)]: ends for i, ends in argument if before}
                    outcome = [
                        settlement(mint, n, step=Step.SUCCEED if ends else Step.RETRY) for n, ends in chosen.items()
                    ]
                    ready = await store.queue.settle(holder, outcome)
                    assert ready is not None or not outcome
                    newly = [c.delivery.number for c in ready or ()]
                    for number, ends in chosen.items():
                        if ends:
                            del model.open[number]
                case "cancel":
                    waiting = list(model.open)
                    if waiting:
                        number = waiting[argument % len(waiting)]
                        newly = [
                            c.delivery.number
                            for c in (await store.queue.cancel(holder, [number], frozenset(), "x", 1))[1]
                        ]
                        del model.open[number]
                case _:
                    holder, cursor = await held(store)
            assert sorted(newly) == [n for n in model.ready() if n not in before]
            due = await store.queue.due(1, 0, 10, 1000)
            assert sorted(c.delivery.number for c in due.claims) == model.ready()
    finally:
        await close(store)
