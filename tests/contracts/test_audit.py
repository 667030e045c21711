"""The audit log: written with the change it tells of or not at all, and read by its tenant."""

from __future__ import annotations

import msgspec
import pytest
from tests.contracts.given import NOTHING, deciding, delivery, endpoint, entry, noting, settlement, submission
from tests.kit.stores import Store, held, moves

from tocsin.adapters.storing.ranks import DataRefusedError
from tocsin.model.access import ApiKey, Role
from tocsin.model.audit import Actor, AuditEntry
from tocsin.model.delivery import DeliveryState
from tocsin.model.ids import IdMint
from tocsin.ports import AuditQuery, Cursor, DeliveryQuery, Holder

ALL = AuditQuery(tenant=None, limit=99)
DELIVERIES = DeliveryQuery(tenant=None, limit=99)


async def entries(store: Store) -> list[AuditEntry]:
    return [found for _, found in await store.views.audit(ALL)]


def key(mint: IdMint, value: bytes = b"h" * 32) -> ApiKey:
    return ApiKey(id=mint.key(), name="k", role=Role.ADMIN, tenant="acme", hash=value, created_at=1)


async def one_delivery(store: Store, mint: IdMint) -> Holder:
    await store.directory.add_endpoint(endpoint(mint), entry(mint))
    await store.log.accept([(submission(), NOTHING)], deciding(mint))
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    made = [delivery(mint, 1, 1)]
    assert await store.queue.fan(holder, moves(store, cursor, Cursor(position=1)), made, directory_revision=revision)
    return holder


async def test_an_entry_comes_back_as_it_was_written(store: Store, mint: IdMint) -> None:
    actor = Actor(key_id="key_1", key_name="Ann", role=Role.ADMIN)
    whole = msgspec.structs.replace(entry(mint, at=7), actor=actor, before=b'{"a":1}', after=b'{"a":2}')
    bare = entry(mint, tenant=None)
    added = await store.directory.add_endpoint(endpoint(mint), whole)
    await store.directory.change_endpoint(added, bare, at_revision=1, to_head=False)
    assert await store.views.audit(ALL) == [(2, bare), (1, whole)]


async def test_every_change_writes_its_entry(store: Store, mint: IdMint) -> None:
    written = [entry(mint) for _ in range(5)]
    added = await store.directory.add_endpoint(endpoint(mint), written[0])
    changed = await store.directory.change_endpoint(added, written[1], at_revision=1, to_head=False)
    assert changed is not None
    assert await store.directory.remove_endpoint(changed, written[2])
    made = key(mint)
    assert await store.directory.add_key(made, written[3])
    assert await store.directory.remove_key(made.id, "acme", written[4])
    assert await entries(store) == written[::-1]


async def test_a_change_that_is_not_made_writes_none(store: Store, mint: IdMint) -> None:
    first = entry(mint)
    added = await store.directory.add_endpoint(endpoint(mint), first)
    assert await store.directory.change_endpoint(added, entry(mint), at_revision=9, to_head=False) is None
    stale = msgspec.structs.replace(added, revision=9)
    assert not await store.directory.remove_endpoint(stale, entry(mint))
    assert not await store.directory.remove_key(mint.key(), None, entry(mint))
    holder = await one_delivery(store, mint)
    before = await entries(store)
    assert await store.queue.resend(77, delivery(mint, 1, 1), noting(mint)) is None
    await store.queue.settle(holder, [settlement(mint, 1)])
    await store.queue.cancel(holder, [1], frozenset(), "by hand", 50, entry(mint))
    assert await entries(store) == before
    assert before[-1] == first
    assert await store.directory.endpoint(added.id, None) == added


@pytest.mark.parametrize("change", ["add", "change", "remove", "add key", "remove key", "cancel", "resend"])
async def test_a_change_whose_entry_cannot_be_written_is_not_made(store: Store, mint: IdMint, change: str) -> None:
    holder = await one_delivery(store, mint)
    stored = (await store.directory.endpoints())[1][0]
    kept = key(mint)
    await store.directory.add_key(kept, entry(mint))
    taken = (await entries(store))[0]
    refused = msgspec.structs.replace(entry(mint), id=taken.id)
    changes = {
        "add": lambda: store.directory.add_endpoint(endpoint(mint), refused),
        "change": lambda: store.directory.change_endpoint(stored, refused, at_revision=1, to_head=False),
        "remove": lambda: store.directory.remove_endpoint(stored, refused),
        "add key": lambda: store.directory.add_key(key(mint, b"i" * 32), refused),
        "remove key": lambda: store.directory.remove_key(kept.id, None, refused),
        "cancel": lambda: store.queue.cancel(holder, [1], frozenset(), "x", 1, refused),
        "resend": lambda: store.queue.resend(1, delivery(mint, 1, 1), lambda _: refused),
    }
    was = await entries(store)
    with pytest.raises(DataRefusedError):
        await changes[change]()
    assert await entries(store) == was
    assert (await store.directory.endpoints())[1] == [stored]
    assert await store.directory.keys() == [kept]
    assert [view.state for view in await store.views.deliveries(DELIVERIES)] == [DeliveryState.PENDING]


async def test_giving_up_and_sending_again_by_hand_is_written(store: Store, mint: IdMint) -> None:
    holder = await one_delivery(store, mint)
    by_hand = entry(mint, action="delivery.cancelled", at=60)
    await store.queue.resend(1, delivery(mint, 1, 1), noting(mint))
    await store.queue.cancel(holder, [1], frozenset(), "by hand", 60, by_hand)
    await store.queue.cancel(holder, [2], frozenset(), "by the server", 60)
    told = await entries(store)
    assert told[0] == by_hand
    assert (told[1].action, told[1].target) == ("delivery.resent", "2")
    assert [view.state for view in await store.views.deliveries(DELIVERIES)] == [DeliveryState.CANCELLED] * 2


async def test_pages_by_everything_that_can_be_asked(store: Store, mint: IdMint) -> None:
    ann, bob = (Actor(key_id=f"key_{n}", key_name=n, role=Role.ADMIN) for n in ("ann", "bob"))
    rows = (
        ("acme", ann, "endpoint.created", "end_1", 10),
        ("acme", bob, "endpoint.changed", "end_1", 20),
        ("globex", ann, "endpoint.changed", "end_2", 30),
        (None, bob, "api_key.created", "key_9", 40),
        ("acme", ann, "endpoint.changed", "end_3", 50),
    )
    for tenant, actor, action, target, at in rows:
        told = entry(mint, target, action=action, tenant=tenant, at=at)  # type: ignore[arg-type]  # the literals above
        await store.directory.add_endpoint(endpoint(mint), msgspec.structs.replace(told, actor=actor))

    async def numbers(**fields: object) -> list[int]:
        query = msgspec.convert({"tenant": None, "limit": 9} | fields, AuditQuery)
        return [number for number, _ in await store.views.audit(query)]

    assert await numbers() == [5, 4, 3, 2, 1]
    assert await numbers(tenant="acme") == [5, 2, 1]
    assert await numbers(tenant="nobody") == []
    assert await numbers(limit=2) == [5, 4]
    assert await numbers(before=3) == [2, 1]
    assert await numbers(target="end_1") == [2, 1]
    assert await numbers(target="end_1", tenant="globex") == []
    assert await numbers(actor="key_ann") == [5, 3, 1]
    assert await numbers(actor="key_ann", tenant="globex") == [3]
    assert await numbers(actor="key_ann", target="end_1") == [1]
    assert await numbers(action="endpoint.changed") == [5, 3, 2]
    assert await numbers(action="endpoint.changed", tenant="acme", since=20, until=50) == [2]
    assert await numbers(since=20, until=40) == [3, 2]


async def test_the_value_of_a_revoked_key_cannot_be_made_a_key_again(store: Store, mint: IdMint) -> None:
    first = key(mint)
    assert await store.directory.add_key(first, entry(mint))
    assert not await store.directory.add_key(key(mint), entry(mint))
    assert await store.directory.remove_key(first.id, None, entry(mint))
    assert not await store.directory.remove_key(first.id, None, entry(mint))
    assert not await store.directory.add_key(key(mint), entry(mint))
    assert await store.directory.keys() == []
    assert len(await entries(store)) == 2
