"""Operational events: what happened to endpoints, deliveries and replays, told on the same path as everything else.

They cannot feed themselves: what becomes of an operational event's own delivery is told to nobody.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from tocsin.errors import TocsinError
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.ids import Millis
from tocsin.model.notice import DeadNotice, EndpointNotice, Notice, Notices, NoticeType, ReplayNotice
from tocsin.model.noun import Noun
from tocsin.model.replay import Replay
from tocsin.model.submission import Accepted, Submission
from tocsin.model.times import to_text
from tocsin.telemetry import log

WAITING: Final = 10_000
"""Notices that may wait to be accepted; beyond it the oldest is dropped, with a line in the log."""
COALESCED_SECONDS: Final = 60.0
"""How long what is given up on for one endpoint is gathered into one event."""
NAMED: Final = 20
_RETRY_SECONDS: Final = 1.0
_encode = msgspec.json.Encoder().encode


class Died(Noun, frozen=True, kw_only=True):
    """A delivery that was given up on."""

    delivery_id: str
    reason: str | None


class _Dead:
    """What was given up on for an endpoint since `since`."""

    __slots__ = ("count", "endpoint", "named", "reasons", "since")

    def __init__(self, endpoint: Endpoint, since: Millis) -> None:
        self.endpoint = endpoint
        self.since = since
        self.count = 0
        self.reasons: Counter[str] = Counter()
        self.named: list[str] = []


class NoticeWorker:
    """Takes notices at any time and hands them to accept, in order."""

    def __init__(
        self,
        accept: Callable[[Submission], Awaitable[Accepted]],
        now_ms: Callable[[], Millis],
        *,
        coalesced_seconds: float = COALESCED_SECONDS,
    ) -> None:
        self._accept = accept
        self._now_ms = now_ms
        self._coalesced_seconds = coalesced_seconds
        self._waiting: deque[Notice] = deque()
        self._dead: dict[int, _Dead] = {}
        self._news = asyncio.Event()
        self._is_stopping = False

    def endpoint_changed(
        self, kind: NoticeType, endpoint: Endpoint, standing: Standing | None, reason: str | None
    ) -> None:
        """An endpoint was disabled, was paused, or answers well again."""
        now = self._now_ms()
        paused_until = failing_since = None
        if standing is not None:
            until = max(standing.paused_until or 0, standing.circuit.probe_at or 0)
            paused_until = to_text(until) if until > now else None
            failing_since = to_text(standing.failing_since) if standing.failing_since is not None else None
        data = EndpointNotice(
            endpoint_id=endpoint.id,
            name=endpoint.config.name,
            url=endpoint.config.url,
            reason=reason,
            paused_until=paused_until,
            failing_since=failing_since,
        )
        self._tell(kind, endpoint.tenant, endpoint.id, _encode(data), f"{kind} {endpoint.id} {endpoint.revision} {now}")

    def died(self, endpoint: Endpoint, died: Died) -> None:
        """A delivery was given up on. All of an endpoint within a minute are told together."""
        dead = self._dead.get(endpoint.number)
        if dead is None:
            dead = self._dead[endpoint.number] = _Dead(endpoint, self._now_ms())
            self._news.set()
        dead.count += 1
        dead.reasons[died.reason or "unknown"] += 1
        if len(dead.named) < NAMED:
            dead.named.append(died.delivery_id)

    def replay_ended(self, replay: Replay) -> None:
        """A replay is over."""
        data = ReplayNotice(
            replay_id=replay.id,
            endpoint_id=replay.endpoint_id,
            state=replay.state.value,
            reason=replay.reason,
            total=replay.total,
            done=replay.done,
            failed=replay.failed,
        )
        self._tell("replay.finished", replay.tenant, replay.id, _encode(data), f"replay.finished {replay.id}")

    def stop(self) -> None:
        """Tell what has been gathered, then end."""
        self._is_stopping = True
        self._news.set()

    async def run(self) -> None:
        while True:
            self._news.clear()
            self._gather(self._now_ms())
            while self._waiting and await self._told():
                continue
            if self._is_stopping:
                return
            wait = _RETRY_SECONDS if self._waiting else self._seconds_left()
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _tell(self, kind: NoticeType, tenant: str, about: str, data: bytes, once: str) -> None:
        if len(self._waiting) >= WAITING:
            dropped = self._waiting.popleft()
            log.error("notice.dropped", type=dropped.type, about=dropped.about)
        notice = Notice(type=kind, tenant=tenant, about=about, time=self._now_ms(), data=data, once=once)
        self._waiting.append(notice)
        self._news.set()

    def _gather(self, now: Millis) -> None:
        """What was given up on long enough ago becomes a notice."""
        for number, dead in tuple(self._dead.items()):
            if not self._is_stopping and now - dead.since < self._coalesced_seconds * 1000:
                continue
            del self._dead[number]
            endpoint = dead.endpoint
            data = DeadNotice(
                endpoint_id=endpoint.id,
                name=endpoint.config.name,
                count=dead.count,
                reasons=dict(dead.reasons),
                delivery_ids=dead.named,
            )
            once = f"delivery.dead {endpoint.id} {dead.since}"
            self._tell("delivery.dead", endpoint.tenant, endpoint.id, _encode(data), once)

    def _seconds_left(self) -> float | None:
        if not self._dead:
            return None
        first = min(dead.since for dead in self._dead.values())
        return max(0.01, self._coalesced_seconds - (self._now_ms() - first) / 1000)

    async def _told(self) -> bool:
        """Hand over the first one; False when it has to wait."""
        notice = self._waiting[0]
        body = Notices(items=(notice,))
        try:
            await self._accept(Submission(tenant=notice.tenant, received_at=self._now_ms(), body=body))
        except TocsinError as problem:
            log.error("notice.waits", problem=problem.slug)
            return False
        self._waiting.popleft()
        return True
