"""Overview: how it goes, in one glance; which endpoints need somebody, which jobs run, and what became of deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tocsin.model.noun import Noun
from tocsin.model.tally import Percentiles
from tocsin.ui import texts
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import ApiAnswer, Refused
from tocsin.ui.drawing import Sparkline, sparkline, stacked
from tocsin.ui.navigation import HOME
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

RANGES: Final = {"1h": "1 hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
OUTCOMES: Final = ("delivered", "retrying", "dead", "cancelled")
"""In the order in which they are stacked; the ones that are retried are attempts, the others deliveries."""
JOBS: Final = 6
FAILING: Final = 5


class AttemptCounts(Noun, frozen=True, kw_only=True):
    """Attempts by outcome."""

    total: int
    retry: int


class EndedCounts(Noun, frozen=True, kw_only=True):
    """Deliveries by the state that they came to."""

    delivered: int
    dead: int
    cancelled: int


class StatsPoint(Noun, frozen=True, kw_only=True):
    """A part of the range."""

    at: str
    events: int
    attempts: AttemptCounts
    deliveries: EndedCounts
    success_rate: float | None
    delivered_ms: Percentiles
    pending_deliveries: int
    oldest_pending_seconds: float | None

    def by_outcome(self) -> dict[str, int]:
        ended = self.deliveries
        return {
            "delivered": ended.delivered,
            "retrying": self.attempts.retry,
            "dead": ended.dead,
            "cancelled": max(ended.cancelled, 0),
        }


class Trouble(Noun, frozen=True, kw_only=True):
    """An endpoint that needs somebody."""

    endpoint_id: str
    name: str
    tenant: str
    state: str
    reason: str | None
    since: str | None
    paused_until: str | None


class Failing(Noun, frozen=True, kw_only=True):
    """An endpoint with failed attempts in the range."""

    endpoint_id: str
    name: str
    tenant: str
    attempts: int
    failures: int
    success_rate: float | None
    pending_deliveries: int
    dead_deliveries: int


class Stats(Noun, frozen=True, kw_only=True):
    """What is shown of `/v1/stats`."""

    pending_deliveries: int
    dead_deliveries: int
    oldest_pending_seconds: float | None
    step_seconds: int
    since: str
    until: str
    events: int
    attempts: AttemptCounts
    deliveries: EndedCounts
    success_rate: float | None
    errors: Mapping[str, int]
    delivered_ms: Percentiles
    series: tuple[StatsPoint, ...]
    failing: tuple[Failing, ...]
    troubled: tuple[Trouble, ...]


class JobRow(Noun, frozen=True, kw_only=True):
    """A job in a short list."""

    job_id: str
    job_type: str
    name: str | None
    state: str
    state_since: str
    details: str | None


class JobList(Noun, frozen=True, kw_only=True):
    """A page of jobs."""

    items: tuple[JobRow, ...]


class Figure(Noun, frozen=True, kw_only=True):
    """One of the numbers at the top, with its line."""

    label: str
    value: str
    note: str
    line: Sparkline


async def _overview(request: UiRequest) -> Answer:
    span = request.query.get("range", "1h")
    answer, running, failed = await asyncio.gather(
        request.api.get("/v1/stats", {"range": span}), _jobs(request, "running"), _jobs(request, "failed")
    )
    stats = _read(answer)
    columns = [(f"{_time(point, stats)}: {_words(point)}", point.by_outcome()) for point in stats.series]
    points = stats.series
    return page(
        request,
        "overview.html",
        title="Overview",
        command=f"tocsin stats --range {span}",
        stats=stats,
        span=span,
        ranges=[(name, request.here(range=key), key == span) for key, name in RANGES.items()],
        figures=figures(stats, RANGES.get(span, "the range")),
        failing=stats.failing[:FAILING],
        chart=stacked(columns, OUTCOMES),
        axis=[_time(point, stats) for point in (points[0], points[len(points) // 2], points[-1])] if points else [],
        jobs=[*running, *failed],
    )


def _read(answer: ApiAnswer) -> Stats:
    if not answer.is_ok:
        raise Refused(answer.problem)
    return answer.read(Stats)


async def _jobs(request: UiRequest, state: str) -> tuple[JobRow, ...]:
    answer = await request.api.get("/v1/jobs", {"state": state, "limit": JOBS})
    return answer.read(JobList).items if answer.is_ok else ()


def figures(stats: Stats, span: str) -> tuple[Figure, ...]:
    """The five numbers: of the moment where there is one, else of the range."""
    points, step = stats.series, stats.step_seconds
    last = points[-2] if len(points) > 1 else points[-1]
    oldest = stats.oldest_pending_seconds
    seconds = step * max(len(points) - 1, 1)
    return (
        Figure(
            label="accepted",
            value=f"{_rate(last.events, step)} /s",
            note=f"{texts.number(stats.events)} in {span}, {_rate(stats.events, seconds)} /s",
            line=_line(points, lambda point: point.events),
        ),
        Figure(
            label="delivered",
            value=f"{_rate(last.deliveries.delivered, step)} /s",
            note=f"{texts.number(stats.deliveries.delivered)} in {span}, {texts.number(stats.deliveries.dead)} dead",
            line=_line(points, lambda point: point.deliveries.delivered),
        ),
        Figure(
            label=f"success, {span}",
            value=texts.percent(stats.success_rate),
            note=f"of {texts.number(stats.attempts.total)} attempts",
            line=_line(points, lambda point: point.success_rate),
        ),
        Figure(
            label="accept to receipt, p99",
            value=texts.duration(stats.delivered_ms.p99),
            note=f"p50 {texts.duration(stats.delivered_ms.p50)}, p95 {texts.duration(stats.delivered_ms.p95)}",
            line=_line(points, lambda point: point.delivered_ms.p99),
        ),
        Figure(
            label="backlog",
            value=texts.number(stats.pending_deliveries),
            note=f"oldest {texts.duration(oldest * 1000)}" if oldest is not None else "nothing waits",
            line=_line(points, lambda point: point.pending_deliveries),
        ),
    )


def _line(points: Sequence[StatsPoint], value: Callable[[StatsPoint], float | None]) -> Sparkline:
    return sparkline([value(point) for point in points])


def _rate(count: int, seconds: int) -> str:
    rate = count / seconds
    if 0 < rate < 0.01:
        return "< 0.01"
    return texts.number(rate, 0 if rate >= 100 or rate == 0 else 1 if rate >= 1 else 2)


def _time(point: StatsPoint, stats: Stats) -> str:
    """When a column begins (UTC): with its day where the range is longer than hours."""
    return texts.utc(point.at)[11 if stats.step_seconds == 60 else 5 : 16]


def _words(point: StatsPoint) -> str:
    return ", ".join(f"{texts.number(count)} {outcome}" for outcome, count in point.by_outcome().items() if count)


ROUTES: Final[tuple[UiRoute, ...]] = (UiRoute(method="GET", path=HOME, page=_overview),)
