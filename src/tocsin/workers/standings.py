"""How each endpoint stands, followed attempt by attempt: kept where a restart must find it, and acted on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence

from tocsin.errors import Conflict, StorageFull, StoreUnavailable
from tocsin.model.delivery import Claim
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.event import OPERATIONAL_SUBJECT_TYPES
from tocsin.model.ids import Millis
from tocsin.rules.health import began_anew, standing_after
from tocsin.rules.outcome import Settled, shows_trouble
from tocsin.telemetry import log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.lanes import Outlet
from tocsin.workers.notices import Died, NoticeWorker


class Standings:
    """Follows the standings in `endpoints`. `disable` is told the number of an endpoint that is gone (410), or that only failed
    for too long."""

    def __init__(
        self,
        endpoints: Endpoints,
        now_ms: Callable[[], Millis],
        disable: Callable[[int], Awaitable[None]],
        notices: NoticeWorker,
    ) -> None:
        self._endpoints = endpoints
        self._notices = notices
        self._now_ms = now_ms
        self._disable = disable
        self._background: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Finish what a crash cut short: endpoints that were to be disabled."""
        for number, standing in tuple(self._endpoints.standings.items()):
            if standing.stopped and number in self._endpoints.prepared:
                await self._stop_sending(number)

    def close(self) -> None:
        for task in self._background:
            task.cancel()

    def follow(
        self, outlet: Outlet, endpoint: Endpoint, claims: Sequence[Claim], settled: Settled, *, gave_up: bool
    ) -> None:
        """What the exchange for these deliveries means for the endpoint: its standing, and how many requests may be out."""
        is_told = any(claim.event.subject_type not in OPERATIONAL_SUBJECT_TYPES for claim in claims)
        for claim in claims if gave_up else ():
            self.gave_up(endpoint, claim, settled.settlement.reason)
        now, attempt = self._now_ms(), settled.settlement.attempt
        if attempt.outcome == "delivered":
            outlet.allowance.succeeded(attempt.timings.total)
        elif settled.effect != "none":
            outlet.allowance.restart()
        elif shows_trouble(attempt):
            outlet.allowance.failed(attempt.started_at, now, attempt.timings.total)
        before = self._endpoints.standings.get(outlet.endpoint) or Standing(endpoint=outlet.endpoint)
        after = standing_after(before, settled, endpoint.config.circuit, now)
        if after is before:
            return
        if after.circuit.opened_at != before.circuit.opened_at and after.circuit.opened_at is not None:
            outlet.allowance.restart()
        if _is_worth_keeping(before, after):
            self._stand(after)
        else:
            self._endpoints.standings[outlet.endpoint] = after
        if is_told:
            self._tell(endpoint, before, after)
        if after.stopped and not before.stopped:
            self._in_background(self._stop_sending(outlet.endpoint))

    def gave_up(self, endpoint: Endpoint, claim: Claim, reason: str | None) -> None:
        """A delivery is dead."""
        if claim.event.subject_type not in OPERATIONAL_SUBJECT_TYPES:
            self._notices.died(endpoint, Died(delivery_id=claim.delivery.id, reason=reason))

    def _tell(self, endpoint: Endpoint, before: Standing, after: Standing) -> None:
        """Operational events about what an attempt changed."""
        was_held = before.paused_until is not None or before.circuit.opened_at is not None
        if after.stopped and not before.stopped:
            self._notices.endpoint_changed("endpoint.disabled", endpoint, after, after.stopped)
        elif (after.circuit.opened_at is not None and before.circuit.opened_at is None) or (
            after.paused_until is not None and before.paused_until is None
        ):
            self._notices.endpoint_changed("endpoint.paused", endpoint, after, after.reason)
        elif after.failing_since is None and not after.reason and (was_held or before.circuit.openings):
            self._notices.endpoint_changed("endpoint.recovered", endpoint, None, None)

    def begin_anew(self, number: int) -> None:
        """An endpoint that is enabled again has a clean standing."""
        standing = self._endpoints.standings.get(number)
        if standing is not None and (fresh := began_anew(standing)) != standing:
            self._stand(fresh)

    async def _stop_sending(self, endpoint: int) -> None:
        try:
            await self._disable(endpoint)
        except (StoreUnavailable, StorageFull, Conflict) as error:
            log.error("endpoint.not_disabled", problem=error.slug)

    def _stand(self, standing: Standing) -> None:
        """How an endpoint stands from now on; it is stored as well."""
        self._endpoints.standings[standing.endpoint] = standing
        self._in_background(self._keep(standing))

    async def _keep(self, standing: Standing) -> None:
        try:
            await self._endpoints.keep(standing)
        except (StoreUnavailable, StorageFull) as error:
            log.error("standing.not_kept", problem=error.slug)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _is_worth_keeping(before: Standing, after: Standing) -> bool:
    """Whether a restart must find it: counts of failures alone are not written each time."""
    return (
        after.paused_until != before.paused_until
        or after.failing_since != before.failing_since
        or after.circuit.probe_at != before.circuit.probe_at
        or after.stopped != before.stopped
    )
