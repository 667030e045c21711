"""What the faces ask: one struct of operations, put together."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence

from tocsin.api.services import Services
from tocsin.config import origin_of
from tocsin.operations.answers import IdempotentAnswers
from tocsin.operations.api_keys import ApiKeys
from tocsin.operations.backups import Backups
from tocsin.operations.consent import Consents
from tocsin.operations.deliveries import Deliveries
from tocsin.operations.doctor import Doctor, HoldingFacts, NodeShown
from tocsin.operations.drafts import Drafts
from tocsin.operations.endpoint_lists import EndpointLists
from tocsin.operations.erasures import Erasures
from tocsin.operations.many_deliveries import ManyDeliveries
from tocsin.operations.master_key import MasterKey
from tocsin.operations.preview import Previews
from tocsin.operations.receipts import Receipts
from tocsin.operations.replays import Replays
from tocsin.operations.resuming import Resuming
from tocsin.operations.retention import Retention, reserve_of
from tocsin.operations.statistics import Statistics
from tocsin.operations.test_event import TestEvents
from tocsin.ports import Beat, Elsewhere, Neighbour
from tocsin.wiring.intake import IntakeParts
from tocsin.wiring.loops import BackgroundLoops, Loops
from tocsin.wiring.parts import Parts
from tocsin.workers.asking import AskedOut


def make_consents(parts: Parts, loops: Loops, elsewhere: Elsewhere | None) -> Consents:
    """Asking receivers whether they want to be sent to; the delivery loop hears of the answers."""
    return Consents(
        endpoints=parts.endpoints,
        sender=parts.sender,
        box=parts.box,
        origin=origin_of(parts.settings),
        public_url=parts.settings.public_url,
        now_ms=parts.now_ms,
        on_change=loops.delivery.consent_changed,
        elsewhere=elsewhere,
        right=loops.held.right,
        fenced=loops.holding.fenced,
    )


def make_services(
    parts: Parts,
    loops: Loops,
    background: BackgroundLoops,
    consents: Consents,
    intake: IntakeParts | None,
    *,
    keys: ApiKeys,
    master_key: MasterKey,
    ready: Callable[[], Sequence[str]],
    elsewhere: Elsewhere | None,
) -> Services:
    """All that people and programs can ask of this process; `ready` says what keeps it from being ready."""
    settings, store, mint, now_ms = parts.settings, parts.store, parts.mint, parts.now_ms
    holding = loops.holding
    out = AskedOut(
        loops.held,
        loops.delivery,
        holding.tell,
        lambda: 0 if holding.last is None else len(holding.last.neighbours),
    )
    holding.heard.append(out.heard)
    test_sending = TestEvents(loops.exchanges, mint, now_ms, origin=origin_of(settings), mail_from=parts.mail_from)
    previews = Previews(store.views, parts.codec, parts.templates, allow_http=settings.allow_http)
    statistics = Statistics(
        store.views,
        parts.codec,
        out,
        loops.metrics,
        now_ms,
        parts.endpoints.standings_of,
    )
    retention = Retention(store.retention, background.retention, mint, now_ms, parts.announcing.changed)
    replays = Replays(store.replays, endpoints=parts.operations, follower=loops.replay, mint=mint, now_ms=now_ms)
    return Services(
        accept=loops.accept,
        submit=loops.accept.submit,
        door=intake.door if intake is not None else None,
        receipts=Receipts(store.intake if intake is not None else None),
        answers=IdempotentAnswers(store.answers, parts.box, now_ms),
        keys=keys,
        master_key=master_key,
        endpoints=parts.operations,
        consents=consents,
        codec=parts.codec,
        deliveries=Deliveries(
            queue=store.queue,
            views=store.views,
            directory=store.directory,
            codec=parts.codec,
            dispatch=loops.delivery,
            out=out,
            mint=mint,
            now_ms=now_ms,
        ),
        many_deliveries=ManyDeliveries(
            views=store.views,
            replays=replays,
            codec=parts.codec,
            dispatch=loops.delivery,
            mint=mint,
            now_ms=now_ms,
        ),
        test_sending=test_sending,
        previews=previews,
        resuming=Resuming(
            parts.operations,
            store.directory,
            parts.codec,
            standing=parts.endpoints.standing,
            resume=loops.delivery.resume,
            elsewhere=elsewhere,
            mint=mint,
            now_ms=now_ms,
        ),
        lists=EndpointLists(store.views, parts.endpoints.standing, now_ms),
        drafts=Drafts(
            parts.operations,
            previews,
            test_sending,
            views=store.views,
            directory=store.directory,
            templates=parts.templates,
            standing=parts.endpoints.standing,
            mint=mint,
            now_ms=now_ms,
            origin=origin_of(settings),
            mail_from=parts.mail_from,
            forget=parts.sender.close_pool,
        ),
        replays=replays,
        retention=retention,
        erasures=Erasures(store.erasures, eraser=background.erasing, mint=mint, now_ms=now_ms),
        views=store.views,
        out=out,
        standing=parts.endpoints.standing,
        ready=ready,
        tails=loops.tails,
        statistics=statistics,
        backups=Backups(store.copies, store.directory, mint, now_ms, reserve_bytes=reserve_of(settings)),
        doctor=Doctor(
            settings=settings,
            inspection=store.inspection,
            views=store.views,
            directory=store.directory,
            statistics=statistics,
            retention=retention,
            standings=parts.endpoints.standings_of,
            ready=ready,
            files=open_files,
            intake=intake.shown if intake is not None else lambda: None,
            holding=lambda: holding_facts(loops),
            now_ms=now_ms,
        ),
        now_ms=now_ms,
    )


def holding_facts(loops: Loops) -> HoldingFacts:
    """As far as the last beat showed it."""
    last = loops.holding.last
    return HoldingFacts(
        name=loops.holding.name,
        holds=tuple(sorted(loops.held.partitions)),
        partitions=loops.held.count,
        free=() if last is None else tuple(sorted(number for number, holder in last.holders.items() if not holder)),
        neighbours=() if last is None else tuple(_node(other, last) for other in last.neighbours),
    )


def _node(other: Neighbour, last: Beat) -> NodeShown:
    holds = tuple(sorted(number for number, holder in last.holders.items() if holder == other.epoch))
    return NodeShown(name=other.name, holds=holds)


def open_files() -> int:
    """How many files and connections this process may have open; negative: any number."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
