"""What only a shared store has: standings that others wrote, wishes for a holder, attempts that others settled, keys that they revoke."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from tests.contracts.given import NOTHING, Clock, deciding, delivery, endpoint, entry, settlement, submission
from tests.kit.postgres import PostgresServer
from tests.kit.stores import held, moves

from tocsin.adapters.postgres.database import connect, hang_up, prepare_database
from tocsin.adapters.postgres.store import PostgresStore
from tocsin.errors import Conflict, NotFound, StoreUnavailable
from tocsin.model.access import Role
from tocsin.model.audit import SERVER
from tocsin.model.consent import Consent
from tocsin.model.delivery import DeliveryState, Step
from tocsin.model.endpoint import Standing
from tocsin.model.ids import IdMint, KeyId
from tocsin.operations.api_keys import ApiKeys
from tocsin.ports import AuditQuery, Cursor, Wish

CONSENT = Consent(url="https://a.example/", origin="tocsin", state="granted", is_required=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mint(clock: Clock) -> IdMint:
    return IdMint(clock, os.urandom)


@pytest.fixture
async def store(postgres_server: PostgresServer, clock: Clock) -> AsyncIterator[PostgresStore]:
    opened = await PostgresStore.open(postgres_server.fresh("store", prepare_database), clock, lambda: 0.0)
    yield opened
    await opened.close()


async def test_only_standings_that_moved_since_are_read(store: PostgresStore) -> None:
    nothing = await store.standings.since(0)
    assert (nothing.standings, nothing.wishes) == ((), ())
    one, two = Standing(endpoint=1, failures=1), Standing(endpoint=2, failures=2)
    holder = await store.holding.join("one")
    await store.directory.save(holder, one)
    await store.directory.save(holder, two)
    both = await store.standings.since(nothing.revision)
    assert sorted(both.standings, key=lambda standing: standing.endpoint) == [one, two]
    assert (await store.standings.since(both.revision)).standings == ()
    again = Standing(endpoint=1, failures=3)
    await store.directory.save(holder, again)
    moved = await store.standings.since(both.revision)
    assert moved.standings == (again,)
    assert moved.revision > both.revision
    assert len((await store.standings.since(0)).standings) == 2


async def test_a_wish_is_there_until_it_is_fulfilled_and_the_newest_of_its_kind_counts(
    store: PostgresStore, mint: IdMint
) -> None:
    number = (await store.directory.add_endpoint(endpoint(mint), entry(mint))).number
    before = (await store.standings.since(0)).revision
    noted = entry(mint, action="endpoint.resumed")
    await store.standings.wish(Wish(endpoint=number), noted)
    assert noted in [told for _, told in await store.views.audit(AuditQuery(tenant=None, limit=10))]
    await store.standings.wish(Wish(endpoint=number, consent=CONSENT))
    found = await store.standings.since(before)
    assert found.revision > before
    assert [wish for _, wish in found.wishes] == [Wish(endpoint=number), Wish(endpoint=number, consent=CONSENT)]
    assert (await store.standings.since(found.revision)).wishes == found.wishes
    await store.standings.wish(Wish(endpoint=number))
    await store.standings.fulfil([name for name, _ in found.wishes])
    assert [wish for _, wish in (await store.standings.since(0)).wishes] == [Wish(endpoint=number)]


async def test_of_an_endpoint_that_is_gone_nothing_is_wished(store: PostgresStore, mint: IdMint) -> None:
    added = await store.directory.add_endpoint(endpoint(mint), entry(mint))
    await store.standings.wish(Wish(endpoint=added.number))
    await store.directory.remove_endpoint(added, entry(mint, at=2))
    await store.standings.wish(Wish(endpoint=added.number))
    assert (await store.standings.since(0)).wishes == ()


async def test_attempts_are_found_by_name_with_their_events(store: PostgresStore, mint: IdMint) -> None:
    await store.log.accept([(submission(), NOTHING)], deciding(mint, 2))
    added = await store.directory.add_endpoint(endpoint(mint), entry(mint))
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    fanned = await store.queue.fan(
        holder,
        moves(store, cursor, Cursor(position=2)),
        [delivery(mint, added.number, 1), delivery(mint, added.number, 2)],
        directory_revision=revision,
    )
    assert fanned is not None
    first, second = (one.number for one in fanned)
    retried = settlement(mint, first, added.number, step=Step.RETRY, attempt=1, due_at=5)
    succeeded = settlement(mint, first, added.number, attempt=2)
    given_up = settlement(mint, second, added.number, step=Step.GIVE_UP, attempt=1, body=b"other")
    for one in (retried, succeeded, given_up):
        await store.queue.settle(holder, [one])
    made = await store.watched.made([(second, 1), (first, 2), (first, 1), (first, 3), (-7, 1)])
    assert [(one.attempt, one.state) for one in made] == [
        (retried.attempt, DeliveryState.PENDING),
        (succeeded.attempt, DeliveryState.DELIVERED),
        (given_up.attempt, DeliveryState.DEAD),
    ]
    assert {(one.tenant, one.endpoint_id, one.batch_id) for one in made} == {("acme", added.id, None)}
    assert [one.claims[0].event.position for one in made] == [1, 1, 2]
    assert await store.watched.made([]) == []


async def test_of_two_servers_that_revoke_the_last_two_operator_keys_at_once_one_is_refused(
    postgres_server: PostgresServer, clock: Clock, mint: IdMint
) -> None:
    url = postgres_server.fresh("store", prepare_database)
    stores = [await PostgresStore.open(url, clock, lambda: 0.0) for _ in range(2)]
    here, there = (ApiKeys(one.directory, mint=mint, now_ms=clock, entropy=os.urandom) for one in stores)
    first = await here.create(name="first", role=Role.OPERATOR, tenant=None, by=SERVER)
    for _ in range(10):
        second = await here.create(name="second", role=Role.OPERATOR, tenant=None, by=SERVER)
        await there.follow()
        said = await asyncio.gather(
            here.revoke(first.key.id, None, by=SERVER),
            there.revoke(second.key.id, None, by=SERVER),
            return_exceptions=True,
        )
        assert sorted(map(type, said), key=repr) == sorted([type(None), Conflict], key=repr)
        left = first if isinstance(said[0], Conflict) else second
        for keys in (here, there):
            await keys.follow()
            assert keys.opens(left.key.id)
        first = left
    with pytest.raises(NotFound):
        await there.revoke(KeyId("key_x"), None, by=SERVER)
    for one in stores:
        await one.close()


async def test_a_key_is_at_work_at_one_server_at_a_time_and_ends_with_its_connection(
    postgres_server: PostgresServer, clock: Clock
) -> None:
    url = postgres_server.fresh("store", prepare_database)
    here, there = [await PostgresStore.open(url, clock, lambda: 0.0) for _ in range(2)]
    name = ("acme", "POST /v1/endpoints", "k")
    async with here.answers.at_work(*name) as is_ours, here.answers.at_work("acme", name[1], "other") as other_is:
        assert is_ours
        assert other_is
        async with there.answers.at_work(*name) as is_theirs:
            assert not is_theirs
        async with there.answers.at_work("globex", *name[1:]) as is_theirs:
            assert is_theirs
    async with there.answers.at_work(*name) as is_theirs, here.answers.at_work(*name) as is_ours:
        assert is_theirs
        assert not is_ours
    async with here.answers.at_work(*name) as is_ours:
        assert is_ours
        ended = (
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND pid = $1"
        )
        keys = here.answers._keys
        assert keys._connection is not None
        mine = keys._connection.get_server_pid()
        asking = await connect(url, seconds=5)
        assert await asking.fetch(ended, mine)
        await until_taken(there, name)
        await hang_up(asking)
    waiting = asyncio.ensure_future(there.answers.at_work(*name).__aenter__())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with here.answers.at_work(*name) as is_ours:
        assert is_ours
    for one in (here, there):
        await one.close()
    with pytest.raises(StoreUnavailable):
        await here.answers.at_work(*name).__aenter__()


async def until_taken(store: PostgresStore, name: tuple[str, str, str]) -> None:
    """Wait until the server has noticed that a session ended."""
    async with asyncio.timeout(30):
        while True:
            async with store.answers.at_work(*name) as is_ours:
                if is_ours:
                    return


async def test_a_store_may_be_closed_once_more(store: PostgresStore) -> None:
    await store.views.newest()
    for _ in range(2):
        async with asyncio.timeout(30):
            await store.close()
    with pytest.raises(StoreUnavailable):
        await store.views.newest()
