"""Logs and metrics: one structured line for each thing worth a line, counters of low cardinality."""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


def set_up_logs(level: str) -> None:
    """JSON lines on standard error; the server's libraries speak through the same stream."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Metrics:
    """The counters of this process. None is labelled by endpoint or URL."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = Counter("tocsin_events_accepted", "Events appended to the log.", registry=self.registry)
        self.fanned = Counter("tocsin_deliveries_created", "Deliveries made by fan-out.", registry=self.registry)
        attempts = Counter("tocsin_attempts", "Attempts made, by outcome.", ["outcome"], registry=self.registry)
        self.attempts = {outcome: attempts.labels(outcome) for outcome in ("delivered", "retry", "rejected")}
        self.in_flight = Gauge("tocsin_attempts_in_flight", "Requests that are out.", registry=self.registry)
        self.fanout_lag = Gauge("tocsin_fanout_lag_events", "Events that fan-out has not read.", registry=self.registry)

    def text(self) -> bytes:
        """The exposition format of Prometheus."""
        return generate_latest(self.registry)
