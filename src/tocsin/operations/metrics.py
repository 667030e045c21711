"""Numbers for Prometheus: those of the process, and tallies. A scrape costs the same however much there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tocsin.errors import StoreUnavailable
from tocsin.model.ids import EndpointId, Millis
from tocsin.model.tally import ERROR_KINDS, Tally
from tocsin.ports import StatsQuery, Views
from tocsin.rules import histograms
from tocsin.telemetry import Metrics, log

BACKLOGS: Final = 50
"""Endpoints that have a line of their own, at most: those with most pending."""
ATTEMPT_LIMITS: Final = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000)
DELIVERED_LIMITS: Final = (10, 50, 100, 500, 1000, 5000, 30_000, 60_000, 300_000, 3_600_000, 86_400_000)
"""Where the buckets that are shown end, in ms; what is kept is finer."""
Backlog = tuple[str, EndpointId, Tally]


class Exposition:
    """The text that `/metrics` answers."""

    def __init__(self, views: Views, metrics: Metrics) -> None:
        self._views = views
        self._metrics = metrics

    async def text(self, now: Millis) -> bytes:
        """In Prometheus' text format; without tallies when the store cannot be read."""
        try:
            view = await self._views.stats(StatsQuery(tenant=None))
            backlogs = await self._views.backlogs(BACKLOGS)
        except StoreUnavailable as error:
            log.error("metrics.without_tallies", problem=error.slug)
            return self._metrics.text()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Tallied(view.now, backlogs, now))
        return self._metrics.text() + generate_latest(registry)


class _Tallied(Collector):
    """Tallies as families of metrics. Counters go on through restarts: they are of the database, not of the process."""

    def __init__(self, tally: Tally, backlogs: Sequence[Backlog], now: Millis) -> None:
        self._tally = tally
        self._backlogs = backlogs
        self._now = now

    def collect(self) -> Iterator[Metric]:
        tally = self._tally
        age = 0.0 if tally.oldest_at is None else max(0, self._now - tally.oldest_at) / 1000
        yield CounterMetricFamily("tocsin_events_accepted", "Events appended to the log.", tally.events)
        yield GaugeMetricFamily("tocsin_pending_deliveries", "Deliveries that are not settled yet.", tally.pending)
        yield GaugeMetricFamily("tocsin_dead_deliveries", "Deliveries that were given up on and are kept.", tally.dead)
        yield GaugeMetricFamily("tocsin_oldest_pending_seconds", "Age of the oldest pending delivery; 0: none.", age)
        attempts = CounterMetricFamily("tocsin_attempts", "Attempts made, by outcome.", labels=["outcome"])
        attempts.add_metric(["delivered"], tally.attempts_delivered)
        attempts.add_metric(["retry"], tally.attempts_retry)
        attempts.add_metric(["rejected"], tally.attempts_rejected)
        yield attempts
        ended = CounterMetricFamily("tocsin_deliveries_ended", "Deliveries, by how they ended.", labels=["state"])
        ended.add_metric(["delivered"], tally.delivered)
        ended.add_metric(["dead"], tally.died)
        ended.add_metric(["cancelled"], tally.cancelled)
        yield ended
        errors = CounterMetricFamily("tocsin_attempt_errors", "Failed attempts, by kind of error.", labels=["kind"])
        for kind, count in zip(ERROR_KINDS, histograms.counts(tally.errors), strict=False):
            errors.add_metric([kind], count)
        yield errors
        yield _histogram("tocsin_attempt_duration_seconds", "How long attempts took.", tally.attempt_ms, ATTEMPT_LIMITS)
        yield _histogram(
            "tocsin_delivered_after_seconds",
            "From accept to delivered, live traffic.",
            tally.delivered_ms,
            DELIVERED_LIMITS,
        )
        backlog = GaugeMetricFamily(
            "tocsin_endpoint_pending_deliveries",
            f"Pending deliveries of the {BACKLOGS} endpoints with most of them.",
            labels=["endpoint"],
        )
        for _, endpoint_id, of_endpoint in self._backlogs:
            backlog.add_metric([endpoint_id], of_endpoint.pending)
        yield backlog


def _histogram(name: str, meaning: str, histogram: int, limits: Sequence[int]) -> HistogramMetricFamily:
    counted = histograms.at_most(histogram, limits)
    buckets = [(str(limit / 1000), float(count)) for limit, count in zip(limits, counted, strict=True)]
    buckets.append(("+Inf", float(sum(histograms.counts(histogram)))))
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=histograms.total_ms(histogram) / 1000)
