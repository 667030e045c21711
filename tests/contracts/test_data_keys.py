"""Data keys in the store: kept in order, added to and wrapped anew in one transaction with their audit entry."""

from __future__ import annotations

import msgspec
import pytest
from tests.contracts.given import Clock
from tests.kit.stores import Store

from tocsin.adapters.storing.ranks import DataRefusedError
from tocsin.model.audit import SERVER, AuditEntry
from tocsin.model.ids import IdMint
from tocsin.ports import AuditQuery, WrappedKey

ALL = AuditQuery(tenant=None, limit=10)


def key(number: int, *, by: str = "old", at: int = 5) -> WrappedKey:
    return WrappedKey(id=number, master_key=by, wrapped=f"{number} by {by}".encode(), created_at=at)


def entry(mint: IdMint, clock: Clock) -> AuditEntry:
    return AuditEntry(
        id=mint.audit(), at=clock.now, tenant=None, actor=SERVER, action="master_key.rewrapped", target="new"
    )


async def test_there_is_none_at_first_and_the_oldest_comes_first(store: Store) -> None:
    assert await store.data_keys.load() == []
    await store.data_keys.save([key(2), key(1)], None, over=[])
    assert await store.data_keys.load() == [key(1), key(2)]
    assert await store.views.audit(ALL) == []


async def test_a_key_wrapped_anew_keeps_when_it_was_made(store: Store, mint: IdMint, clock: Clock) -> None:
    await store.data_keys.save([key(1)], None, over=[])
    noted = entry(mint, clock)
    assert await store.data_keys.save([key(1, by="new", at=9), key(2, by="new", at=9)], noted, over=[key(1)])
    assert await store.data_keys.load() == [key(1, by="new", at=5), key(2, by="new", at=9)]
    assert [told for _, told in await store.views.audit(ALL)] == [noted]


async def test_keys_and_entry_are_written_together_or_not_at_all(store: Store, mint: IdMint, clock: Clock) -> None:
    noted = entry(mint, clock)
    await store.data_keys.save([key(1)], noted, over=[])
    again = msgspec.structs.replace(noted, target="again")  # an id that is there already: the last statement fails
    with pytest.raises(DataRefusedError):
        await store.data_keys.save([key(1, by="new"), key(2, by="new")], again, over=[key(1)])
    assert await store.data_keys.load() == [key(1)]
    assert [told for _, told in await store.views.audit(ALL)] == [noted]


async def test_who_saw_other_keys_writes_nothing(store: Store, mint: IdMint, clock: Clock) -> None:
    """Two servers that start at once must not both make the first one."""
    assert await store.data_keys.save([key(1)], None, over=[])
    assert not await store.data_keys.save([key(1, by="another")], entry(mint, clock), over=[])
    assert not await store.data_keys.save([key(2)], entry(mint, clock), over=[key(1, at=6)])
    assert await store.data_keys.load() == [key(1)]
    assert await store.views.audit(ALL) == []
