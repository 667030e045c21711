"""Endpoints, keys, standing, answers and the pages people read: each seen by its tenant only."""

from __future__ import annotations

import msgspec
from tests.contracts.given import (
    NOTHING,
    Clock,
    deciding,
    delivery,
    endpoint,
    entry,
    noting,
    settlement,
    submission,
)
from tests.contracts.test_tallies import replay
from tests.kit.stores import Store, held, moves

from tocsin.model.access import ApiKey, Role
from tocsin.model.delivery import DeliveryState, Step
from tocsin.model.endpoint import Standing
from tocsin.model.ids import EndpointId, IdMint, KeyId
from tocsin.model.submission import StoredAnswer
from tocsin.ports import Cursor, DeliveryQuery, EndpointQuery, EventQuery, KeyQuery, StatsQuery


async def test_an_endpoint_is_active_from_the_head_of_the_log(store: Store, mint: IdMint) -> None:
    await store.log.accept([(submission(), NOTHING)], deciding(mint, 3))
    added = await store.directory.add_endpoint(endpoint(mint, config=b"one"), entry(mint))
    assert (added.number, added.active_from, added.revision) == (1, 3, 1)
    await store.log.accept([(submission(), NOTHING)], deciding(mint, 2))
    changed = await store.directory.change_endpoint(
        msgspec.structs.replace(added, config=b"two"), entry(mint), at_revision=1, to_head=False
    )
    assert changed is not None
    assert (changed.revision, changed.active_from, changed.config) == (2, 3, b"two")
    enabled = await store.directory.change_endpoint(changed, entry(mint), at_revision=2, to_head=True)
    assert enabled is not None
    assert enabled.active_from == 5
    assert await store.directory.endpoint(added.id, None) == enabled


async def test_of_two_changes_at_the_same_revision_one_wins(store: Store, mint: IdMint) -> None:
    added = await store.directory.add_endpoint(endpoint(mint), entry(mint))
    assert await store.directory.change_endpoint(added, entry(mint), at_revision=1, to_head=False) is not None
    assert await store.directory.change_endpoint(added, entry(mint), at_revision=1, to_head=False) is None


async def test_the_directory_moves_with_every_change(store: Store, mint: IdMint) -> None:
    revisions = [(await store.directory.endpoints())[0]]
    added = await store.directory.add_endpoint(endpoint(mint), entry(mint))
    revisions.append((await store.directory.endpoints())[0])
    changed = await store.directory.change_endpoint(added, entry(mint), at_revision=1, to_head=False)
    assert changed is not None
    revisions.append((await store.directory.endpoints())[0])
    await store.directory.remove_endpoint(changed, entry(mint, at=1))
    revisions.append((await store.directory.endpoints())[0])
    assert revisions == sorted(set(revisions))
    assert (await store.directory.endpoints())[1] == []


async def test_what_changed_since_a_revision_is_told_deleted_ones_marked(store: Store, mint: IdMint) -> None:
    ends = [await store.directory.add_endpoint(endpoint(mint), entry(mint)) for _ in range(3)]
    seen, everything = await store.directory.endpoints()
    assert everything == ends
    assert await store.directory.endpoints(seen) == (seen, [])
    changed = await store.directory.change_endpoint(ends[1], entry(mint), at_revision=1, to_head=False)
    await store.directory.remove_endpoint(ends[2], entry(mint, at=1))
    now, told = await store.directory.endpoints(seen)
    assert now == seen + 2
    assert [(e.number, e.revision, e.is_deleted) for e in told] == [(2, 2, False), (3, 2, True)]
    assert changed in told
    assert [e.number for e in (await store.directory.endpoints())[1]] == [1, 2]


async def test_an_endpoint_is_found_by_its_tenant_and_by_the_operator_only(store: Store, mint: IdMint) -> None:
    mine = await store.directory.add_endpoint(endpoint(mint, "acme"), entry(mint))
    await store.directory.add_endpoint(endpoint(mint, "globex"), entry(mint))
    assert await store.directory.endpoint(mine.id, "acme") == mine
    assert await store.directory.endpoint(mine.id, None) == mine
    assert await store.directory.endpoint(mine.id, "globex") is None
    assert await store.directory.endpoint(EndpointId("end_x"), None) is None
    assert [e.id for e in await store.views.endpoints(EndpointQuery(tenant="acme", limit=9))] == [mine.id]
    page = await store.views.endpoints(EndpointQuery(tenant=None, limit=1))
    assert [e.number for e in page] == [2]
    assert [e.number for e in await store.views.endpoints(EndpointQuery(tenant=None, limit=9, before=2))] == [1]


async def test_keys_are_kept_by_hash_and_revoked_by_their_tenant(store: Store, mint: IdMint) -> None:
    key = ApiKey(id=mint.key(), name="k", role=Role.ADMIN, tenant="acme", hash=b"h" * 32, created_at=1, expires_at=99)
    await store.directory.add_key(key, entry(mint))
    assert await store.directory.keys() == [key]
    await store.directory.touch_keys([(key.id, 50)])
    assert (await store.directory.keys())[0].last_used_at == 50
    assert await store.views.keys(KeyQuery(tenant="globex", limit=9)) == []
    assert await store.directory.remove_key(key.id, "globex", entry(mint)) is False
    assert await store.directory.remove_key(KeyId("key_x"), None, entry(mint)) is False
    assert await store.directory.remove_key(key.id, "acme", entry(mint)) is True
    assert await store.directory.keys() == []


async def test_the_last_operator_key_that_is_valid_stays(store: Store, mint: IdMint) -> None:
    def operators(name: str, expires_at: int | None = None) -> ApiKey:
        value = name.encode().ljust(32)
        return ApiKey(
            id=mint.key(), name=name, role=Role.OPERATOR, tenant=None, hash=value, created_at=1, expires_at=expires_at
        )

    admins = ApiKey(id=mint.key(), name="k", role=Role.ADMIN, tenant="acme", hash=b"h" * 32, created_at=1)
    one, two, short = operators("one"), operators("two"), operators("short", 50)
    for key in (one, two, short, admins):
        await store.directory.add_key(key, entry(mint))
    assert await store.directory.remove_key(one.id, None, entry(mint, at=49)) is True
    assert await store.directory.remove_key(two.id, None, entry(mint, at=50)) is False
    assert await store.directory.remove_key(short.id, None, entry(mint, at=50)) is True
    assert await store.directory.remove_key(two.id, None, entry(mint, at=50)) is False
    assert await store.directory.remove_key(admins.id, None, entry(mint, at=50)) is True
    await store.directory.add_key(operators("three"), entry(mint))
    assert await store.directory.remove_key(two.id, None, entry(mint, at=50)) is True
    assert [key.name for key in await store.directory.keys()] == ["three"]


async def test_a_standing_is_replaced_and_goes_with_its_endpoint(store: Store, mint: IdMint) -> None:
    added = await store.directory.add_endpoint(endpoint(mint), entry(mint))
    holder, _ = await held(store)
    await store.directory.save(holder, Standing(endpoint=1, failures=1))
    paused = Standing(endpoint=1, paused_until=77, failing_since=5, failures=2, reason="503", stopped="gone")
    await store.directory.save(holder, paused)
    assert await store.directory.load() == [paused]
    await store.directory.remove_endpoint(added, entry(mint, at=1))
    assert await store.directory.load() == []


async def test_an_answer_is_kept_for_a_day(store: Store, clock: Clock) -> None:
    answer = StoredAnswer(body_hash=b"h", status=201, body=b"{}")
    await store.answers.keep("acme", "POST /v1/endpoints", "k", answer, clock())
    found = [await store.answers.find(t, "POST /v1/endpoints", "k", clock()) for t in ("acme", "globex")]
    assert found == [answer, None]
    assert await store.answers.find("acme", "POST /v1/other", "k", clock()) is None
    day = 24 * 3600 * 1000
    assert await store.answers.find("acme", "POST /v1/endpoints", "k", clock() + day - 1) == answer
    assert await store.answers.find("acme", "POST /v1/endpoints", "k", clock() + day) is None


async def test_pages_of_events_by_range_subject_and_tenant(store: Store, mint: IdMint, clock: Clock) -> None:
    begin = clock.now
    for n, tenant in enumerate(("acme", "acme", "globex", "acme")):
        clock.now = begin + n * 10
        await store.log.accept([(submission(tenant), NOTHING)], deciding(mint, subject=f"s{n % 2}"))

    async def positions(**fields: object) -> list[int]:
        query = msgspec.convert({"tenant": None, "limit": 9} | fields, EventQuery)
        return [event.position for event in await store.views.events(query)]

    assert await positions() == [4, 3, 2, 1]
    assert await positions(tenant="acme") == [4, 2, 1]
    assert await positions(limit=2) == [4, 3]
    assert await positions(before=3) == [2, 1]
    assert await positions(since=begin + 10, until=begin + 30) == [3, 2]
    assert await positions(since=begin + 31) == []
    assert await positions(subject_type="order", subject_id="s1") == [4, 2]
    assert await positions(subject_type="order", subject_id="s0", tenant="acme") == [1]
    assert await positions(type="order.created", tenant="globex") == [3]
    assert await positions(type="other") == []
    newest = (await store.views.events(EventQuery(tenant=None, limit=1)))[0]
    assert await store.views.event(newest.id, "acme") == newest
    assert await store.views.event(newest.id, "globex") is None


async def test_nothing_is_made_for_an_endpoint_that_was_just_removed(store: Store, mint: IdMint) -> None:
    """Whoever looked before it was: a replay, a resend, and what is known of how it stood."""
    stored = await store.directory.add_endpoint(endpoint(mint), entry(mint))
    await store.log.accept([(submission(), NOTHING)], deciding(mint))
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    await store.queue.fan(
        holder, moves(store, cursor, Cursor(position=1)), [delivery(mint, 1, 1)], directory_revision=revision
    )
    begun = await store.replays.add(replay(mint, 1, 1), entry(mint))
    assert await store.directory.remove_endpoint(stored, entry(mint))
    assert await store.replays.move(begun.number, 0, 1, [delivery(mint, 1, 1, lane=begun.number)]) is None
    assert await store.queue.resend(1, delivery(mint, 1, 1), noting(mint)) is None
    await store.directory.save(holder, Standing(endpoint=1, paused_until=9))
    assert await store.directory.load() == []
    stats = await store.views.stats(StatsQuery(tenant="acme"))
    assert stats.now.pending == 0


async def test_pages_of_deliveries_by_everything_that_can_be_asked(store: Store, mint: IdMint, clock: Clock) -> None:
    begin = clock.now
    ends = [
        await store.directory.add_endpoint(endpoint(mint, tenant), entry(mint)) for tenant in ("acme", "acme", "globex")
    ]
    await store.log.accept([(submission("acme"), NOTHING)], deciding(mint))
    clock.now += 10
    await store.log.accept([(submission("globex"), NOTHING)], deciding(mint))
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    made = [delivery(mint, 1, 1), delivery(mint, 2, 1), delivery(mint, 3, 2, tenant="globex"), delivery(mint, 1, 1)]
    assert await store.queue.fan(holder, moves(store, cursor, Cursor(position=2)), made, directory_revision=revision)
    await store.queue.settle(holder, [settlement(mint, 1), settlement(mint, 2, 2, step=Step.GIVE_UP, reason="x")])

    async def numbers(**fields: object) -> list[int]:
        query = msgspec.convert({"tenant": None, "limit": 9} | fields, DeliveryQuery)
        return [view.number for view in await store.views.deliveries(query)]

    events = {event.position: event.id for event in await store.log.read(0, 9)}
    assert await numbers() == [4, 3, 2, 1]
    assert await numbers(tenant="acme") == [4, 2, 1]
    assert await numbers(tenant="globex") == [3]
    assert await numbers(endpoint=ends[0].id) == [4, 1]
    assert await numbers(endpoint=ends[0].id, tenant="globex") == []
    assert await numbers(event=events[1], before=4) == [2, 1]
    assert await numbers(state=DeliveryState.PENDING) == [4, 3]
    assert await numbers(state=DeliveryState.DEAD, tenant="acme") == [2]
    assert await numbers(state=DeliveryState.DELIVERED) == [1]
    assert await numbers(state=DeliveryState.CANCELLED) == []
    assert await numbers(since=begin + 10) == [3]
    assert await numbers(until=begin + 10, limit=1) == [4]
    assert await numbers(event_type="order.created", endpoint=ends[1].id) == [2]
    assert await numbers(subject_type="job", subject_id="s") == []
    assert await numbers(event_type="order.*") == [4, 3, 2, 1]
    assert await numbers(event_type="o?der.[c]reated") == []
    assert await numbers(event_type="order_created*") == []
    assert await numbers(event_type="order%*") == []
    assert await numbers(event_type="o?der.created") == [4, 3, 2, 1]
    assert await numbers(reason="x", tenant="acme") == [2]
    assert await numbers(reason="y", state=DeliveryState.DEAD) == []
    subject = (await store.log.read(0, 1))[0]
    mine_too = {"subject_type": subject.subject_type, "subject_id": subject.subject_id}
    assert await numbers(**mine_too, tenant="acme") == await numbers(tenant="acme")
    assert await numbers(**mine_too, tenant="acme", before=4, state=DeliveryState.DEAD) == [2]
    mine = (await store.views.deliveries(DeliveryQuery(tenant="acme", limit=1)))[0]
    assert await store.views.delivery(mine.id, "acme") == mine
    assert await store.views.delivery(mine.id, "globex") is None
    stats = await store.views.stats(StatsQuery(tenant="acme"))
    assert (stats.now.pending, stats.now.dead, stats.head) == (1, 1, 1)
    assert (await store.views.stats(StatsQuery(tenant=None))).now.pending == 2
