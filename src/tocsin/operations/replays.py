"""What people do about the past: replay it to an endpoint, see how far that is, pause, resume, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from tocsin.errors import Conflict, InvalidRequest, NotFound
from tocsin.formats import renderer_of
from tocsin.model.audit import Action, Actor, AuditEntry
from tocsin.model.endpoint import Endpoint
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter
from tocsin.model.ids import EndpointId, IdMint, Millis, ReplayId
from tocsin.model.noun import Noun
from tocsin.model.replay import REPLAY_TRANSITIONS, Only, Replay, ReplayState, ReplayStep
from tocsin.operations.auditing import audit_entry
from tocsin.operations.documents import ReplayShown, replay_shown
from tocsin.operations.endpoint_codec import with_fields
from tocsin.operations.endpoints import Endpoints
from tocsin.ports import ReplayQuery
from tocsin.ports import Replays as ReplayStore
from tocsin.rules.replaying import takes

_ACTIONS: Final[Mapping[ReplayState, Action]] = {
    ReplayState.PAUSED: "replay.paused",
    ReplayState.RUNNING: "replay.resumed",
    ReplayState.CANCELLED: "replay.cancelled",
}
_PAGE: Final = 512
_BREATHE: Final = 64
"""Events judged before others have a turn on the loop."""


class ReplayRequest(Noun, frozen=True, kw_only=True):
    """What is to be replayed. Times in ms, `[since, until)` over the time of acceptance."""

    endpoint_id: EndpointId
    since: Millis | None = None
    until: Millis | None = None
    filters: tuple[Filter, ...] = ()
    only: Only = "all"
    dead_reason: str | None = None
    rate_per_second: float | None = None
    new_webhook_ids: bool = False


class Follower(Protocol):
    """What the replaying loop of this process is told."""

    def changed(self, replay: Replay) -> None:
        """A replay is new, goes on, pauses or is cancelled."""

    def rate(self, replay: Replay) -> float | None:
        """How many of its deliveries were settled a second, lately; None when that is not known."""


class Replays:
    """Replays of the endpoints that a caller may see; each step is in the audit log as taken `by` somebody."""

    __slots__ = ("_endpoints", "_follower", "_mint", "_now_ms", "_store")

    def __init__(
        self,
        store: ReplayStore,
        *,
        endpoints: Endpoints,
        follower: Follower,
        mint: IdMint,
        now_ms: Callable[[], Millis],
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._follower = follower
        self._mint = mint
        self._now_ms = now_ms

    async def count(self, request: ReplayRequest, tenant: str | None) -> int:
        """How many events it would take now. Raises NotFound, InvalidRequest."""
        return (await self.planned(request, tenant)).total

    async def create(self, request: ReplayRequest, tenant: str | None, *, by: Actor) -> Replay:
        """Count, and begin. Raises NotFound, InvalidRequest; Conflict when the endpoint is disabled."""
        endpoint = await self._endpoints.get(request.endpoint_id, tenant)
        if not endpoint.config.enabled:
            raise Conflict("The endpoint is disabled; enable it before you replay to it.")
        return await self.begin(await self.planned(request, tenant), by=by)

    async def begin(self, planned: Replay, *, by: Actor) -> Replay:
        """Start what was planned, to an endpoint that is enabled."""
        replay = await self._store.add(planned, self._entry(by, "replay.created", None, planned))
        self._follower.changed(replay)
        return replay

    async def get(self, replay_id: ReplayId, tenant: str | None) -> Replay:
        """One, with its progress. Raises NotFound."""
        replay = await self._store.replay(replay_id, tenant)
        if replay is None:
            raise NotFound
        return replay

    async def list(self, query: ReplayQuery) -> Sequence[Replay]:
        """A page of them, newest first."""
        return await self._store.replays(query)

    async def take(self, step: ReplayStep, replay_id: ReplayId, tenant: str | None, *, by: Actor) -> Replay:
        """Pause, resume or cancel. A replay that is there already stays so. Raises NotFound, Conflict."""
        replay = await self.get(replay_id, tenant)
        to = REPLAY_TRANSITIONS.get((replay.state, step))
        if to is None:
            if replay.state in {after for (_, taken), after in REPLAY_TRANSITIONS.items() if taken is step}:
                return replay
            raise Conflict(f"The replay is {replay.state.value}.", state=replay.state.value)
        reason = "cancelled by hand" if to is ReplayState.CANCELLED else None
        entry = self._entry(by, _ACTIONS[to], replay, with_fields(replay, state=to, reason=reason))
        await self._store.change(replay, to, reason, entry.at, entry)
        replay = await self.get(replay_id, tenant)
        self._follower.changed(replay)
        return replay

    def _entry(self, by: Actor, action: Action, before: Replay | None, after: Replay) -> AuditEntry:
        return audit_entry(
            self._mint,
            self._now_ms(),
            by,
            action,
            after.id,
            tenant=after.tenant,
            before=before and replay_shown(before),
            after=replay_shown(after),
        )

    def shown(self, replay: Replay) -> ReplayShown:
        """A replay with how fast it goes."""
        return replay_shown(replay, self._follower.rate(replay))

    async def planned(self, request: ReplayRequest, tenant: str | None) -> Replay:
        """A replay with its total, not stored. Raises NotFound, InvalidRequest."""
        endpoint = await self._endpoints.get(request.endpoint_id, tenant)
        if request.since is not None and request.until is not None and request.since >= request.until:
            raise InvalidRequest.at("/until", "The end must be later than the beginning.")
        position, last = await self._store.span(endpoint.tenant, request.since, request.until)
        planned = Replay(
            number=0,
            id=self._mint.replay(),
            tenant=endpoint.tenant,
            endpoint=endpoint.number,
            endpoint_id=endpoint.id,
            state=ReplayState.RUNNING,
            reason=None,
            filters=request.filters,
            only=request.only,
            dead_reason=request.dead_reason,
            rate_per_second=request.rate_per_second,
            new_webhook_ids=request.new_webhook_ids,
            since=request.since,
            until=request.until,
            position=position,
            last=max(position, last),
            total=0,
            made=0,
            done=0,
            failed=0,
            created_at=self._now_ms(),
            finished_at=None,
        )
        total, at, always = 0, planned, at_all_times(endpoint)
        while at.position < at.last:
            taken, end = await chosen(self._store, at, always, _PAGE)
            total += len(taken)
            at = with_fields(at, position=end)
        return with_fields(planned, total=total)


def at_all_times(endpoint: Endpoint) -> Endpoint:
    """The endpoint as its replays see it: enabled, and also for events from before it was made."""
    return with_fields(endpoint, active_from=-1, config=with_fields(endpoint.config, enabled=True))


async def chosen(store: ReplayStore, replay: Replay, endpoint: Endpoint, limit: int) -> tuple[list[EventView], int]:
    """Of the next `limit` candidates those that the replay takes, and the position up to which it looked."""
    renderer = renderer_of(endpoint.config)
    page = await store.candidates(replay, replay.position, limit)
    taken: list[EventView] = []
    for count, event in enumerate(page.events, 1):
        view = EventView(event)
        if takes(endpoint, replay.filters, view) and renderer.expresses(view):
            taken.append(view)
        view.where_context = None
        if count % _BREATHE == 0:
            await asyncio.sleep(0)
    return taken, page.end
