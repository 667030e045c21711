"""The loop that notices jobs which take too long: it sleeps until the first is overdue or lost, and tells accept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tocsin.config import Settings
from tocsin.errors import Misconfigured, TocsinError
from tocsin.model.ids import Millis
from tocsin.model.submission import Accepted, Overrun, Submission
from tocsin.ports import JobOver, Log
from tocsin.rules.job_watch import JobLimits, parse_limits
from tocsin.telemetry import log
from tocsin.workers.held import Held

PAGE: Final = 200
LOOK_SECONDS: Final = 1.0
"""How often it looks; a job that was reported meanwhile is seen in time."""
_RETRY_SECONDS: Final = 1.0


class JobWatch:
    """Watches the jobs of every tenant, in one process only. Accept judges again: a report may have come in between."""

    def __init__(
        self,
        reader: Log,
        accept: Callable[[Submission], Awaitable[Accepted]],
        now_ms: Callable[[], Millis],
        held: Held,
    ) -> None:
        self._log = reader
        self._held = held
        self._accept = accept
        self._now_ms = now_ms
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        while not self._stop.is_set():
            wait = LOOK_SECONDS
            try:
                found = await self._log.jobs_over(PAGE) if self._held.runs_once else ()
                over = [one for one in found if one.at <= self._now_ms()]
                if over:
                    await self._tell(over)
                    continue
            except TocsinError as problem:
                log.error("job_watch.waits", problem=problem.slug)
                wait = _RETRY_SECONDS
            try:
                async with asyncio.timeout(wait):
                    await self._stop.wait()
            except TimeoutError:
                continue

    async def _tell(self, over: list[JobOver]) -> None:
        by_tenant: dict[str, list[JobOver]] = {}
        for one in over:
            by_tenant.setdefault(one.tenant, []).append(one)
        for tenant, jobs in by_tenant.items():
            body = Overrun(items=tuple((job.job_id, job.kind) for job in jobs))
            await self._accept(Submission(tenant=tenant, received_at=self._now_ms(), body=body))


def job_limits_of(settings: Settings) -> JobLimits:
    """What is set about jobs that take too long. Raises Misconfigured."""
    try:
        return JobLimits(overdue=parse_limits(settings.job_overdue_after), lost=parse_limits(settings.job_lost_after))
    except ValueError as error:
        raise Misconfigured(f"TOCSIN_JOB_OVERDUE_AFTER, TOCSIN_JOB_LOST_AFTER: {error}.") from error
