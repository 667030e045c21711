"""One exchange with a receiver: the access token where one is needed, the request, what came back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tocsin.authorizing.oauth2 import Token
from tocsin.authorizing.tokens import Tokens
from tocsin.formats import Unrendered
from tocsin.model.delivery import Claim, Delivery
from tocsin.model.endpoint import EndpointConfig
from tocsin.model.exchange import ErrorKind, Exchange, Outbound, TransportFailure
from tocsin.model.ids import IdMint, Millis
from tocsin.model.noun import Noun
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.send import not_sent, send
from tocsin.ports import PromptSender, Templates
from tocsin.rules.outcome import Settled, settlement_of
from tocsin.telemetry import log

UNPREPARED: Final = Unrendered(cause="nothing", reason="the request could not be prepared")
INEXPRESSIBLE: Final = Unrendered(cause="nothing", reason="the endpoint's format cannot express the event")
NOT_NOW: Final = Unrendered(cause="busy", reason="others may have taken over")
_UNJUDGED: Final = TransportFailure(kind=ErrorKind.PROTOCOL, message="The answer could not be judged.")
HELD_UP_MS: Final = 10
"""After a longer wait, for a token or a template, a request takes its turn in the endpoint's pace anew."""
Make = Callable[[Millis, Token | None], Outbound | Unrendered]
"""Prepares the request of an attempt at this time, with this access token; or says why there is none."""


class Sent(Noun, frozen=True, kw_only=True):
    """A request, what came of it, and whether a 401 to its access token may be answered with a new one."""

    request: Outbound
    exchange: Exchange
    may_refresh: bool


class Exchanges:
    """Makes exchanges for every endpoint of this process."""

    def __init__(
        self, sender: PromptSender[Outbound], tokens: Tokens, templates: Templates, now_ms: Callable[[], Millis]
    ) -> None:
        self.templates = templates
        self._sender = sender
        self.has_connection = sender.has_connection
        self.tokens = tokens
        self._now_ms = now_ms

    def begin(self, request: Outbound, done: Callable[[Exchange], None]) -> bool:
        """Send a request that needs no token, at once; False when that cannot be: nothing was sent then. `done` gets what came
        of it."""
        return self._sender.begin(request, done)

    async def exchange(
        self,
        preparation: Preparation,
        make: Make,
        began: Millis,
        turn: Callable[[], Awaitable[None]] | None,
        opened: Callable[[], None] | None = None,
    ) -> Sent | Unrendered:
        """The exchange, or why there was nothing to send. Without a token nothing is sent either, but that is an exchange.
        `turn` is awaited when it is longer since it `began`, so that the endpoint's pace holds; `opened` is told when no connection is
        being opened any more."""
        source = preparation.token_source
        if source is None:
            if turn is not None and self._now_ms() - began > HELD_UP_MS:
                await turn()
            request = _made(make, self._now_ms(), None)
            if isinstance(request, Unrendered):
                return request
            return Sent(request=request, exchange=await send(self._sender, request, opened), may_refresh=False)
        asked_at = self._now_ms()
        token = await self.tokens.token(source)
        if isinstance(token, TransportFailure):
            request = _made(make, self._now_ms(), None)
            if isinstance(request, Unrendered):
                return request
            return Sent(request=request, exchange=not_sent(token, self._now_ms() - asked_at), may_refresh=False)
        if turn is not None and self._now_ms() - began > HELD_UP_MS:
            await turn()
        request = _made(make, self._now_ms(), token)
        if isinstance(request, Unrendered):
            return request
        exchange = await send(self._sender, request, opened)
        self.tokens.follow(source, token, exchange)
        return Sent(request=request, exchange=exchange, may_refresh=not token.is_second)


def _made(make: Make, now: Millis, token: Token | None) -> Outbound | Unrendered:
    try:
        return make(now, token)
    except Exception as error:  # noqa: BLE001  # one event must neither hang nor stop the others
        log.error("prepare.fault", exc_info=error)
        return UNPREPARED


class Judge:
    """Judges exchanges. No `Retry-After` pauses an endpoint for longer than `longest_pause_ms`."""

    def __init__(
        self, mint: IdMint, now_ms: Callable[[], Millis], jitter: Callable[[], float], longest_pause_ms: Millis
    ) -> None:
        self._mint = mint
        self._now_ms = now_ms
        self._jitter = jitter
        self._longest_pause_ms = longest_pause_ms

    def judged(
        self, delivery: Delivery, config: EndpointConfig, sent: Sent, started_at: Millis, claim: Claim | None = None
    ) -> Settled:
        """What the exchange means for the delivery, and what is to be written. `claim` is the delivery's, if it is none of a batch.
        An answer that cannot be judged is a failed attempt: what nobody settles would be held for good."""
        try:
            return self._judged(delivery, config, sent, sent.exchange, started_at, claim)
        except Exception as error:  # noqa: BLE001  # one answer must neither hang nor stop the others
            log.error("judge.fault", delivery=delivery.id, exc_info=error)
            unjudged = not_sent(_UNJUDGED, sent.exchange.timings.total)
            return self._judged(delivery, config, sent, unjudged, started_at, claim)

    def _judged(
        self,
        delivery: Delivery,
        config: EndpointConfig,
        sent: Sent,
        exchange: Exchange,
        started_at: Millis,
        claim: Claim | None,
    ) -> Settled:
        now = self._now_ms()
        return settlement_of(
            delivery=delivery,
            config=config,
            exchange=exchange,
            request=sent.request,
            started_at=started_at,
            now=now,
            jitter=self._jitter(),
            attempt_id=self._mint.attempt(now),
            may_refresh=sent.may_refresh,
            longest_pause_ms=self._longest_pause_ms,
            claim=claim,
        )
