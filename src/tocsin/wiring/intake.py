"""The replicated intake, put together: its servers, the door for producers, and the loop that accepts."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

from tocsin.api.accepting import read_again
from tocsin.config import Settings
from tocsin.errors import Misconfigured
from tocsin.model.ids import IdMint, Millis
from tocsin.model.intake_servers import IntakeServers
from tocsin.model.noun import Noun
from tocsin.operations.api_keys import ApiKeys
from tocsin.operations.doctor import IntakeShown
from tocsin.operations.intake_renewal import Renewal, renew
from tocsin.pipeline.intake import Door
from tocsin.ports.intake import Intake
from tocsin.rules.needs import needs_of
from tocsin.rules.retention import parse_size
from tocsin.telemetry import set_up_logs
from tocsin.wiring.loops import Loops
from tocsin.wiring.parts import Parts
from tocsin.wiring.stores import opened
from tocsin.workers.intake import IntakeWorker
from tocsin.workers.intake_watch import IntakeWatch
from tocsin.workers.supervisor import Background

_NODE_BYTES: Final = 6


class IntakeParts(Noun, frozen=True, kw_only=True):
    """What there is of it in this process."""

    servers: Intake
    door: Door
    watch: IntakeWatch
    worker: IntakeWorker

    @property
    def loops(self) -> dict[str, Background]:
        """By name."""
        return {"intake": self.worker, "intake watch": self.watch}

    def shown(self) -> IntakeShown | None:
        """For doctor; None until it was seen once."""
        watch = self.watch
        if watch.state is None:
            return None
        return IntakeShown(
            server=watch.state.server,
            behind=watch.behind,
            held_bytes=watch.state.held_bytes,
            max_bytes=watch.state.max_bytes,
            replicas=watch.state.replicas,
            in_sync=watch.state.in_sync,
        )

    def ready(self, others: Callable[[], list[str]]) -> Callable[[], list[str]]:
        """What keeps the process from being ready. It takes submissions while the store is away, and has to get them then."""

        def problems() -> list[str]:
            mine = self.watch.problems()
            return mine if self.watch.is_store_away else [*mine, *others()]

        return problems


async def open_intake(parts: Parts, loops: Loops, keys: ApiKeys) -> IntakeParts | None:
    """None without servers for it. Raises Misconfigured. It is no error when they cannot be reached: that may change."""
    servers, store = parts.settings.intake, parts.store.intake
    if servers is None or store is None:
        return None
    intake = _intake(servers)
    node = os.urandom(_NODE_BYTES).hex()
    watch = IntakeWatch(
        intake,
        store,
        holds=lambda: worker.held,
        metrics=loops.metrics,
        now_ms=parts.now_ms,
        monotonic=time.monotonic,
    )
    door = Door(
        intake,
        node,
        problem=watch.problem,
        is_hopeless=lambda: watch.is_store_away,
        queued=loops.metrics.intake_queued.inc,
    )
    worker = IntakeWorker(
        intake=intake,
        store=store,
        watch=watch,
        door=door,
        node=node,
        holder=lambda: loops.held.holder,
        fenced=loops.holding.fenced,
        read=read_again,
        needs_of=needs_of,
        decide=loops.decide,
        committed=loops.committed,
        now_ms=parts.now_ms,
    )
    loops.holding.followers.append(worker)
    keys.is_store_away = lambda: watch.is_store_away
    await intake.open()
    await watch.look()
    return IntakeParts(servers=intake, door=door, watch=watch, worker=worker)


def renew_intake(settings: Settings, *, is_wanted: bool) -> Renewal:
    """Go on with the stream that there is now; see `renew`. Raises Misconfigured, with a `reason` when the database is `in_use` or
    `unreachable`."""
    if (servers := settings.intake) is None:
        raise Misconfigured("There is no replicated intake: set TOCSIN_NATS.")
    set_up_logs("error")

    async def run() -> Renewal:
        intake = _intake(servers)
        async with opened(settings.database, _now_ms, alone=True) as store:
            assert store.intake is not None
            await intake.open()
            try:
                mint = IdMint(_now_ms, os.urandom)
                return await renew(intake, store.intake, is_wanted=is_wanted, mint=mint, now_ms=_now_ms)
            finally:
                await intake.close()

    return asyncio.run(run())


def _now_ms() -> Millis:
    return time.time_ns() // 1_000_000


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
