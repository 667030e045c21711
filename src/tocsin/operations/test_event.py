"""The test of an endpoint: a sample event is prepared and sent now, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tocsin.authorizing.tokens import Tokens
from tocsin.errors import InvalidRequest
from tocsin.formats import Rendered, Unrendered, sample_event, sample_for
from tocsin.model.attempt import Attempt
from tocsin.model.delivery import Delivery
from tocsin.model.endpoint import Endpoint, Retry
from tocsin.model.event_view import EventView
from tocsin.model.exchange import Exchange, Outbound, TransportFailure
from tocsin.model.ids import IdMint
from tocsin.model.mail import MailFrom
from tocsin.operations.endpoint_codec import with_fields
from tocsin.pipeline.mailing import preparation_of
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.rendering import rendered
from tocsin.pipeline.send import not_sent, send
from tocsin.ports import Sender, Templates
from tocsin.rules.outcome import settlement_of, verdict_of

NEVER_AGAIN: Final = Retry(schedule_seconds=())


class TestEvents:
    """Sends sample events with the sender that deliveries use, under the same egress rules."""

    __slots__ = ("_mail_from", "_mint", "_now_ms", "_origin", "_sender", "_templates", "_tokens")

    def __init__(
        self,
        sender: Sender[Outbound],
        tokens: Tokens,
        templates: Templates,
        mint: IdMint,
        now_ms: Callable[[], int],
        *,
        origin: str,
        mail_from: MailFrom | None = None,
    ) -> None:
        self._sender = sender
        self._tokens = tokens
        self._templates = templates
        self._mint = mint
        self._now_ms = now_ms
        self._origin = origin
        self._mail_from = mail_from

    async def send(self, endpoint: Endpoint, event_type: str | None) -> Attempt:
        """One attempt with a sample of this type; without one, of a type that the format expresses. Raises InvalidRequest when
        there is no such type, or the format cannot express it; a template may give nothing, or fail."""
        preparation = preparation_of(endpoint, self._origin, self._mail_from)
        started_at = self._now_ms()
        kind = event_type or sample_for(preparation.renderer)
        event = sample_event(kind, tenant=endpoint.tenant, event_id=self._mint.event(), now=started_at)
        if event is None:
            raise InvalidRequest.at("/event_type", "There is no such event type.")
        view = EventView(event)
        if not preparation.renderer.expresses(view):
            raise InvalidRequest.at("/event_type", "The endpoint's format cannot express this event type.")
        made = await self._rendered(preparation, kind, view)
        delivery = Delivery(
            number=0,
            id=self._mint.delivery(),
            tenant=endpoint.tenant,
            endpoint=endpoint.number,
            lane=0,
            created_at=started_at,
        )
        request, exchange, is_first = await self._sent(preparation, delivery, view, made)
        if verdict_of(exchange, may_refresh=is_first).at_once:
            request, exchange, _ = await self._sent(preparation, delivery, view, made)
        settled = settlement_of(
            delivery,
            with_fields(endpoint.config, retry=NEVER_AGAIN),
            exchange,
            request,
            started_at,
            self._now_ms(),
            0.0,
            self._mint.attempt(),
        )
        return with_fields(settled.settlement.attempt, next_attempt_at=None)

    async def _rendered(self, preparation: Preparation, kind: str, view: EventView) -> Rendered | None:
        """What a template gives; None for the other formats, which render while the request is prepared."""
        if preparation.template is None:
            return None
        made = await rendered(preparation.template, view, self._templates)
        if isinstance(made, Unrendered):
            raise InvalidRequest.at("/event_type", f"Nothing is sent for {kind}: {made.reason}.")
        return made

    async def _sent(
        self, preparation: Preparation, delivery: Delivery, view: EventView, made: Rendered | None
    ) -> tuple[Outbound, Exchange, bool]:
        """The request, what came of it, and whether a 401 to its access token may be answered with a new one."""
        source, began = preparation.token_source, self._now_ms()
        if source is None:
            request = preparation.request(delivery, view, began, rendered=made)
            return request, await send(self._sender, request), False
        token = await self._tokens.token(source)
        now = self._now_ms()
        if isinstance(token, TransportFailure):
            return preparation.request(delivery, view, now, rendered=made), not_sent(token, now - began), False
        request = preparation.request(delivery, view, now, token, rendered=made)
        exchange = await send(self._sender, request)
        self._tokens.follow(source, token, exchange)
        return request, exchange, not token.is_second
