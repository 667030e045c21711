"""The loop of retention over a store, as the contract suite needs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

from tests.contracts.given import Clock
from tests.kit.stores import Store

from tocsin.model.delivery import Claim
from tocsin.model.retention import RetentionRule
from tocsin.ports import Holder
from tocsin.rules.retention import Limits, parse_times
from tocsin.telemetry import Metrics
from tocsin.workers.delivery import DeliveryWorker
from tocsin.workers.retention import RetentionWorker

DAY = 24 * 3_600_000
SHORT = Limits(
    times={
        "bodies": parse_times("job.*=1d, *=3d"),
        "attempts": parse_times("*=5d"),
        "rows": parse_times("order.*=10d, *=20d"),
    }
)


class AtRest:
    """In place of the loop of delivery, which does not run here: nothing is held in memory, `out` is in flight."""

    def __init__(self) -> None:
        self.holder: Holder | None = None
        self.out: frozenset[int] = frozenset()

    async def give_up(
        self,
        endpoint: int,
        numbers: frozenset[int],
        write: Callable[[Holder | None, frozenset[int]], Awaitable[list[Claim]]],
    ) -> None:
        del endpoint
        await write(self.holder, numbers & self.out)


async def worker_on(
    store: Store, clock: Clock, limits: Limits = SHORT, rules: Mapping[str, Sequence[RetentionRule]] | None = None
) -> RetentionWorker:
    """Its real time is the wall clock, so that ages grow as the clock is set."""
    worker = RetentionWorker(
        store=store.retention,
        limits=limits,
        delivery=cast("DeliveryWorker", AtRest()),
        metrics=Metrics(),
        now_ms=clock,
        monotonic=lambda: clock.now / 1000,
    )
    await worker.start()
    if rules:
        worker.changed({tenant: tuple(given) for tenant, given in rules.items()})
    return worker
