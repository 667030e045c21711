"""What people do to a delivery: send its event again, or give it up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from tocsin.errors import Conflict, InvalidRequest, NotFound
from tocsin.model.audit import Action, Actor, AuditEntry
from tocsin.model.delivery import DeliveryState, NewDelivery
from tocsin.model.event import order_keys
from tocsin.model.ids import DeliveryId, EndpointId, IdMint, Millis
from tocsin.model.noun import Noun
from tocsin.operations.auditing import audit_entry
from tocsin.operations.documents import PendingCancelled, delivery_shown, time_or_none
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.operations.outgoing import Outgoing
from tocsin.ports import PENDING_BEGIN, DeliveryView, Directory, Fanned, PendingPlace, PendingQuery, Queue, Views
from tocsin.rules.matching import glob

BY_HAND: Final = "cancelled by hand"
ERASED_EVENT: Final = "The event of this delivery was erased."
CANCELLED_AT_ONCE: Final = 200
"""Deliveries cancelled in one transaction, at most: with order some 20 ms for the writer."""
CANCELLING_MS: Final = 5000
"""How long one request goes on cancelling; whoever asked may ask again."""


class PendingWanted(Noun, frozen=True, kw_only=True):
    """Which pending deliveries of an endpoint: of events accepted in `[since, until)` (ms), of one of these types (globs); None:
    of any."""

    since: Millis | None = None
    until: Millis | None = None
    event_types: tuple[str, ...] | None = None


class Dispatch(Protocol):
    """What the delivering side of this process is told and asked."""

    def wake(self, endpoint: int) -> None:
        """Something became due for this endpoint (its number)."""

    async def cancel(self, endpoint: int, numbers: Sequence[int], reason: str, entry: AuditEntry | None = None) -> int:
        """Give up those deliveries that are still pending (these and the endpoint by number), at the time of the entry. Gives
        how many that were."""


class Deliveries:
    """Resending and cancelling, each in the audit log as done `by` somebody."""

    __slots__ = ("_codec", "_directory", "_dispatch", "_mint", "_now_ms", "_out", "_queue", "_views")

    def __init__(
        self,
        *,
        queue: Queue,
        views: Views,
        directory: Directory,
        codec: EndpointCodec,
        dispatch: Dispatch,
        out: Outgoing,
        mint: IdMint,
        now_ms: Callable[[], int],
    ) -> None:
        self._queue = queue
        self._views = views
        self._directory = directory
        self._codec = codec
        self._dispatch = dispatch
        self._out = out
        self._mint = mint
        self._now_ms = now_ms

    async def resend(self, delivery_id: DeliveryId, tenant: str | None, *, by: Actor) -> DeliveryView:
        """A new delivery of the same event to the same endpoint. Raises NotFound; Conflict when the endpoint is disabled or
        deleted, or the event was erased."""
        original = await self._known(delivery_id, tenant)
        event = await self._views.event(original.event_id, original.tenant)
        if event is None:
            raise NotFound("The event of this delivery is not kept any more.")
        if event.is_erased:
            raise Conflict(ERASED_EVENT)
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

        def note(fanned: Fanned) -> AuditEntry:
            after = _resent(original, new, fanned)
            return self._entry(new.created_at, by, "delivery.resent", original, None, after)

        if await self._queue.resend(original.number, new, note) is None:
            event = await self._views.event(original.event_id, original.tenant)
            raise NotFound if event is None or not event.is_erased else Conflict(ERASED_EVENT)
        self._dispatch.wake(original.endpoint)
        return await self._known(new.id, original.tenant)

    async def cancel(self, delivery_id: DeliveryId, tenant: str | None, *, by: Actor) -> DeliveryView:
        """Give a pending delivery up; one that is cancelled already stays so. Raises NotFound; Conflict when it was settled
        otherwise."""
        view = await self._known(delivery_id, tenant)
        if view.state is DeliveryState.PENDING:
            now = self._now_ms()
            after = msgspec.structs.replace(view, state=DeliveryState.CANCELLED, reason=BY_HAND, settled_at=now)
            entry = self._entry(now, by, "delivery.cancelled", view, view, after)
            await self._dispatch.cancel(view.endpoint, (view.number,), BY_HAND, entry)
            view = await self._known(delivery_id, tenant)
        if view.state is not DeliveryState.CANCELLED:
            raise Conflict(f"The delivery is {view.state.value}.", state=view.state.value)
        return view

    async def cancel_pending(
        self, endpoint_id: EndpointId, tenant: str | None, wanted: PendingWanted, *, by: Actor
    ) -> PendingCancelled:
        """Give up what is pending for an endpoint, the newest first, so that nothing goes out because what it waited for is gone.
        Raises NotFound; InvalidRequest for a range that ends before it begins."""
        stored = await self._directory.endpoint(endpoint_id, tenant)
        if stored is None or stored.is_deleted:
            raise NotFound
        if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
            raise InvalidRequest.at("/until", "The end must be later than the beginning.")
        patterns = [glob(text) for text in wanted.event_types or ()]
        query = PendingQuery(
            endpoint=stored.number,
            newest=await self._views.newest(),
            since=wanted.since,
            until=wanted.until,
            wants=(lambda kind: any(pattern.match(kind) for pattern in patterns)) if patterns else None,
        )
        cancelled = 0
        entry: AuditEntry | None = audit_entry(
            self._mint,
            self._now_ms(),
            by,
            "endpoint.pending_cancelled",
            stored.id,
            tenant=stored.tenant,
            after=_shown(wanted),
        )
        while steps := await self._pending(query):
            began = self._now_ms()
            for step in steps:
                count = await self._dispatch.cancel(stored.number, step, BY_HAND, entry)
                cancelled += count
                entry = None if count else entry
                if self._now_ms() - began > CANCELLING_MS:
                    return PendingCancelled(cancelled=cancelled, complete=False)
        return PendingCancelled(cancelled=cancelled, complete=True)

    async def _pending(self, query: PendingQuery) -> list[Sequence[int]]:
        """The numbers of what is pending, in steps; what waits for others comes before them."""
        steps: list[Sequence[int]] = []
        place: PendingPlace | None = PENDING_BEGIN
        while place is not None:
            page = await self._views.pending(query, place)
            numbers = page.numbers
            steps += [
                numbers[max(0, end - CANCELLED_AT_ONCE) : end] for end in range(len(numbers), 0, -CANCELLED_AT_ONCE)
            ]
            place = page.end
        steps.reverse()
        return steps

    def _entry(
        self,
        at: Millis,
        by: Actor,
        action: Action,
        target: DeliveryView,
        before: DeliveryView | None,
        after: DeliveryView,
    ) -> AuditEntry:
        return audit_entry(
            self._mint,
            at,
            by,
            action,
            target.id,
            tenant=target.tenant,
            before=before and delivery_shown(before, in_flight=self._out.known(before)),
            after=delivery_shown(after, in_flight=self._out.known(after)),
        )

    async def _known(self, delivery_id: DeliveryId, tenant: str | None) -> DeliveryView:
        view = await self._views.delivery(delivery_id, tenant)
        if view is None:
            raise NotFound
        return view


def _shown(wanted: PendingWanted) -> dict[str, object]:
    """As it was asked for."""
    return {
        "since": time_or_none(wanted.since),
        "until": time_or_none(wanted.until),
        "event_types": wanted.event_types,
    }


def _resent(original: DeliveryView, new: NewDelivery, fanned: Fanned) -> DeliveryView:
    """The new delivery as it begins."""
    return msgspec.structs.replace(
        original,
        number=fanned.number,
        id=new.id,
        state=DeliveryState.PENDING,
        reason=None,
        blocked=fanned.blocked,
        attempts=0,
        created_at=new.created_at,
        due_at=new.created_at,
        settled_at=None,
        resend_of=original.id,
        last=None,
    )
