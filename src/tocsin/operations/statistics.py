"""The numbers of a range as people see them: asked for by name or by its ends, counted by tallies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from tocsin.errors import InvalidRequest
from tocsin.model.exchange import ErrorKind
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.model.tally import Percentiles, Span
from tocsin.model.times import to_text
from tocsin.operations.documents import time_or_none
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.operations.metrics import Exposition
from tocsin.operations.outgoing import Out, Outgoing
from tocsin.operations.troubled import Standings, Troubled, troubled
from tocsin.ports import FailingEndpoint, StatsQuery, StatsView, StoredEndpoint, Strip, StripCell, StripQuery, Views
from tocsin.rules.ranges import MINUTE_MS, NAMED, Range, range_of
from tocsin.telemetry import Metrics

FAILING: Final = 10
DEFAULT_RANGE: Final = "1h"
_HOUR_MINUTES: Final = 60
_HOUR_MS: Final = _HOUR_MINUTES * MINUTE_MS


class Attempts(Noun, frozen=True, kw_only=True):
    """Attempts by outcome; a batch is one attempt."""

    total: int
    delivered: int
    retry: int
    rejected: int


class Ended(Noun, frozen=True, kw_only=True):
    """Deliveries by the state that they came to. `cancelled` is less than none where more cancelled ones succeeded after all
    than were cancelled."""

    delivered: int
    dead: int
    cancelled: int


class Point(Noun, frozen=True, kw_only=True):
    """A part of the range that begins at `at`; the last one may not be over yet. `pending_deliveries` and
    `oldest_pending_seconds` are as of its end."""

    at: str
    events: int
    attempts: Attempts
    deliveries: Ended
    success_rate: float | None
    attempt_ms: Percentiles
    delivered_ms: Percentiles
    pending_deliveries: int
    oldest_pending_seconds: float | None


class Failing(Noun, frozen=True, kw_only=True):
    """An endpoint whose attempts failed in the range; what is pending and dead of it is of now."""

    endpoint_id: str
    name: str
    tenant: str
    attempts: int
    failures: int
    success_rate: float | None
    pending_deliveries: int
    dead_deliveries: int


class Numbers(Noun, frozen=True, kw_only=True):
    """Numbers of the moment, then of the range `[since, until)`, which is widened to whole points of `step_seconds`.
    `success_rate` is the share of attempts that were delivered; `attempt_ms` how long attempts took, `delivered_ms` how long it
    was from accept to delivered (live traffic; resends and replays are left out). What there is none of is null;
    `in_flight` is when a node did not tell in time."""

    pending_deliveries: int
    dead_deliveries: int
    oldest_pending_at: str | None
    oldest_pending_seconds: float | None
    in_flight: int | None
    since: str
    until: str
    step_seconds: int
    attempts: Attempts
    deliveries: Ended
    success_rate: float | None
    errors: Mapping[ErrorKind, int]
    attempt_ms: Percentiles
    delivered_ms: Percentiles
    series: tuple[Point, ...]


class EndpointStatsShown(Numbers, frozen=True, kw_only=True):
    """The numbers of one endpoint. Events are not of an endpoint: `events` is 0 in its points. `limit_in_force` is how many requests
    may be out at once as things are; null: nothing was sent since the server started, or the node that
    knows did not tell in time."""

    endpoint_id: str
    limit_in_force: int | None


class HourShown(Noun, frozen=True, kw_only=True):
    """Attempts in the hour that begins at `at`; the last one is not over yet."""

    at: str
    delivered: int
    failed: int


class EndpointStripShown(Noun, frozen=True, kw_only=True):
    """An endpoint over the last 24 hours, by the hour; what is pending and dead is of now. `success_rate` is the share of attempts
    that were delivered, `attempt_p99_ms` how long 99 of 100 attempts took at most; null: there were none."""

    endpoint_id: str
    hours: tuple[HourShown, ...]
    success_rate: float | None
    attempt_p99_ms: float | None
    pending_deliveries: int
    dead_deliveries: int


class StatsShown(Numbers, frozen=True, kw_only=True):
    """Numbers over everything the caller may see. `events` were accepted in the range; `failing` are the ten endpoints with most
    failed attempts in it, `troubled` at most ten that need somebody now."""

    last_position: int
    events: int
    failing: tuple[Failing, ...]
    troubled: tuple[Troubled, ...]


class Statistics:
    """Numbers of tenants and endpoints."""

    def __init__(
        self,
        views: Views,
        codec: EndpointCodec,
        out: Outgoing,
        metrics: Metrics,
        now_ms: Callable[[], Millis],
        standings: Standings,
    ) -> None:
        self._views = views
        self._codec = codec
        self._out = out
        self._now_ms = now_ms
        self._standings = standings
        self._exposition = Exposition(views, metrics)

    async def for_prometheus(self) -> bytes:
        """Of the whole server, in Prometheus' text format."""
        return await self._exposition.text(self._now_ms())

    async def of_tenant(
        self, tenant: str | None, name: str | None, since: Millis | None, until: Millis | None
    ) -> StatsShown:
        """Of a tenant (None: of all), over a range by its name or its ends. Raises InvalidRequest."""
        asked, now = self._range(name, since, until)
        view = await self._views.stats(
            StatsQuery(tenant=tenant, minutes=asked.minutes, step=asked.step, failing=FAILING)
        )
        assert view.whole is not None
        out = await self._out.of(tenant, None)
        return StatsShown(
            **msgspec.structs.asdict(_numbers(view, asked, now, out)),
            last_position=view.head,
            events=view.whole.events,
            failing=tuple(self._failing(one) for one in view.failing),
            troubled=troubled(await self._standings(tenant), now),
        )

    async def of_endpoint(
        self, number: int, endpoint_id: str, tenant: str, name: str | None, since: Millis | None, until: Millis | None
    ) -> EndpointStatsShown:
        """Of one endpoint of this tenant. Raises InvalidRequest."""
        asked, now = self._range(name, since, until)
        query = StatsQuery(tenant=tenant, endpoint=number, minutes=asked.minutes, step=asked.step)
        view = await self._views.stats(query)
        out = await self._out.of(tenant, number)
        return EndpointStatsShown(
            **msgspec.structs.asdict(_numbers(view, asked, now, out)), endpoint_id=endpoint_id, limit_in_force=out.limit
        )

    async def of_page(self, tenant: str | None, endpoints: Sequence[StoredEndpoint]) -> list[EndpointStripShown]:
        """Of these endpoints, in their order."""
        last = -(-(self._now_ms() + 1) // _HOUR_MS) * _HOUR_MINUTES
        minutes = range(last - 24 * _HOUR_MINUTES, last + 1, _HOUR_MINUTES)
        numbers = tuple(endpoint.number for endpoint in endpoints)
        query = StripQuery(tenant=tenant, endpoints=numbers, minutes=minutes, step=_HOUR_MINUTES)
        found = await self._views.strips(query) if numbers else {}
        nothing = Strip(
            cells=tuple(StripCell(minute=minute, delivered=0, failed=0) for minute in minutes[:-1]),
            attempt_p99_ms=None,
            pending=0,
            dead=0,
        )
        return [_strip_shown(endpoint, found.get(endpoint.number, nothing)) for endpoint in endpoints]

    def _range(self, name: str | None, since: Millis | None, until: Millis | None) -> tuple[Range, Millis]:
        now = self._now_ms()
        if name is not None and (since is not None or until is not None):
            raise InvalidRequest.at("range", "Give either a range, or since and until.")
        end = now if until is None else min(until, now)
        start = end - NAMED[name or DEFAULT_RANGE] * MINUTE_MS if since is None else since
        if start >= end:
            raise InvalidRequest.at("since", "The range must begin before it ends, and in the past.")
        return range_of(start, end, now), now

    def _failing(self, failing: FailingEndpoint) -> Failing:
        endpoint = self._codec.endpoint_of(failing.endpoint)
        return Failing(
            endpoint_id=endpoint.id,
            name=endpoint.config.name,
            tenant=endpoint.tenant,
            attempts=failing.attempts,
            failures=failing.failures,
            success_rate=_share(failing.attempts - failing.failures, failing.attempts),
            pending_deliveries=failing.pending,
            dead_deliveries=failing.dead,
        )


def _strip_shown(endpoint: StoredEndpoint, strip: Strip) -> EndpointStripShown:
    delivered = sum(cell.delivered for cell in strip.cells)
    return EndpointStripShown(
        endpoint_id=endpoint.id,
        hours=tuple(
            HourShown(at=to_text(cell.minute * MINUTE_MS), delivered=cell.delivered, failed=cell.failed)
            for cell in strip.cells
        ),
        success_rate=_share(delivered, delivered + sum(cell.failed for cell in strip.cells)),
        attempt_p99_ms=strip.attempt_p99_ms,
        pending_deliveries=strip.pending,
        dead_deliveries=strip.dead,
    )


def _numbers(view: StatsView, asked: Range, now: Millis, out: Out) -> Numbers:
    whole, moment = view.whole, view.now
    assert whole is not None
    return Numbers(
        pending_deliveries=moment.pending,
        dead_deliveries=moment.dead,
        oldest_pending_at=time_or_none(moment.oldest_at),
        oldest_pending_seconds=_age(moment.oldest_at, now),
        in_flight=out.requests,
        since=to_text(whole.since),
        until=to_text(whole.until),
        step_seconds=asked.every * 60,
        attempts=_attempts(whole),
        deliveries=_ended(whole),
        success_rate=_success(whole),
        errors=whole.errors,
        attempt_ms=whole.attempt_ms,
        delivered_ms=whole.delivered_ms,
        series=tuple(_point(span, now) for span in view.points),
    )


def _point(span: Span, now: Millis) -> Point:
    return Point(
        at=to_text(span.since),
        events=span.events,
        attempts=_attempts(span),
        deliveries=_ended(span),
        success_rate=_success(span),
        attempt_ms=span.attempt_ms,
        delivered_ms=span.delivered_ms,
        pending_deliveries=span.pending,
        oldest_pending_seconds=_age(span.oldest_at, min(span.until, now)),
    )


def _attempts(span: Span) -> Attempts:
    return Attempts(
        total=span.attempts_delivered + span.attempts_retry + span.attempts_rejected,
        delivered=span.attempts_delivered,
        retry=span.attempts_retry,
        rejected=span.attempts_rejected,
    )


def _ended(span: Span) -> Ended:
    return Ended(delivered=span.delivered, dead=span.died, cancelled=span.cancelled)


def _success(span: Span) -> float | None:
    attempts = _attempts(span)
    return _share(attempts.delivered, attempts.total)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _age(since: Millis | None, at: Millis) -> float | None:
    return None if since is None else max(0, at - since) / 1000
