"""What people do to all deliveries that a filter matches, over all endpoints: count them, give them up, send what is dead again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from tocsin.errors import InvalidRequest
from tocsin.model.audit import Actor, AuditEntry
from tocsin.model.delivery import DeliveryState
from tocsin.model.filter import Filter
from tocsin.model.ids import EndpointId, IdMint, Millis
from tocsin.model.noun import Noun
from tocsin.model.replay import Replay
from tocsin.operations.auditing import audit_entry
from tocsin.operations.deliveries import BY_HAND, CANCELLED_AT_ONCE, CANCELLING_MS, Dispatch
from tocsin.operations.documents import PendingCancelled
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.operations.replays import ReplayRequest, Replays
from tocsin.ports import Count, DeadOfEndpoint, DeadQuery, DeliveryQuery, Found, Views

COUNTED: Final = 10_000
"""A count goes no further, unless tallies say it."""
MOST_ENDPOINTS: Final = 50
"""Endpoints that one request replays to."""
_PAGE: Final = 2000


class DeadWanted(Noun, frozen=True, kw_only=True):
    """What of the dead deliveries is sent again: of one endpoint (None: of all), of events accepted in `[since, until)` (ms) that
    match the condition, given up for this reason; and how fast, for each endpoint."""

    endpoint: EndpointId | None = None
    since: Millis | None = None
    until: Millis | None = None
    condition: Filter | None = None
    reason: str | None = None
    rate_per_second: float | None = None
    new_webhook_ids: bool = False


class DeadPlanned(Noun, frozen=True, kw_only=True):
    """A replay for each endpoint that has something, counted, not begun; `disabled` are endpoints that have dead deliveries but
    take no replay; not `complete`: there are more endpoints than one request looks at."""

    replays: tuple[Replay, ...]
    disabled: tuple[EndpointId, ...]
    complete: bool


class ManyDeliveries:
    """Acts on a filter, never on a page of it; each endpoint's part is in the audit log as done `by` somebody."""

    __slots__ = ("_codec", "_dispatch", "_mint", "_now_ms", "_replays", "_views")

    def __init__(
        self,
        *,
        views: Views,
        replays: Replays,
        codec: EndpointCodec,
        dispatch: Dispatch,
        mint: IdMint,
        now_ms: Callable[[], Millis],
    ) -> None:
        self._views = views
        self._replays = replays
        self._codec = codec
        self._dispatch = dispatch
        self._mint = mint
        self._now_ms = now_ms

    async def count(self, query: DeliveryQuery) -> Count:
        """How many match, up to a bound."""
        return await self._views.count(msgspec.structs.replace(query, limit=COUNTED))

    async def dead(self, tenant: str | None, endpoint: EndpointId | None) -> list[DeadOfEndpoint]:
        """What was given up on, by endpoint and reason: of one endpoint, or of those that have most of it."""
        most, looked = (1, 5000) if endpoint is not None else (20, 500)
        return await self._views.dead(DeadQuery(tenant=tenant, endpoint=endpoint, most=most, looked=looked))

    async def cancel(self, query: DeliveryQuery, asked: object, *, by: Actor) -> PendingCancelled:
        """Give up what is pending and matches, the newest first, in steps; `asked` is what the audit log tells of it. What comes
        to be pending meanwhile is left alone."""
        began = self._now_ms()
        told: set[int] = set()
        cancelled = 0
        at = msgspec.structs.replace(
            query, state=DeliveryState.PENDING, before=await self._views.newest() + 1, limit=_PAGE
        )
        while True:
            page = await self._views.found(at)
            for endpoint, step in _steps(page):
                entry = None if endpoint in told else self._entry(step[0], asked, by)
                count = await self._dispatch.cancel(endpoint, [number for number, *_ in step], BY_HAND, entry)
                cancelled += count
                if count:
                    told.add(endpoint)
                if self._now_ms() - began > CANCELLING_MS:
                    return PendingCancelled(cancelled=cancelled, complete=False)
            below = page[-1][0] if len(page) == _PAGE else page.rest
            if below is None:
                return PendingCancelled(cancelled=cancelled, complete=True)
            at = msgspec.structs.replace(at, before=below)

    async def plan(self, tenant: str | None, wanted: DeadWanted) -> DeadPlanned:
        """What `resend` would begin. Raises InvalidRequest."""
        if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
            raise InvalidRequest.at("/until", "The end must be later than the beginning.")
        query = DeadQuery(tenant=tenant, endpoint=wanted.endpoint, most=MOST_ENDPOINTS + 1, looked=0)
        found = await self._views.dead(query)
        replays: list[Replay] = []
        disabled: list[EndpointId] = []
        for one in found[:MOST_ENDPOINTS]:
            if not self._codec.endpoint_of(one.endpoint).config.enabled:
                disabled.append(one.endpoint.id)
                continue
            request = ReplayRequest(
                endpoint_id=one.endpoint.id,
                since=wanted.since,
                until=wanted.until,
                filters=() if wanted.condition is None else (wanted.condition,),
                only="dead",
                dead_reason=wanted.reason,
                rate_per_second=wanted.rate_per_second,
                new_webhook_ids=wanted.new_webhook_ids,
            )
            planned = await self._replays.planned(request, one.endpoint.tenant)
            if planned.total:
                replays.append(planned)
        return DeadPlanned(replays=tuple(replays), disabled=tuple(disabled), complete=len(found) <= MOST_ENDPOINTS)

    async def resend(self, tenant: str | None, wanted: DeadWanted, *, by: Actor) -> DeadPlanned:
        """Begin a replay of what is dead for each endpoint. Whoever asks twice sends nothing twice: an event that has a delivery
        pending or delivered meanwhile is not taken. Raises InvalidRequest."""
        planned = await self.plan(tenant, wanted)
        begun = [await self._replays.begin(replay, by=by) for replay in planned.replays]
        return msgspec.structs.replace(planned, replays=tuple(begun))

    def _entry(self, found: Found, asked: object, by: Actor) -> AuditEntry:
        _, _, endpoint_id, tenant = found
        return audit_entry(
            self._mint,
            self._now_ms(),
            by,
            "endpoint.pending_cancelled",
            endpoint_id,
            tenant=tenant,
            after=asked,
        )


def _steps(page: Sequence[Found]) -> list[tuple[int, Sequence[Found]]]:
    """The deliveries of a page by endpoint, in their order, no more at once than a transaction may cancel."""
    by_endpoint: dict[int, list[Found]] = {}
    for one in page:
        by_endpoint.setdefault(one[1], []).append(one)
    return [
        (endpoint, found[start : start + CANCELLED_AT_ONCE])
        for endpoint, found in by_endpoint.items()
        for start in range(0, len(found), CANCELLED_AT_ONCE)
    ]
