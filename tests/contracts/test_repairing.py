"""What repairing asks of a store: the same page in few words, counts, what is dead by reason, and candidates of a replay of it."""

from __future__ import annotations

import msgspec
from tests.contracts.given import NOTHING, deciding, delivery, endpoint, entry, settlement, submission
from tests.kit.stores import Store, held, moves

from tocsin.model.delivery import DeliveryState, Step
from tocsin.model.ids import EndpointId, IdMint
from tocsin.model.replay import Only, Replay, ReplayState
from tocsin.ports import Cursor, DeadQuery, DeliveryQuery, StoredEndpoint

Told = tuple[EndpointId, int, int, list[tuple[str, int, int, int]]]
NAMED = b'{"name": "CRM", "url": "https://example.com/"}'


async def given_deliveries(store: Store, mint: IdMint) -> list[StoredEndpoint]:
    """Endpoint 1 has events 1 to 4: dead of `a`, dead of `b`, delivered, pending; endpoint 2 has 1 and 2, dead of `a`; endpoint 3
    is of another tenant, and has 5, dead of `a`. Deliveries are numbered in this order."""
    ends = [
        await store.directory.add_endpoint(endpoint(mint, tenant, config=NAMED), entry(mint))
        for tenant in ("acme", "acme", "globex")
    ]
    await store.log.accept([(submission("acme"), NOTHING)], deciding(mint, 4))
    await store.log.accept([(submission("globex"), NOTHING)], deciding(mint))
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    made = [
        *(delivery(mint, 1, position) for position in (1, 2, 3, 4)),
        *(delivery(mint, 2, position) for position in (1, 2)),
        delivery(mint, 3, 5, tenant="globex"),
    ]
    assert await store.queue.fan(holder, moves(store, cursor, Cursor(position=5)), made, directory_revision=revision)
    given_up = {1: (1, "a"), 2: (1, "b"), 5: (2, "a"), 6: (2, "a"), 7: (3, "a")}
    await store.queue.settle(
        holder,
        [
            settlement(mint, 3, at=9),
            *(
                settlement(mint, number, end, step=Step.GIVE_UP, reason=reason, at=10 + number)
                for number, (end, reason) in given_up.items()
            ),
        ],
    )
    return ends


async def test_a_page_in_few_words_and_how_many_there_are(store: Store, mint: IdMint) -> None:
    ends = await given_deliveries(store, mint)

    async def both(limit: int = 9, **fields: object) -> tuple[list[int], int, bool]:
        query = msgspec.convert({"tenant": None, "limit": limit} | fields, DeliveryQuery)
        found, count = await store.views.found(query), await store.views.count(query)
        views = await store.views.deliveries(query)
        assert [(v.number, v.endpoint, v.endpoint_id, v.tenant) for v in views] == list(found)
        return [number for number, *_ in found], count.count, count.complete

    assert await both() == ([7, 6, 5, 4, 3, 2, 1], 7, True)
    assert await both(limit=3) == ([7, 6, 5], 3, False)
    assert await both(limit=7) == ([7, 6, 5, 4, 3, 2, 1], 7, True)
    assert await both(tenant="acme", state=DeliveryState.DEAD) == ([6, 5, 2, 1], 4, True)
    assert await both(state=DeliveryState.DEAD, limit=1) == ([7], 5, True), "tallies say it, however many that is"
    assert await both(state=DeliveryState.PENDING) == ([4], 1, True)
    assert await both(state=DeliveryState.DELIVERED) == ([3], 1, True)
    assert await both(endpoint=ends[0].id, state=DeliveryState.DEAD) == ([2, 1], 2, True)
    assert await both(endpoint=ends[0].id, tenant="globex", state=DeliveryState.DEAD) == ([], 0, True)
    assert await both(endpoint="end_x", state=DeliveryState.PENDING) == ([], 0, True)
    assert await both(reason="a", tenant="acme") == ([6, 5, 1], 3, True)
    assert await both(reason="a", state=DeliveryState.DEAD, before=6) == ([5, 1], 2, True)
    assert await both(event_type="order.*", tenant="globex") == ([7], 1, True)


async def test_a_delivery_tells_its_last_attempt_and_its_endpoint(store: Store, mint: IdMint) -> None:
    ends = await given_deliveries(store, mint)
    views = {view.number: view for view in await store.views.deliveries(DeliveryQuery(tenant=None, limit=9))}
    last = views[2].last
    assert last is not None
    assert (last.started_at, last.outcome, last.error) == (12, "retry", None)
    assert views[4].last is None
    assert {view.endpoint_name for view in views.values()} == {"CRM"}
    assert {view.is_erased for view in views.values()} == {False}
    assert await store.views.delivery(views[2].id, "acme") == views[2]
    assert await store.directory.remove_endpoint(ends[0], entry(mint, action="endpoint.deleted"))
    after = {view.number: view for view in await store.views.deliveries(DeliveryQuery(tenant=None, limit=9))}
    assert {number: view.endpoint_name for number, view in after.items()} == {
        **dict.fromkeys((1, 2, 3, 4), None),
        **dict.fromkeys((5, 6, 7), "CRM"),
    }


async def test_what_is_dead_is_told_by_endpoint_and_reason(store: Store, mint: IdMint) -> None:
    ends = await given_deliveries(store, mint)

    async def dead(**fields: object) -> list[Told]:
        query = msgspec.convert({"tenant": None, "most": 9, "looked": 9} | fields, DeadQuery)
        return [
            (one.endpoint.id, one.dead, one.looked, [(r.reason, r.count, r.first_at, r.last_at) for r in one.reasons])
            for one in await store.views.dead(query)
        ]

    first = (ends[0].id, 2, 2, [("a", 1, 11, 11), ("b", 1, 12, 12)])
    second = (ends[1].id, 2, 2, [("a", 2, 15, 16)])
    third = (ends[2].id, 1, 1, [("a", 1, 17, 17)])
    assert await dead() == [first, second, third]
    assert await dead(tenant="acme") == [first, second]
    assert await dead(tenant="globex") == [third]
    assert await dead(most=1) == [first]
    assert await dead(endpoint=ends[1].id) == [second]
    assert await dead(endpoint=ends[1].id, tenant="globex") == []
    assert await dead(endpoint=EndpointId("end_x")) == []
    assert await dead(endpoint=ends[0].id, looked=1) == [(ends[0].id, 2, 1, [("b", 1, 12, 12)])]


async def test_a_replay_of_what_is_dead_takes_what_has_not_arrived_meanwhile(store: Store, mint: IdMint) -> None:
    ends = await given_deliveries(store, mint)

    async def candidates(only: Only, number: int, reason: str | None = None) -> list[int]:
        planned = Replay(
            number=0, id=mint.replay(), tenant="acme", endpoint=number, endpoint_id=ends[number - 1].id,
            state=ReplayState.RUNNING, reason=None, filters=(), only=only, dead_reason=reason, rate_per_second=None,
            new_webhook_ids=False, since=None, until=None, position=0, last=5, total=1, made=0, done=0, failed=0,
            created_at=1, finished_at=None,
        )  # fmt: skip
        stored = await store.replays.add(planned, entry(mint, action="replay.created"))
        assert await store.replays.replay(stored.id, "acme") == stored
        found = await store.replays.candidates(stored, 0, 9)
        assert found.end == 5
        return [event.position for event in found.events]

    assert await candidates("dead", 1) == [1, 2]
    assert await candidates("dead", 1, "b") == [2]
    assert await candidates("dead", 1, "c") == []
    assert await candidates("missing", 2) == [3, 4]
    assert await candidates("all", 2) == [1, 2, 3, 4]
    (original,) = [v for v in await store.views.deliveries(DeliveryQuery(tenant=None, limit=9)) if v.number == 1]
    again = delivery(mint, 1, 1)
    assert await store.queue.resend(original.number, again, lambda _: entry(mint, action="delivery.resent"))
    assert await candidates("dead", 1) == [2], "another delivery of the first is pending"


async def test_pages_of_what_a_replay_made(store: Store, mint: IdMint) -> None:
    ends = await given_deliveries(store, mint)
    planned = Replay(
        number=0, id=mint.replay(), tenant="acme", endpoint=2, endpoint_id=ends[1].id, state=ReplayState.RUNNING, reason=None,
        filters=(), only="all", rate_per_second=None, new_webhook_ids=False, since=None, until=None, position=0, last=4,
        total=4, made=0, done=0, failed=0, created_at=1, finished_at=None,
    )  # fmt: skip
    made = await store.replays.add(planned, entry(mint, action="replay.created"))
    again = [delivery(mint, 2, position, lane=made.number) for position in (1, 2, 3, 4)]
    assert await store.replays.move(made.number, 0, 4, again) is not None

    async def numbers(limit: int = 9, **fields: object) -> list[int]:
        query = msgspec.convert({"tenant": "acme", "replay": made.id, "limit": limit} | fields, DeliveryQuery)
        found, views = await store.views.found(query), await store.views.deliveries(query)
        assert [view.number for view in views] == [number for number, *_ in found]
        assert {view.replay_id for view in views} <= {made.id}
        return [view.number for view in views]

    assert await numbers() == [11, 10, 9, 8]
    assert await numbers(limit=2) == [11, 10]
    assert await numbers(limit=2, before=10) == [9, 8]
    assert await numbers(state=DeliveryState.PENDING, before=10) == [9, 8]
    assert await numbers(state=DeliveryState.DEAD) == []
    assert await numbers(endpoint=ends[0].id) == []
    assert await numbers(tenant="globex") == []
