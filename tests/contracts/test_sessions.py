"""Sessions and one-time links on the real stores, of one process and of two, against a clock that is told the time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator

import pytest
from tests.contracts.given import Clock
from tests.kit.stores import Store

from tocsin.adapters.storing.sessions import LINKS, SESSIONS_OF_KEY
from tocsin.errors import StoreUnavailable
from tocsin.model.access import Role
from tocsin.model.audit import SERVER
from tocsin.model.ids import IdMint
from tocsin.operations.api_keys import ApiKeys, NewKey
from tocsin.ui import sessions as module
from tocsin.ui.links import LINK_MS, Links
from tocsin.ui.pages.tail import while_signed_in
from tocsin.ui.sessions import ABSOLUTE_MS, IDLE_MS, TOUCH_MS, Sessions, hash_of


class Process:
    """What one process on the store knows of keys and sessions."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.keys = ApiKeys(store.directory, mint=IdMint(clock, os.urandom), now_ms=clock, entropy=os.urandom)
        self.sessions = Sessions(store.sessions, self.keys, clock)

    async def key(self, expires_at: int | None = None) -> NewKey:
        return await self.keys.create(name="n", role=Role.VIEWER, tenant="acme", expires_at=expires_at, by=SERVER)

    async def signed_in(self, key: NewKey) -> str:
        token = await self.sessions.start(key.value)
        assert token is not None
        return token

    async def is_in(self, token: str, *, by_itself: bool = False) -> bool:
        return await self.sessions.find(token, by_itself=by_itself) is not None


@pytest.fixture
def process(store: Store, clock: Clock) -> Process:
    return Process(store, clock)


@pytest.fixture
def other(store: Store, clock: Clock) -> Process:
    return Process(store, clock)


@pytest.fixture
def never_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read of a session is not remembered: as if a second had passed."""
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)


def another(token: str) -> str:
    """As long, and never the same."""
    return ("y" if token.startswith("x") else "x") + token[1:]


async def test_a_session_ends_when_it_was_idle_and_when_it_lasted_too_long(process: Process, clock: Clock) -> None:
    key = await process.key()
    token = await process.signed_in(key)
    clock.now += IDLE_MS - 1
    assert await process.is_in(token)
    clock.now += IDLE_MS
    assert not await process.is_in(token)
    token = await process.signed_in(key)
    for _ in range(ABSOLUTE_MS // (IDLE_MS // 2) - 1):
        clock.now += IDLE_MS // 2
        assert await process.is_in(token)
    clock.now += IDLE_MS // 2
    assert not await process.is_in(token)


async def test_a_page_that_asks_by_itself_keeps_no_session_alive(process: Process, clock: Clock) -> None:
    token = await process.signed_in(await process.key())
    clock.now += IDLE_MS - 1
    assert await process.is_in(token, by_itself=True)
    clock.now += 1
    assert not await process.is_in(token)


async def test_a_session_is_good_in_every_process_and_its_form_too(process: Process, other: Process) -> None:
    token = await process.signed_in(await process.key())
    here, there = await process.sessions.find(token), await other.sessions.find(token)
    assert here is not None
    assert there is not None
    assert (here.caller, here.csrf, here.secret) == (there.caller, there.csrf, there.secret)
    assert len({here.csrf, here.secret, token, hash_of(token).hex()}) == 4
    here.toasts.tell("done")
    shown = await other.sessions.find(token, toasts=here.toasts.to_send() or "")
    assert shown is not None
    assert shown.toasts.take() == ("done",)


@pytest.mark.usefixtures("never_fresh")
async def test_signing_out_ends_it_in_every_process(process: Process, other: Process) -> None:
    token = await process.signed_in(await process.key())
    assert await other.is_in(token)
    await process.sessions.end(token)
    assert not await process.is_in(token)
    assert not await other.is_in(token)


@pytest.mark.usefixtures("never_fresh")
async def test_a_key_that_was_revoked_elsewhere_ends_its_sessions(process: Process, other: Process) -> None:
    key = await process.key()
    token = await other.signed_in(key) if await other.sessions.start(key.value) else await process.signed_in(key)
    assert await other.is_in(token)
    await process.keys.revoke(key.key.id, None, by=SERVER)
    assert not await other.is_in(token)


async def test_a_key_that_was_revoked_here_ends_its_sessions_at_once(process: Process) -> None:
    key = await process.key()
    assert await process.sessions.start("tok_other") is None
    token = await process.signed_in(key)
    assert await process.is_in(token)
    assert not await process.is_in(another(token))
    await process.keys.revoke(key.key.id, None, by=SERVER)
    assert not await process.is_in(token)


async def test_a_key_that_expired_ends_its_sessions(process: Process, clock: Clock) -> None:
    token = await process.signed_in(await process.key(clock.now + 1000))
    assert await process.is_in(token)
    clock.now += 1000
    assert not await process.is_in(token)


async def test_of_one_key_the_session_used_longest_ago_makes_room(process: Process, clock: Clock) -> None:
    key, rest = await process.key(), await process.signed_in(await process.key())
    first, second = await process.signed_in(key), await process.signed_in(key)
    clock.now += TOUCH_MS
    assert await process.is_in(first)
    await asyncio.gather(*process.sessions._background)
    clock.now += 1
    for _ in range(SESSIONS_OF_KEY - 1):
        await process.signed_in(key)
    assert await process.is_in(first)
    assert not await process.is_in(second)
    assert await process.is_in(rest)


@pytest.mark.usefixtures("never_fresh")
async def test_use_is_seen_by_the_others_within_a_minute(process: Process, other: Process, clock: Clock) -> None:
    token = await process.signed_in(await process.key())
    clock.now += IDLE_MS - TOUCH_MS
    assert await process.is_in(token)
    await asyncio.gather(*process.sessions._background)
    clock.now += TOUCH_MS
    assert await other.is_in(token)


async def test_a_tab_that_watches_sees_nothing_more_when_the_session_is_over(process: Process, clock: Clock) -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        for number in range(3):
            yield b"%d" % number

    token = await process.signed_in(await process.key())
    watched = while_signed_in(lambda: process.is_in(token, by_itself=True), chunks())
    assert await anext(watched) == b"0"
    clock.now += IDLE_MS
    assert [chunk async for chunk in watched] == []


async def test_a_link_is_good_once_and_soon(store: Store, clock: Clock) -> None:
    links, others = Links(store.sessions, clock), Links(store.sessions, clock)
    link, late = await links.make(), await links.make()
    assert not await links.take(another(link))
    clock.now += LINK_MS - 1
    assert await others.take(link)
    assert not await links.take(link)
    clock.now += 1
    assert not await links.take(late)


async def test_links_are_few(store: Store, clock: Clock) -> None:
    links = Links(store.sessions, clock)
    kept = []
    for _ in range(LINKS + 1):
        kept.append(await links.make())
        clock.now += 1
    assert not await links.take(kept[0])
    assert await links.take(kept[1])


async def test_while_the_store_is_away_a_session_in_use_goes_on(
    process: Process, other: Process, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await process.key()
    token = await process.signed_in(key)
    assert await process.is_in(token)

    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(type(store.sessions), "find", away)
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    assert await process.is_in(token)
    with pytest.raises(StoreUnavailable):
        await other.is_in(token)
    clock.now += IDLE_MS
    assert not await process.is_in(token)
