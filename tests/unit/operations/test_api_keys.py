"""API keys by the millisecond, on the real store: valid, expired, revoked, and never all of the operators' gone."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from tests.contracts.given import Clock

from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.errors import Conflict, Misconfigured, NotFound, StoreUnavailable
from tocsin.model.access import Caller, Role
from tocsin.model.audit import SERVER, Actor
from tocsin.model.ids import IdMint
from tocsin.operations.api_keys import ApiKeys, NewKey
from tocsin.ports import AuditQuery

ANN = Actor(key_id="key_ann", key_name="Ann", role=Role.OPERATOR)
GIVEN = "the-operator-key-given"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "keys.db", clock, time.monotonic)
    yield opened
    await asyncio.to_thread(opened.close)


@pytest.fixture
async def keys(store: SqliteStore, clock: Clock) -> ApiKeys:
    return await loaded(store, clock)


async def loaded(store: SqliteStore, clock: Clock) -> ApiKeys:
    keys = ApiKeys(store.directory, mint=IdMint(clock, os.urandom), now_ms=clock, entropy=os.urandom)
    await keys.follow()
    return keys


async def made(keys: ApiKeys, role: Role = Role.ADMIN, expires_at: int | None = None) -> NewKey:
    tenant = None if role is Role.OPERATOR else "acme"
    return await keys.create(name="n", role=role, tenant=tenant, expires_at=expires_at, by=ANN)


def caller_with(keys: ApiKeys, value: bytes) -> Caller | None:
    return keys.caller_by_hash(sha256(value).digest())


def lets_in(keys: ApiKeys, key: NewKey) -> bool:
    return caller_with(keys, key.value.encode()) is not None


async def test_a_key_ends_at_its_millisecond(store: SqliteStore, keys: ApiKeys, clock: Clock) -> None:
    key = await made(keys, expires_at=clock.now + 1000)
    again = await loaded(store, clock)
    clock.now += 999
    assert lets_in(keys, key)
    assert lets_in(again, key)
    clock.now += 1
    assert not lets_in(keys, key)
    assert not lets_in(again, key)


async def test_a_key_is_revoked_before_that_is_stored(keys: ApiKeys) -> None:
    key = await made(keys)
    revoking = asyncio.create_task(keys.revoke(key.key.id, "acme", by=ANN))
    await asyncio.sleep(0)
    assert not revoking.done()
    assert not lets_in(keys, key)
    await revoking
    assert not lets_in(keys, key)


async def test_a_revocation_that_is_not_stored_is_none(store: SqliteStore, keys: ApiKeys) -> None:
    key = await made(keys)
    await asyncio.to_thread(store.close)
    with pytest.raises(StoreUnavailable):
        await keys.revoke(key.key.id, "acme", by=ANN)
    assert lets_in(keys, key)


async def test_only_who_owns_a_key_revokes_it(keys: ApiKeys) -> None:
    key, operator = await made(keys), await made(keys, Role.OPERATOR)
    for key_id, tenant in ((key.key.id, "globex"), (operator.key.id, "acme"), ("key_none", None)):
        with pytest.raises(NotFound):
            await keys.revoke(key_id, tenant, by=ANN)
    assert lets_in(keys, key)
    assert lets_in(keys, operator)


async def test_the_last_operator_key_that_is_valid_stays(keys: ApiKeys, clock: Clock) -> None:
    first, second = await made(keys, Role.OPERATOR), await made(keys, Role.OPERATOR, clock.now + 1000)
    both = [keys.revoke(key.key.id, None, by=ANN) for key in (first, second)]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), Conflict]
    assert not lets_in(keys, first)
    assert lets_in(keys, second)


async def test_an_expired_operator_key_does_not_count_and_can_go(keys: ApiKeys, clock: Clock) -> None:
    first, second = await made(keys, Role.OPERATOR), await made(keys, Role.OPERATOR, clock.now + 1000)
    clock.now += 1000
    with pytest.raises(Conflict):
        await keys.revoke(first.key.id, None, by=ANN)
    await keys.revoke(second.key.id, None, by=ANN)
    assert lets_in(keys, first)


async def test_who_made_and_who_ended_a_key_is_written(store: SqliteStore, keys: ApiKeys, clock: Clock) -> None:
    generated = await keys.bootstrap(None)
    assert generated is not None
    key = await made(keys)
    clock.now += 5
    assert lets_in(keys, key)
    await keys.flush()
    await keys.revoke(key.key.id, "acme", by=ANN)
    told = [entry for _, entry in await store.views.audit(AuditQuery(tenant=None, limit=9))]
    assert [(e.action, e.tenant, e.actor, e.at) for e in told] == [
        ("api_key.revoked", "acme", ANN, clock.now),
        ("api_key.created", "acme", ANN, clock.now - 5),
        ("api_key.created", None, SERVER, clock.now - 5),
    ]
    gone = msgspec.json.decode(told[0].before or b"")
    assert (told[0].target, told[0].after, gone["id"]) == (key.key.id, None, key.key.id)
    assert (gone["last_used_at"], gone["name"], gone["role"]) == ("2027-01-15T08:00:00.005Z", "n", "admin")
    assert (told[1].before, told[2].before) == (None, None)
    assert msgspec.json.decode(told[1].after or b"")["tenant"] == "acme"
    assert not any(key.value in str(entry) or generated in str(entry) for entry in told)


async def test_when_a_key_was_last_used_is_kept_also_after_a_failure(store: SqliteStore, clock: Clock) -> None:
    keys = await loaded(store, clock)
    key = await made(keys)
    clock.now += 7
    assert lets_in(keys, key)
    await keys.flush()
    clock.now += 1
    await keys.flush()
    assert [kept.last_used_at for kept in await store.directory.keys()] == [clock.now - 1]
    assert lets_in(keys, key)
    await asyncio.to_thread(store.close)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await keys.flush()


async def test_bootstrap_makes_a_key_when_no_operator_can_get_in(
    store: SqliteStore, keys: ApiKeys, clock: Clock
) -> None:
    assert await keys.bootstrap(GIVEN) is None
    assert caller_with(keys, GIVEN.encode()) is not None
    assert await keys.bootstrap(None) is None
    assert await keys.bootstrap("another-key-that-is-given") is None
    assert caller_with(keys, b"another-key-that-is-given") is None
    await made(keys)
    short = await made(keys, Role.OPERATOR, clock.now + 1000)
    given = caller_with(keys, GIVEN.encode())
    assert given is not None
    await keys.revoke(given.key_id, None, by=ANN)
    assert lets_in(keys, short)
    clock.now += 1000
    restarted = await loaded(store, clock)
    generated = await restarted.bootstrap(None)
    assert generated is not None
    caller = caller_with(restarted, generated.encode())
    assert caller is not None
    assert caller.role is Role.OPERATOR


async def test_bootstrap_does_not_bring_a_revoked_key_back(store: SqliteStore, keys: ApiKeys, clock: Clock) -> None:
    await keys.bootstrap(GIVEN)
    given = caller_with(keys, GIVEN.encode())
    assert given is not None
    await made(keys, Role.OPERATOR, clock.now + 1000)
    await keys.revoke(given.key_id, None, by=ANN)
    clock.now += 1000
    restarted = await loaded(store, clock)
    with pytest.raises(Misconfigured, match="revoked or has expired"):
        await restarted.bootstrap(GIVEN)
    assert caller_with(restarted, GIVEN.encode()) is None


@pytest.mark.parametrize("given", ["short", "with spaces in between", "caf\u00e9-caf\u00e9-caf\u00e9-caf\u00e9"])
async def test_a_given_key_that_cannot_be_one(keys: ApiKeys, given: str) -> None:
    with pytest.raises(Misconfigured):
        await keys.bootstrap(given)
