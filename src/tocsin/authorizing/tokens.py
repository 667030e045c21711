"""Tokens at hand: kept in memory until shortly before they expire, fetched once however many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from tocsin.authorizing.oauth2 import Token, TokenSource, token_of, token_request
from tocsin.model.exchange import ErrorKind, Exchange, OutboundRequest, TransportFailure
from tocsin.model.ids import Millis
from tocsin.ports import Sender
from tocsin.telemetry import log

MAX_KEPT: Final = 10_000
_JWT_ID_BYTES: Final = 16


class Tokens:
    """Tokens by source. Nothing of them is stored: after a restart they are asked for again.

    A token that a receiver refuses has expired; the one that replaces it is marked as second, so that it does not make a
    delivery try again at once a second time, until some request has succeeded with it.
    """

    def __init__(
        self, sender: Sender[OutboundRequest], now_ms: Callable[[], Millis], entropy: Callable[[int], bytes]
    ) -> None:
        self._sender = sender
        self._now_ms = now_ms
        self._entropy = entropy
        self._kept: dict[bytes, Token] = {}
        self._fetches: dict[bytes, asyncio.Task[Token | TransportFailure]] = {}

    async def token(self, source: TokenSource) -> Token | TransportFailure:
        """A token that is good now, or why there is none. Whoever stops waiting does not stop the others."""
        kept = self._kept.get(source.key)
        if kept is not None and self._now_ms() < kept.expires_at:
            return kept
        fetch = self._fetches.get(source.key)
        if fetch is None:
            fetch = asyncio.get_running_loop().create_task(self._fetch(source), name="token")
            self._fetches[source.key] = fetch
        return await asyncio.shield(fetch)

    def follow(self, source: TokenSource, token: Token, exchange: Exchange) -> None:
        """What a receiver made of a token: after a 401 it is not used again, after a success it is beyond doubt. Another one
        that was fetched meanwhile is left alone."""
        kept = self._kept.get(source.key)
        if kept is None or kept.value != token.value:
            return
        status = exchange.response.status if exchange.response is not None else 0
        if status == 401:
            self._kept[source.key] = msgspec.structs.replace(kept, expires_at=0, is_second=True)
        elif kept.is_second and 200 <= status < 300:
            self._kept[source.key] = msgspec.structs.replace(kept, is_second=False)

    async def close(self) -> None:
        """End what is under way."""
        fetches = tuple(self._fetches.values())
        for fetch in fetches:
            fetch.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)

    async def _fetch(self, source: TokenSource) -> Token | TransportFailure:
        try:
            request = token_request(source, self._now_ms(), self._entropy(_JWT_ID_BYTES).hex())
            exchange = await self._sender.send(request)
            before = self._kept.get(source.key)
            is_second = before is not None and before.is_second
            token = token_of(exchange, request, self._now_ms(), is_second=is_second)
        except Exception as error:  # noqa: BLE001  # a delivery must neither hang nor end because of a fault here
            log.error("token.fault", error=type(error).__name__)
            token = TransportFailure(kind=ErrorKind.TOKEN, message="The token could not be asked for.", reason="fault")
        finally:
            del self._fetches[source.key]
        if isinstance(token, Token):
            self._keep(source.key, token)
        return token

    def _keep(self, key: bytes, token: Token) -> None:
        self._kept.pop(key, None)
        if len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = token
