"""Tokens at hand, fetched from a real server on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count

import pytest
from tests.adapters.http.sending import Sending
from tests.kit.receivers import Behaviour, Peer, Receiver, never
from tests.unit.authorizing.oauth2_builders import NOW, answered, setting, source_of

from tocsin.authorizing import tokens as tokens_module
from tocsin.authorizing.oauth2 import Token, TokenSource
from tocsin.authorizing.tokens import Tokens
from tocsin.model.exchange import ErrorKind, TransportFailure

REFUSED = answered(401, b"")
FORBIDDEN = answered(403, b"")
TAKEN = answered(204, b"")


class Clock:
    """A wall clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def issuing(*, expires_in: int = 600, gate: asyncio.Event | None = None, status: int = 200) -> Behaviour:
    """Gives `token-1`, `token-2`, ... one for each request, once the gate is open."""
    numbers = count(1)

    async def behave(peer: Peer) -> None:
        await peer.request()
        if gate is not None:
            await gate.wait()
        granted = {"access_token": f"token-{next(numbers)}", "token_type": "Bearer", "expires_in": expires_in}
        body = json.dumps(granted).encode()
        await peer.send(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

    return behave


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def tokens(clock: Clock) -> AsyncIterator[Tokens]:
    sending, numbers = Sending(), count(1)
    made = Tokens(sending.sender, clock, lambda size: next(numbers).to_bytes(size))
    yield made
    await made.close()
    await sending.sender.close()


def source_at(server: Receiver, **fields: object) -> TokenSource:
    tenant = str(fields.pop("tenant", "acme"))
    return source_of(setting(token_url=server.url, **fields), tenant=tenant)


async def token_from(tokens: Tokens, source: TokenSource) -> Token:
    found = await tokens.token(source)
    assert isinstance(found, Token), found
    return found


async def test_a_hundred_who_wait_make_one_request(tokens: Tokens) -> None:
    gate = asyncio.Event()
    async with Receiver(issuing(gate=gate)) as server:
        waiting = [asyncio.create_task(tokens.token(source_at(server))) for _ in range(100)]
        await server.until(lambda: len(server.requests) == 1)
        gate.set()
        found = await asyncio.gather(*waiting)
        assert {token.value for token in found} == {"token-1"}
        assert (len(server.requests), server.connections) == (1, 1)


async def test_who_stops_waiting_does_not_stop_the_others(tokens: Tokens) -> None:
    gate = asyncio.Event()
    async with Receiver(issuing(gate=gate)) as server:
        first, second = (asyncio.create_task(tokens.token(source_at(server))) for _ in range(2))
        await server.until(lambda: len(server.requests) == 1)
        first.cancel()
        await asyncio.wait({first})
        gate.set()
        found = await second
        assert isinstance(found, Token)
        assert (first.cancelled(), found.value, len(server.requests)) == (True, "token-1", 1)


async def test_a_token_is_used_until_it_is_about_to_expire(tokens: Tokens, clock: Clock) -> None:
    async with Receiver(issuing(expires_in=600)) as server:
        source = source_at(server)
        assert (await token_from(tokens, source)).value == "token-1"
        clock.now = NOW + 539_999
        assert (await token_from(tokens, source)).value == "token-1"
        clock.now = NOW + 540_000
        assert (await token_from(tokens, source)).value == "token-2"
        assert len(server.requests) == 2


async def test_a_token_without_any_life_is_still_given_to_who_asked(tokens: Tokens) -> None:
    async with Receiver(issuing(expires_in=0)) as server:
        source = source_at(server)
        assert [(await token_from(tokens, source)).value for _ in range(3)] == ["token-1", "token-2", "token-3"]
        assert len(server.requests) == 3


async def test_tenants_and_secrets_share_nothing(tokens: Tokens) -> None:
    async with Receiver(issuing()) as server:
        ours, again = source_at(server), source_at(server)
        theirs, other = source_at(server, tenant="globex"), source_at(server, scope="other")
        found = [(await token_from(tokens, source)).value for source in (ours, theirs, other, again)]
        assert found == ["token-1", "token-2", "token-3", "token-1"]


async def test_a_refused_token_is_replaced_and_its_successor_marked(tokens: Tokens) -> None:
    async with Receiver(issuing()) as server:
        source = source_at(server)
        first = await token_from(tokens, source)
        tokens.follow(source, first, REFUSED)
        second = await token_from(tokens, source)
        tokens.follow(source, first, REFUSED)
        assert await token_from(tokens, source) is second
        assert (first.is_second, second.value, second.is_second) == (False, "token-2", True)
        tokens.follow(source, second, REFUSED)
        third = await token_from(tokens, source)
        assert (third.value, third.is_second) == ("token-3", True)


async def test_a_success_takes_the_mark_away(tokens: Tokens) -> None:
    async with Receiver(issuing()) as server:
        source = source_at(server)
        tokens.follow(source, await token_from(tokens, source), REFUSED)
        second = await token_from(tokens, source)
        for said_nothing in (FORBIDDEN, answered(500, b"")):
            tokens.follow(source, second, said_nothing)
            assert await token_from(tokens, source) is second
        tokens.follow(source, second, TAKEN)
        kept = await token_from(tokens, source)
        assert (kept.value, kept.is_second) == ("token-2", False)
        tokens.follow(source, kept, REFUSED)
        assert (await token_from(tokens, source)).value == "token-3"


async def test_the_mark_outlives_a_token_that_nobody_could_try(tokens: Tokens, clock: Clock) -> None:
    async with Receiver(issuing(expires_in=600)) as server:
        source = source_at(server)
        tokens.follow(source, await token_from(tokens, source), REFUSED)
        await token_from(tokens, source)
        clock.now += 600_000
        assert ((third := await token_from(tokens, source)).value, third.is_second) == ("token-3", True)


async def test_a_failure_is_told_to_all_who_wait_and_not_kept(tokens: Tokens) -> None:
    gate = asyncio.Event()
    async with Receiver(issuing(gate=gate, status=500)) as server:
        source = source_at(server)
        waiting = [asyncio.create_task(tokens.token(source)) for _ in range(3)]
        await server.until(lambda: len(server.requests) == 1)
        gate.set()
        for found in await asyncio.gather(*waiting):
            assert isinstance(found, TransportFailure)
            assert (found.kind, found.message) == (ErrorKind.TOKEN, "The token server answered 500.")
        await tokens.token(source)
        assert len(server.requests) == 2


async def test_a_fault_of_ours_fails_the_token_and_nothing_else(clock: Clock) -> None:
    def no_entropy(size: int) -> bytes:
        raise OSError("no entropy")

    sending = Sending()
    tokens = Tokens(sending.sender, clock, no_entropy)
    found = await tokens.token(source_of(setting()))
    assert isinstance(found, TransportFailure)
    assert (found.kind, found.message) == (ErrorKind.TOKEN, "The token could not be asked for.")
    await sending.sender.close()


async def test_only_so_many_are_kept(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "MAX_KEPT", 2)
    async with Receiver(issuing()) as server:
        sources = [source_at(server, scope=str(number)) for number in range(3)]
        for source in sources:
            await token_from(tokens, source)
        assert (await token_from(tokens, sources[2])).value == "token-3"
        assert (await token_from(tokens, sources[1])).value == "token-2"
        assert (await token_from(tokens, sources[0])).value == "token-4"


async def test_closing_ends_a_fetch_that_hangs(tokens: Tokens) -> None:
    async with Receiver(never) as server:
        waiting = asyncio.create_task(tokens.token(source_at(server)))
        await server.until(lambda: len(server.requests) == 1)
        await tokens.close()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        await server.until(lambda: server.open_connections == 0)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (never, "The token server could not be asked: "),
        (None, "The token server could not be asked: The connection was refused."),
    ],
    ids=["silent", "down"],
)
async def test_a_server_that_gives_no_answer(tokens: Tokens, behaviour: Behaviour | None, message: str) -> None:
    async with Receiver(behaviour or never) as server:
        source = source_of(setting(token_url=server.url), timeout_seconds=10 if behaviour is None else 0.2)
        if behaviour is None:
            await server.__aexit__()
        found = await tokens.token(source)
    assert isinstance(found, TransportFailure)
    assert found.message.startswith(message)
    assert (found.kind, found.reason) == (ErrorKind.TOKEN, "refused" if behaviour is None else "timeout")
