"""The loops of one process, put together: accept, fan-out and delivery one behind the other, and those that nothing waits for."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from tocsin.authorizing.tokens import Tokens
from tocsin.errors import NotFound
from tocsin.model.audit import SERVER
from tocsin.model.event import Event
from tocsin.model.noun import Noun
from tocsin.model.submission import Accepted, Decide, Submission
from tocsin.operations.retention import limits_of, reserve_of
from tocsin.operations.tails import Tails
from tocsin.pipeline.accept import Accept
from tocsin.pipeline.exchanges import Exchanges, Judge
from tocsin.rules.accepting import Deciding
from tocsin.rules.needs import needs_of
from tocsin.telemetry import Metrics
from tocsin.wiring.parts import Parts
from tocsin.workers.delivery import DeliveryWorker
from tocsin.workers.disk_watch import DiskWatch
from tocsin.workers.erasing import ErasingWorker
from tocsin.workers.fanout import FanoutWorker
from tocsin.workers.held import Held
from tocsin.workers.holding import HoldingWorker
from tocsin.workers.job_watch import JobWatch, job_limits_of
from tocsin.workers.notices import NoticeWorker
from tocsin.workers.replay import ReplayWorker
from tocsin.workers.retention import RetentionWorker
from tocsin.workers.standings import Standings
from tocsin.workers.supervisor import Background
from tocsin.workers.sweep import Sweep


class Loops(Noun, frozen=True, kw_only=True):
    """What a submission sets going, and what the loops share."""

    held: Held
    holding: HoldingWorker
    accept: Accept
    fanout: FanoutWorker
    delivery: DeliveryWorker
    exchanges: Exchanges
    notices: NoticeWorker
    replay: ReplayWorker
    metrics: Metrics
    tails: Tails
    decide: Decide
    committed: Callable[[Sequence[Event]], None]


class BackgroundLoops(Noun, frozen=True, kw_only=True):
    """Loops that nothing waits for; `all` has them by name, these two among them."""

    retention: RetentionWorker
    erasing: ErasingWorker
    all: Mapping[str, Background]


def make_loops(parts: Parts) -> Loops:
    """Accept, fan-out and delivery, one behind the other, and the replays that deliver by them."""
    settings, store, endpoints, mint, now_ms = parts.settings, parts.store, parts.endpoints, parts.mint, parts.now_ms
    metrics, tokens = Metrics(), Tokens(parts.ways, now_ms, os.urandom)
    held = Held(store.holding.partitions, is_shared=store.holding.is_shared)

    async def disable(number: int) -> None:
        gone = endpoints.prepared.get(number)
        if gone is not None:
            with contextlib.suppress(NotFound):
                await parts.operations.switch(gone.endpoint.id, None, enabled=False, by=SERVER)

    async def tell(submission: Submission) -> Accepted:
        return await accept(submission)

    notices = NoticeWorker(store.notices, tell, now_ms, endpoints.name_of, held)
    tails = Tails(endpoints.id_of)
    holding = HoldingWorker(
        store.holding,
        held,
        name=f"{socket.gethostname()}:{os.getpid()}",
        lease_ms=settings.lease_ms,
        clock=now_ms,
        is_watching=lambda: tails.is_watched,
        metrics=metrics,
    )
    metrics.watchers.set_function(lambda: len(tuple(tails.watchers())))
    exchanges = Exchanges(parts.ways, tokens, parts.templates, now_ms)
    wish = None if store.standings is None else store.standings.wish
    standings = Standings(endpoints, disable, notices, held.right, holding.fenced, wish)
    delivery = DeliveryWorker(
        queue=store.queue,
        batches=store.batches,
        held=held,
        exchanges=exchanges,
        endpoints=endpoints,
        mint=mint,
        now_ms=now_ms,
        judge=Judge(mint, now_ms, random.random, settings.longest_pause_ms),
        metrics=metrics,
        standings=standings,
        tails=tails,
        fenced=holding.fenced,
        tell=holding.tell,
    )
    fanout = FanoutWorker(
        reader=store.log,
        queue=store.queue,
        holding=store.holding,
        held=held,
        endpoints=endpoints,
        mint=mint,
        now_ms=now_ms,
        metrics=metrics,
        pushed=delivery.pushed,
        fenced=holding.fenced,
        tell=holding.tell,
        missed=delivery.look_again,
    )
    replay = ReplayWorker(
        store=store.replays,
        held=held,
        endpoints=endpoints,
        delivery=delivery,
        notices=notices,
        mint=mint,
        now_ms=now_ms,
        tell=holding.tell,
        fenced=holding.fenced,
    )
    holding.followers += [replay, delivery, fanout]
    holding.moved.append(replay.moved)
    holding.heard += [delivery.heard, fanout.heard]
    committed = tails.tapped(fanout.committed)
    decide = Deciding(mint, job_limits_of(settings))
    accept = Accept(store.log, needs_of, decide, committed, fanout.within)
    return Loops(
        held=held,
        holding=holding,
        accept=accept,
        fanout=fanout,
        delivery=delivery,
        exchanges=exchanges,
        notices=notices,
        replay=replay,
        metrics=metrics,
        tails=tails,
        decide=decide,
        committed=committed,
    )


async def make_background(parts: Parts, loops: Loops) -> BackgroundLoops:
    """The watch over jobs and over the disk, retention and erasures, with what they know at the start."""
    settings, store, now_ms = parts.settings, parts.store, parts.now_ms
    retention = RetentionWorker(
        store=store.retention,
        limits=limits_of(settings),
        delivery=loops.delivery,
        metrics=loops.metrics,
        now_ms=now_ms,
        monotonic=time.monotonic,
        is_shared=loops.held.is_shared,
    )
    await retention.start()
    erasing = ErasingWorker(
        store,
        parts.box,
        loops.held,
        parts.endpoints,
        loops.fanout,
        loops.delivery,
        loops.replay,
        loops.tails,
        now_ms,
        loops.holding.tell,
        loops.holding.fenced,
    )
    loops.holding.heard.append(erasing.heard)
    loops.holding.moved.append(retention.moved)
    loops.holding.followers += [retention, erasing]
    watches: dict[str, Background] = {"job watch": JobWatch(store.log, loops.accept, now_ms, loops.held)}
    if loops.held.is_shared:
        watches["sweep"] = Sweep(loops.delivery, loops.held)
    reserve = reserve_of(settings)
    if store.free_bytes is not None:
        disk = DiskWatch(store.free_bytes, reserve, loops.accept, loops.metrics)
        await disk.look()
        watches["disk watch"] = disk
    return BackgroundLoops(
        retention=retention, erasing=erasing, all={**watches, "retention": retention, "erasing": erasing}
    )
