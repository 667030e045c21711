"""What people do to a delivery: send its event again, or give it up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tocsin.errors import Conflict, NotFound
from tocsin.model.delivery import DeliveryState, NewDelivery
from tocsin.model.event import order_keys
from tocsin.model.ids import DeliveryId, IdMint
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.ports import DeliveryView, Directory, Queue, Views


class Dispatch(Protocol):
    """What the delivering side of this process is told and asked."""

    def wake(self, endpoint: int) -> None:
        """Something became due for this endpoint (its number)."""

    async def cancel(self, endpoint: int, delivery: int, reason: str) -> None:
        """Give up a delivery if it is still pending (endpoint and delivery by number)."""


class Deliveries:
    """Resending and cancelling."""

    __slots__ = ("_codec", "_directory", "_dispatch", "_mint", "_now_ms", "_queue", "_views")

    def __init__(
        self,
        *,
        queue: Queue,
        views: Views,
        directory: Directory,
        codec: EndpointCodec,
        dispatch: Dispatch,
        mint: IdMint,
        now_ms: Callable[[], int],
    ) -> None:
        self._queue = queue
        self._views = views
        self._directory = directory
        self._codec = codec
        self._dispatch = dispatch
        self._mint = mint
        self._now_ms = now_ms

    async def resend(self, delivery_id: DeliveryId, tenant: str | None) -> DeliveryView:
        """A new delivery of the same event to the same endpoint. Raises NotFound; Conflict when the endpoint is disabled or
        deleted."""
        original = await self._known(delivery_id, tenant)
        event = await self._views.event(original.event_id, original.tenant)
        if event is None:
            raise NotFound("The event of this delivery is not kept any more.")
        stored = await self._directory.endpoint(original.endpoint_id, original.tenant)
        if stored is None or stored.is_deleted:
            raise Conflict("The endpoint of this delivery was deleted.")
        config = self._codec.endpoint_of(stored).config
        if not config.enabled:
            raise Conflict("The endpoint of this delivery is disabled.")
        new = NewDelivery(
            id=self._mint.delivery(),
            tenant=original.tenant,
            endpoint=original.endpoint,
            position=event.position,
            created_at=self._now_ms(),
            keys=order_keys(event) if config.ordering == "subject" else (),
        )
        if await self._queue.resend(original.number, new) is None:
            raise NotFound
        self._dispatch.wake(original.endpoint)
        return await self._known(new.id, original.tenant)

    async def cancel(self, delivery_id: DeliveryId, tenant: str | None) -> DeliveryView:
        """Give a pending delivery up; one that is cancelled already stays so. Raises NotFound; Conflict when it was settled
        otherwise."""
        view = await self._known(delivery_id, tenant)
        if view.state is DeliveryState.PENDING:
            await self._dispatch.cancel(view.endpoint, view.number, "cancelled by hand")
            view = await self._known(delivery_id, tenant)
        if view.state is not DeliveryState.CANCELLED:
            raise Conflict(f"The delivery is {view.state.value}.", state=view.state.value)
        return view

    async def _known(self, delivery_id: DeliveryId, tenant: str | None) -> DeliveryView:
        view = await self._views.delivery(delivery_id, tenant)
        if view is None:
            raise NotFound
        return view
