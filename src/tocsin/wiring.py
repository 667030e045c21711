"""The composition root: settings become running parts. Nothing else names a concrete adapter."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

import uvloop

from tocsin.adapters.crypto.master_keys import master_keys_of
from tocsin.adapters.crypto.secret_box import AesSecretBox
from tocsin.adapters.http.resolver import Resolver
from tocsin.adapters.http.sender import HttpSender
from tocsin.adapters.http.tls import client_context
from tocsin.adapters.jq.pool import JqTemplates
from tocsin.adapters.smtp.sender import SmtpSender
from tocsin.adapters.sqlite.store import SqliteStore, prepare_file
from tocsin.api.app import make_app
from tocsin.api.services import Services
from tocsin.api.serving import answer_requests, default_limits, listen
from tocsin.authorizing.tokens import Tokens
from tocsin.config import Settings, origin_of
from tocsin.errors import Misconfigured, NotFound
from tocsin.model.audit import SERVER
from tocsin.model.endpoint import Endpoint
from tocsin.model.ids import IdMint, Millis
from tocsin.model.mail import MailFrom
from tocsin.model.noun import Noun
from tocsin.model.submission import Accepted, Submission
from tocsin.operations.answers import IdempotentAnswers
from tocsin.operations.api_keys import ApiKeys
from tocsin.operations.consent import Consents
from tocsin.operations.deliveries import Deliveries
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.operations.endpoints import Endpoints as EndpointOperations
from tocsin.operations.erasures import Erasures
from tocsin.operations.mail_checks import mail_way_of
from tocsin.operations.master_key import MasterKey
from tocsin.operations.preview import Previews
from tocsin.operations.replays import Replays
from tocsin.operations.retention import Retention, limits_of, reserve_of
from tocsin.operations.statistics import Statistics
from tocsin.operations.test_event import TestEvents
from tocsin.pipeline.accept import Accept
from tocsin.pipeline.exchanges import Exchanges, Judge
from tocsin.pipeline.prepare import pool_of, token_pool_of
from tocsin.pipeline.send import Ways
from tocsin.ports import SecretBox
from tocsin.rules.accepting import Deciding
from tocsin.rules.egress import EgressPolicy, parse_networks
from tocsin.rules.needs import needs_of
from tocsin.rules.proxies import operators_proxy
from tocsin.telemetry import Metrics, log, set_up_logs
from tocsin.workers.consent import ConsentWorker
from tocsin.workers.delivery import DeliveryWorker
from tocsin.workers.disk_watch import DiskWatch
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.erasing import ErasingWorker
from tocsin.workers.fanout import FanoutWorker
from tocsin.workers.job_watch import JobWatch, job_limits_of
from tocsin.workers.notices import NoticeWorker
from tocsin.workers.replay import ReplayWorker
from tocsin.workers.retention import RetentionWorker
from tocsin.workers.standings import Standings
from tocsin.workers.supervisor import Background, Supervisor

PARTITION: Final = 0
"""The embedded store has one partition, and this process holds it."""
SWITCH_SECONDS: Final = 0.0005
"""The interpreter's switch interval: with the default a busy loop starves the writer's thread."""
COLLECT_AFTER: Final = (50_000, 20, 100)
"""When the garbage collector runs: what an event needs is freed by counting, so that most of its runs find nothing."""


class Running(Noun, frozen=True, kw_only=True):
    """A server that answers. `generated_key` is the operator key that was made at first start, shown once."""

    url: str
    generated_key: str | None


def now_ms() -> Millis:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def make_sender(settings: Settings) -> HttpSender:
    """The sender with the operator's egress policy. Raises Misconfigured."""
    try:
        networks = parse_networks(settings.allow_networks)
    except ValueError as error:
        raise Misconfigured(f"TOCSIN_ALLOW_NETWORKS: {error}.") from error
    policy = EgressPolicy(allow_networks=networks, allow_http=settings.allow_http)
    try:
        proxy = operators_proxy(settings.proxy.reveal()) if settings.proxy else None
    except ValueError as error:
        raise Misconfigured(f"TOCSIN_PROXY: {error}") from None
    return HttpSender(policy, Resolver(), client_context(), proxy=proxy)


def make_ways(settings: Settings, sender: HttpSender) -> tuple[Ways, MailFrom | None]:
    """Everything that sends, and whom mail comes from where there is a mail server. Raises Misconfigured."""
    if (way := mail_way_of(settings)) is None:
        return Ways(sender, None), None
    server, mail_from = way
    return Ways(sender, SmtpSender(server, client_context(), name=origin_of(settings))), mail_from


def migrate(settings: Settings) -> None:
    """Bring the database up to date and let go of it. Raises Misconfigured, also while a server has it open."""
    prepare_file(settings.database).release()


def run(settings: Settings, ready: Callable[[Running], None]) -> None:
    """Serve until SIGTERM or SIGINT. Raises Misconfigured."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve(settings, ready, stop)

    sys.setswitchinterval(SWITCH_SECONDS)
    uvloop.run(main())


async def serve(settings: Settings, ready: Callable[[Running], None], stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises Misconfigured, or what ended a loop of the server."""
    set_up_logs(settings.log_level)
    sender = make_sender(settings)
    store = SqliteStore(settings.database, now_ms, time.monotonic)
    try:
        await _serve(settings, store, sender, ready, stop)
    finally:
        await sender.close()
        await asyncio.to_thread(store.close)


async def _serve(
    settings: Settings, store: SqliteStore, sender: HttpSender, ready: Callable[[Running], None], stop: asyncio.Event
) -> None:
    mint = IdMint(now_ms, os.urandom)
    templates = JqTemplates()
    box = AesSecretBox()
    master_key = MasterKey(store.data_keys, master_keys_of(settings), box, mint=mint, now_ms=now_ms, entropy=os.urandom)
    await master_key.open()
    codec = EndpointCodec(box)
    keys = ApiKeys(store.directory, mint=mint, now_ms=now_ms, entropy=os.urandom)
    await keys.load()
    generated = await keys.bootstrap(settings.bootstrap_key.reveal() if settings.bootstrap_key else None)
    await store.directory.finish_removals(now_ms())
    origin = origin_of(settings)
    ways, mail_from = make_ways(settings, sender)
    endpoints = Endpoints(store.directory, store.directory, codec, origin=origin, mail_from=mail_from)
    await endpoints.load()

    async def follow(endpoint: Endpoint) -> None:
        pool = pool_of(endpoint.id, endpoint.revision - 1)
        sender.close_pool(pool)
        sender.close_pool(token_pool_of(pool))
        await endpoints.reload()

    operations = EndpointOperations(
        store.directory,
        codec=codec,
        mint=mint,
        now_ms=now_ms,
        entropy=os.urandom,
        allow_http=settings.allow_http,
        allow_proxy=settings.proxy is None,
        standing=endpoints.standing,
        templates=templates,
        sends_mail=mail_from is not None,
        on_change=follow,
    )
    loops = await _loops(settings, store, ways, endpoints, mint, operations, templates=templates)
    replay = ReplayWorker(
        store=store.replays,
        endpoints=endpoints,
        delivery=loops.delivery,
        notices=loops.notices,
        mint=mint,
        now_ms=now_ms,
    )
    retention, erasing, background = await _background(settings, store, loops, endpoints, box, replay)
    consents = Consents(
        endpoints=endpoints,
        sender=sender,
        box=box,
        origin=origin,
        public_url=settings.public_url,
        now_ms=now_ms,
        on_change=loops.delivery.consent_changed,
    )
    supervisor = Supervisor(
        accept=loops.accept,
        fanout=loops.fanout,
        delivery=loops.delivery,
        consent=ConsentWorker(consents, endpoints, now_ms),
        replay=replay,
        notices=loops.notices,
        background=background,
        keys=keys,
        stop=stop,
    )
    services = Services(
        accept=loops.accept,
        answers=IdempotentAnswers(store.answers, box, now_ms),
        keys=keys,
        master_key=master_key,
        endpoints=operations,
        consents=consents,
        codec=codec,
        deliveries=Deliveries(
            queue=store.queue,
            views=store.views,
            directory=store.directory,
            codec=codec,
            dispatch=loops.delivery,
            mint=mint,
            now_ms=now_ms,
        ),
        test_sending=TestEvents(loops.exchanges, mint, now_ms, origin=origin, mail_from=mail_from),
        previews=Previews(store.views, codec, templates, allow_http=settings.allow_http),
        replays=Replays(store.replays, endpoints=operations, follower=replay, mint=mint, now_ms=now_ms),
        retention=Retention(store.retention, retention, mint, now_ms),
        erasures=Erasures(store.erasures, eraser=erasing, mint=mint, now_ms=now_ms),
        views=store.views,
        in_flight=loops.delivery.in_flight,
        standing=endpoints.standing,
        ready=supervisor.problems,
        statistics=Statistics(store.views, codec, loops.delivery.requests_out, loops.metrics, now_ms),
        now_ms=now_ms,
    )
    await supervisor.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        listener, url = listen(settings.host, settings.port)
        log.info("serving", url=url)
        ready(Running(url=url, generated_key=generated))
        await answer_requests(make_app(services), listener, default_limits(), stop)
    finally:
        await supervisor.stop()
        await loops.exchanges.tokens.close()
        await templates.close()


class _Loops(Noun, frozen=True, kw_only=True):
    accept: Accept
    fanout: FanoutWorker
    delivery: DeliveryWorker
    exchanges: Exchanges
    notices: NoticeWorker
    job_watch: JobWatch
    metrics: Metrics


async def _loops(
    settings: Settings,
    store: SqliteStore,
    sender: Ways,
    endpoints: Endpoints,
    mint: IdMint,
    operations: EndpointOperations,
    *,
    templates: JqTemplates,
) -> _Loops:
    """Accept, fan-out and delivery, one behind the other."""
    metrics, tokens = Metrics(), Tokens(sender, now_ms, os.urandom)
    holder, cursor = await store.queue.acquire(PARTITION)

    async def disable(number: int) -> None:
        gone = endpoints.prepared.get(number)
        if gone is not None:
            with contextlib.suppress(NotFound):
                await operations.switch(gone.endpoint.id, None, enabled=False, by=SERVER)

    async def tell(submission: Submission) -> Accepted:
        return await accept(submission)

    notices = NoticeWorker(store.notices, tell, now_ms, endpoints.name_of)
    exchanges = Exchanges(sender, tokens, templates, now_ms)
    delivery = DeliveryWorker(
        queue=store.queue,
        batches=store.batches,
        holder=holder,
        exchanges=exchanges,
        endpoints=endpoints,
        mint=mint,
        now_ms=now_ms,
        judge=Judge(mint, now_ms, random.random, settings.longest_pause_ms),
        metrics=metrics,
        standings=Standings(endpoints, now_ms, disable, notices),
    )
    fanout = FanoutWorker(
        reader=store.log,
        queue=store.queue,
        holder=holder,
        cursor=cursor,
        head=await store.log.head(),
        endpoints=endpoints,
        mint=mint,
        now_ms=now_ms,
        metrics=metrics,
        pushed=delivery.pushed,
    )
    accept = Accept(store.log, needs_of, Deciding(mint, job_limits_of(settings)), fanout.committed)
    return _Loops(
        accept=accept,
        fanout=fanout,
        delivery=delivery,
        exchanges=exchanges,
        notices=notices,
        job_watch=JobWatch(store.log, accept, now_ms),
        metrics=metrics,
    )


async def _background(
    settings: Settings, store: SqliteStore, loops: _Loops, endpoints: Endpoints, box: SecretBox, replay: ReplayWorker
) -> tuple[RetentionWorker, ErasingWorker, Mapping[str, Background]]:
    """Loops that nothing waits for."""
    retention = RetentionWorker(
        store=store.retention,
        limits=limits_of(settings),
        delivery=loops.delivery,
        metrics=loops.metrics,
        now_ms=now_ms,
        monotonic=time.monotonic,
    )
    await retention.start()
    disk = DiskWatch(store.free_bytes, reserve_of(settings), loops.accept, loops.metrics)
    await disk.look()
    erasing = ErasingWorker(store, box, endpoints, loops.fanout, loops.delivery.withdrawing, replay, now_ms)
    watches: dict[str, Background] = {"job watch": loops.job_watch, "disk watch": disk}
    return retention, erasing, {**watches, "retention": retention, "erasing": erasing}
