"""How each endpoint stands, followed attempt by attempt: kept where a restart must find it, and acted on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Final

import msgspec

from tocsin.errors import Conflict, StorageFull, StoreUnavailable
from tocsin.model.delivery import Claim
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.event import OPERATIONAL_SUBJECT_TYPES
from tocsin.model.notice import Notice
from tocsin.ports import Fenced, Holder, Wish
from tocsin.rules.health import began_anew, standing_after
from tocsin.rules.notices import change_told
from tocsin.rules.outcome import Settled, shows_trouble
from tocsin.telemetry import log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.lanes import Outlet
from tocsin.workers.notices import NoticeWorker

_RETRY_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 1.0


class Standings:
    """Follows the standings in `endpoints`. `disable` is told the number of an endpoint that is gone (410), or that only failed
    for too long, `fenced` that others have taken over; `right` gives the right to write what concerns a tenant. What somebody asked for
    and that cannot be written here any more is a `wish` to the next holder."""

    def __init__(
        self,
        endpoints: Endpoints,
        disable: Callable[[int], Awaitable[None]],
        notices: NoticeWorker,
        right: Callable[[str], Holder | None],
        fenced: Callable[[Holder], None],
        wish: Callable[[Wish], Awaitable[None]] | None,
    ) -> None:
        self._wish = wish
        self._endpoints = endpoints
        self._right = right
        self._fenced = fenced
        self._notices = notices
        self._disable = disable
        self._background: set[asyncio.Task[None]] = set()
        self._keeping: set[asyncio.Task[None]] = set()
        self._asked: set[asyncio.Task[None]] = set()

    def start(self, endpoints: Collection[int]) -> None:
        """Finish what was cut short, or done while nobody held them: endpoints that were to be disabled, or were enabled since."""
        for number in endpoints:
            standing, preparation = self._endpoints.standings.get(number), self._endpoints.prepared.get(number)
            if standing is None or preparation is None or not standing.stopped:
                continue
            if preparation.endpoint.config.enabled and preparation.endpoint.revision > standing.stopped_at:
                self.begin_anew(number)
            else:
                _ = self._in_background(self._stop_sending(number))

    async def written(self) -> None:
        """Wait until everything so far is stored."""
        if self._keeping:
            await asyncio.wait(tuple(self._keeping))

    def abandon(self) -> None:
        """Others follow them now; what somebody asked for is stored all the same."""
        for task in self._background - self._asked:
            task.cancel()

    async def close(self) -> None:
        """What is being stored is stored, unless that takes too long."""
        if self._background:
            await asyncio.wait(tuple(self._background), timeout=_CLOSE_SECONDS)
        for task in self._background:
            task.cancel()

    def follow(self, outlet: Outlet, endpoint: Endpoint, claims: Sequence[Claim], settled: Settled) -> None:
        """What the exchange for these deliveries means for the endpoint: its standing, and how many requests may be out."""
        preparation = self._endpoints.prepared.get(outlet.endpoint)
        if preparation is None:
            return
        before = self._endpoints.standings.get(outlet.endpoint)
        attempt = settled.settlement.attempt
        if attempt.outcome == "delivered":
            outlet.allowance.succeeded(attempt.timings.total)
            if before is None:
                return
        else:
            _hold_back(outlet, settled)
        now = settled.settlement.settled_at
        before = before or Standing(endpoint=outlet.endpoint)
        after = standing_after(before, settled, endpoint.config.circuit, now)
        if after is before:
            return
        has_stopped = bool(after.stopped) and not before.stopped
        if has_stopped:
            after = msgspec.structs.replace(after, stopped_at=preparation.endpoint.revision)
        if after.circuit.opened_at != before.circuit.opened_at and after.circuit.opened_at is not None:
            outlet.allowance.restart()
        is_told = any(claim.event.subject_type not in OPERATIONAL_SUBJECT_TYPES for claim in claims)
        notice = change_told(endpoint, before, after, now) if is_told else None
        if notice is not None or _is_worth_keeping(before, after):
            _ = self._stand(after, notice)
        else:
            self._endpoints.standings[outlet.endpoint] = after
        if has_stopped:
            _ = self._in_background(self._stop_sending(outlet.endpoint))

    def begin_anew(self, number: int) -> None:
        """An endpoint that is enabled again has a clean standing."""
        standing = self._endpoints.standings.get(number)
        if standing is not None and (fresh := began_anew(standing)) != standing:
            task = self._stand(fresh, is_asked=True)
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

    async def _stop_sending(self, endpoint: int) -> None:
        """However long that takes: nothing is sent meanwhile, and only an endpoint that is disabled can be enabled again."""
        while True:
            try:
                await self._disable(endpoint)
            except (StoreUnavailable, StorageFull, Conflict) as error:
                log.error("endpoint.not_disabled", problem=error.slug)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    def _stand(self, standing: Standing, notice: Notice | None = None, *, is_asked: bool = False) -> asyncio.Task[None]:
        """How an endpoint stands from now on; it is stored as well, with what is told of it."""
        self._endpoints.standings[standing.endpoint] = standing
        preparation = self._endpoints.prepared.get(standing.endpoint)
        holder = None if preparation is None else self._right(preparation.endpoint.tenant)
        task = self._in_background(self._keep(holder, standing, notice, is_asked=is_asked))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)
        return task

    async def _keep(self, holder: Holder | None, standing: Standing, notice: Notice | None, *, is_asked: bool) -> None:
        """However long that takes; meanwhile it may have changed again."""
        while True:
            try:
                if holder is not None:
                    await self._endpoints.keep(holder, standing, notice)
                elif is_asked and self._wish is not None:
                    await self._wish(Wish(endpoint=standing.endpoint))
            except Fenced:
                if holder is not None:
                    self._fenced(holder)
                holder = None
            except (StoreUnavailable, StorageFull) as error:
                log.error("standing.not_kept", problem=error.slug)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                break
        if notice is not None:
            self._notices.wake()

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _hold_back(outlet: Outlet, settled: Settled) -> None:
    """How many requests may be out from now on, after one that failed."""
    attempt = settled.settlement.attempt
    if settled.effect != "none":
        outlet.allowance.restart()
    elif shows_trouble(attempt):
        outlet.allowance.failed(attempt.started_at, settled.settlement.settled_at, attempt.timings.total)


def _is_worth_keeping(before: Standing, after: Standing) -> bool:
    """Whether a restart must find it: counts of failures alone are not written each time."""
    return (
        after.paused_until != before.paused_until
        or after.failing_since != before.failing_since
        or after.circuit.probe_at != before.circuit.probe_at
        or after.stopped != before.stopped
    )
