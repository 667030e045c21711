"""Logs and metrics: one structured line for each thing worth a line, counters of low cardinality."""

from __future__ import annotations

import logging
import re
import sys
from typing import Final

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
            redacted,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # whatever that is when a line is written
    )
    of_libraries = logging.StreamHandler(sys.stderr)
    of_libraries.setFormatter(_Redacting("%(levelname)s:%(name)s:%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[of_libraries])


_SECRET_NAME: Final = re.compile(
    r"authorization|cookie|password|passphrase|secret|token|credential|(private|client|master|api|signing)_?key",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<=\bbearer )\s*[^\s\"',]+|(?<=\bbasic )\s*[^\s\"',]+"
    r"|\b(?:whsec_|whsk_|tok_)[\w+/=-]+"
    r"|(?<=://)[^\s/@]+(?=@)",
    re.IGNORECASE | re.DOTALL,
)


def redacted(logger: object, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A log line without what is known as a secret by its name or its form, also in the text of exceptions. No line is
    meant to hold one: this is for the line that should not have been written."""
    del logger, method
    return {name: _shown(name, value) for name, value in line.items()}


def _shown(name: str, value: object) -> object:
    if _SECRET_NAME.search(name):
        return "***"
    return _SECRET_TEXT.sub("***", value) if isinstance(value, str) else value


class _Redacting(logging.Formatter):
    """The same for what libraries log."""

    def format(self, record: logging.LogRecord) -> str:
        return _SECRET_TEXT.sub("***", super().format(record))


log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Metrics:
    """What only this process knows; everything else is read from tallies. None is labelled by endpoint or URL."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.fanned = Counter("tocsin_deliveries_created", "Deliveries made by fan-out.", registry=self.registry)
        self.in_flight = Gauge("tocsin_attempts_in_flight", "Requests that are out.", registry=self.registry)
        self.fanout_lag = Gauge("tocsin_fanout_lag_events", "Events that fan-out has not read.", registry=self.registry)
        self.removed = Counter(
            "tocsin_retention_removed", "Rows that retention removed.", ["what"], registry=self.registry
        )
        self.behind = Gauge(
            "tocsin_retention_behind_seconds",
            "For how long the next thing to remove could have gone already.",
            registry=self.registry,
        )
        self.watchers = Gauge("tocsin_tail_watchers", "Live tails that are open.", registry=self.registry)
        self.partitions_held = Gauge(
            "tocsin_partitions_held", "Partitions whose tenants this process delivers for.", registry=self.registry
        )
        self.neighbours = Gauge("tocsin_neighbours", "Other processes on the same database.", registry=self.registry)
        self.fenced = Counter("tocsin_fenced", "How often others went on without this process.", registry=self.registry)
        self.swept = Counter(
            "tocsin_swept", "Lanes in which something was due that nobody had: a defect.", registry=self.registry
        )
        self.free = Gauge("tocsin_disk_free_bytes", "Free space where the database is.", registry=self.registry)
        self.intake_behind = Gauge(
            "tocsin_intake_behind_submissions",
            "Submissions that stand in the replicated intake for partitions held here.",
            registry=self.registry,
        )
        self.intake_bytes = Gauge(
            "tocsin_intake_bytes", "What the stream of the replicated intake holds.", registry=self.registry
        )
        self.intake_in_sync = Gauge(
            "tocsin_intake_replicas_in_sync",
            "Copies of the replicated intake that have all of it.",
            registry=self.registry,
        )
        self.intake_queued = Counter(
            "tocsin_intake_queued", "Submissions that were answered `queued` by this process.", registry=self.registry
        )

    def text(self) -> bytes:
        """The exposition format of Prometheus."""
        return generate_latest(self.registry)
