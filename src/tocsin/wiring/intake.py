"""The replicated intake, put together: its servers, the door for producers, and the loop that accepts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from tocsin.api.accepting import read_again
from tocsin.config import Settings
from tocsin.errors import Misconfigured
from tocsin.model.event import Event
from tocsin.model.intake_servers import IntakeServers
from tocsin.model.noun import Noun
from tocsin.model.submission import Decide
from tocsin.pipeline.intake import Door
from tocsin.ports import Holder
from tocsin.ports.intake import Intake
from tocsin.rules.needs import needs_of
from tocsin.rules.retention import parse_size
from tocsin.telemetry import Metrics
from tocsin.wiring.parts import Parts
from tocsin.workers.intake import IntakeWorker
from tocsin.workers.intake_watch import IntakeWatch

_NODE_BYTES = 6


class IntakeParts(Noun, frozen=True, kw_only=True):
    """What there is of it in this process."""

    intake: Intake
    door: Door
    watch: IntakeWatch
    worker: IntakeWorker


def make_intake(
    parts: Parts,
    *,
    decide: Decide,
    committed: Callable[[Sequence[Event]], None],
    holder: Callable[[], Holder],
    metrics: Metrics,
) -> IntakeParts | None:
    """None without servers for it. Raises Misconfigured."""
    servers, store = parts.settings.intake, parts.store.intake
    if servers is None or store is None:
        return None
    intake = _intake(servers)
    node = os.urandom(_NODE_BYTES).hex()
    watch = IntakeWatch(
        intake,
        store,
        holds=lambda: worker.held,
        metrics=metrics,
        now_ms=parts.now_ms,
        monotonic=time.monotonic,
    )
    door = Door(intake, node, problem=watch.problem, is_hopeless=lambda: watch.is_store_away, queued=metrics.intake_queued.inc)
    worker = IntakeWorker(
        intake=intake,
        store=store,
        watch=watch,
        door=door,
        node=node,
        holder=holder,
        read=read_again,
        needs_of=needs_of,
        decide=decide,
        committed=committed,
        now_ms=parts.now_ms,
    )
    return IntakeParts(intake=intake, door=door, watch=watch, worker=worker)


def check_intake(settings: Settings) -> None:
    """Raises Misconfigured when a setting of it is wrong, or the part that it needs is missing."""
    if settings.intake is not None:
        _max_bytes(settings.intake)
        _intake(settings.intake)


def _intake(servers: IntakeServers) -> Intake:
    try:
        from tocsin.adapters.nats.connection import NatsConnection  # noqa: PLC0415 (an extra: not everybody has it)
        from tocsin.adapters.nats.intake import NatsIntake  # noqa: PLC0415 (as above)
    except ImportError as error:
        raise Misconfigured("The replicated intake needs one more part: pip install 'tocsin[nats]'.") from error
    urls = servers.urls.reveal().split(",")
    connection = NatsConnection(urls, credentials=servers.credentials, ca=servers.ca, name="tocsin")
    return NatsIntake(
        connection,
        stream=servers.stream,
        replicas=servers.replicas,
        max_bytes=_max_bytes(servers),
        incarnation=lambda: os.urandom(16).hex(),
    )


def _max_bytes(servers: IntakeServers) -> int:
    try:
        return parse_size(servers.max_bytes)
    except ValueError as error:
        raise Misconfigured(f"TOCSIN_NATS_MAX_BYTES: {error}.") from error
