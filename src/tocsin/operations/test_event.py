"""The test of an endpoint: a sample event is prepared and sent now, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from tocsin.authorizing.oauth2 import Token
from tocsin.errors import InvalidRequest
from tocsin.formats import Rendered, Unrendered, sample_event, sample_for
from tocsin.model.attempt import Attempt
from tocsin.model.delivery import Delivery
from tocsin.model.endpoint import Endpoint, Retry
from tocsin.model.event_view import EventView
from tocsin.model.exchange import Outbound
from tocsin.model.ids import IdMint, Millis
from tocsin.model.mail import MailFrom
from tocsin.operations.endpoint_codec import with_fields
from tocsin.pipeline.exchanges import Exchanges, Sent
from tocsin.pipeline.mailing import preparation_of
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.rendering import rendered
from tocsin.rules.outcome import settlement_of, verdict_of

Made = TypeVar("Made")
NEVER_AGAIN: Final = Retry(schedule_seconds=())


class TestEvents:
    """Sends sample events by the exchanges that deliveries use, under the same egress rules."""

    __slots__ = ("_exchanges", "_mail_from", "_mint", "_now_ms", "_origin")

    def __init__(
        self,
        exchanges: Exchanges,
        mint: IdMint,
        now_ms: Callable[[], int],
        *,
        origin: str,
        mail_from: MailFrom | None = None,
    ) -> None:
        self._exchanges = exchanges
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
        sent = await self._sent(preparation, kind, delivery, view, made)
        if verdict_of(sent.exchange, may_refresh=sent.may_refresh).at_once:
            sent = await self._sent(preparation, kind, delivery, view, made)
        settled = settlement_of(
            delivery,
            with_fields(endpoint.config, retry=NEVER_AGAIN),
            sent.exchange,
            sent.request,
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
        return _or_refused(await rendered(preparation.template, view, self._exchanges.templates), kind)

    async def _sent(
        self, preparation: Preparation, kind: str, delivery: Delivery, view: EventView, made: Rendered | None
    ) -> Sent:
        def make(now: Millis, token: Token | None) -> Outbound:
            return preparation.request(delivery, view, now, token, rendered=made)

        return _or_refused(await self._exchanges.exchange(preparation, make, self._now_ms(), None), kind)


def _or_refused(made: Made | Unrendered, kind: str) -> Made:
    if isinstance(made, Unrendered):
        raise InvalidRequest.at("/event_type", f"Nothing is sent for {kind}: {made.reason}.")
    return made
