"""The composition root: settings become running parts. Nothing else names a concrete adapter."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

import uvloop

from tocsin.adapters.crypto.master_keys import master_keys_of
from tocsin.adapters.crypto.secret_box import AesSecretBox
from tocsin.adapters.http.sender import HttpSender
from tocsin.adapters.sqlite.database import keep_no_statistics
from tocsin.api.direct import Direct
from tocsin.api.serving import answer_requests, default_limits, listen
from tocsin.config import Settings
from tocsin.errors import Misconfigured
from tocsin.model.database import SharedDatabase
from tocsin.model.ids import IdMint, Millis
from tocsin.model.noun import Noun
from tocsin.operations.api_keys import ApiKeys
from tocsin.operations.master_key import MasterKey
from tocsin.telemetry import log, set_up_logs
from tocsin.wiring.intake import check_intake, open_intake
from tocsin.wiring.loops import make_background, make_loops
from tocsin.wiring.others import make_others
from tocsin.wiring.parts import make_parts
from tocsin.wiring.sending import make_sender
from tocsin.wiring.services import make_consents, make_services
from tocsin.wiring.several import Alike
from tocsin.wiring.stores import Store, migrate_store, open_store
from tocsin.wiring.web import Web, tells_only
from tocsin.workers.consent import ConsentWorker
from tocsin.workers.store_clock import StoreClock
from tocsin.workers.supervisor import Supervisor

SWITCH_SECONDS: Final = 0.0005
"""The interpreter's switch interval: with the default a busy loop starves the writer's thread."""
COLLECT_AFTER: Final = (50_000, 20, 100)
"""When the garbage collector runs: what an event needs is freed by counting, so that most of its runs find nothing."""


class Running(Noun, frozen=True, kw_only=True):
    """A server that answers. `generated_key` is the operator key that was made at first start, shown once;
    `sign_in_link` opens the web interface, once and soon."""

    url: str
    generated_key: str | None
    sign_in_link: str


def now_ms() -> Millis:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def migrate(settings: Settings) -> None:
    """Bring the database up to date and let go of it. Raises Misconfigured, also while a server has the embedded store open."""
    migrate_store(settings)


def run(
    settings: Settings, ready: Callable[[Running], None], *, alike: Alike | None = None, has_api: bool = True
) -> None:
    """Serve until SIGTERM or SIGINT, or until the parent of those that are `alike` is gone. Raises Misconfigured."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if alike is not None:
            alive = alike.alive

            def end() -> None:
                loop.remove_reader(alive)
                stop.set()

            loop.add_reader(alive, end)
        await serve(settings, ready, stop, alike=alike, has_api=has_api)

    keep_no_statistics()
    sys.setswitchinterval(SWITCH_SECONDS)
    uvloop.run(main())


async def serve(
    settings: Settings,
    ready: Callable[[Running], None],
    stop: asyncio.Event,
    *,
    alike: Alike | None = None,
    has_api: bool = True,
) -> None:
    """Serve until `stop` is set, without `has_api` only what tells how it is. Raises Misconfigured, or what ended a loop of the server."""
    if not has_api and not isinstance(settings.database, SharedDatabase):
        raise Misconfigured("`tocsin work` needs PostgreSQL: with SQLite there is one process. See TOCSIN_DATABASE.")
    set_up_logs(settings.log_level)
    check_intake(settings)
    sender = make_sender(settings)
    try:
        clock = StoreClock(now_ms)
        async with open_store(settings, clock) as store:
            await _serve(settings, store, clock, sender, ready, stop, alike=alike, has_api=has_api)
    finally:
        await sender.close()


async def _opened_keys(
    settings: Settings, store: Store, clock: StoreClock, mint: IdMint, box: AesSecretBox, *, has_api: bool
) -> tuple[MasterKey, ApiKeys, str | None]:
    """The keys of secrets, the API keys, and the one that was made because there was none."""
    master_key = MasterKey(
        store.data_keys,
        master_keys_of(settings),
        box,
        mint=mint,
        now_ms=clock,
        entropy=os.urandom,
        spread_seconds=settings.lease_ms / 1000 if store.holding.is_shared else 0.0,
    )
    await master_key.open()
    keys = ApiKeys(store.directory, mint=mint, now_ms=clock, entropy=os.urandom)
    await keys.follow()
    given = settings.bootstrap_key.reveal() if settings.bootstrap_key else None
    return master_key, keys, await keys.bootstrap(given) if has_api else None


async def _serve(
    settings: Settings,
    store: Store,
    clock: StoreClock,
    sender: HttpSender,
    ready: Callable[[Running], None],
    stop: asyncio.Event,
    *,
    alike: Alike | None,
    has_api: bool,
) -> None:
    mint = IdMint(clock, os.urandom)
    box = AesSecretBox()
    master_key, keys, generated = await _opened_keys(settings, store, clock, mint, box, has_api=has_api)
    await store.directory.finish_removals(clock())
    parts = await make_parts(settings, store, sender, mint, box, clock)
    loops = make_loops(parts)
    background = await make_background(parts, loops)
    others = make_others(parts, loops, keys, master_key)
    consents = make_consents(parts, loops, others.elsewhere)
    consent = ConsentWorker(consents, loops.held, parts.endpoints, clock)
    loops.holding.followers.insert(0, consent)
    if others.following is not None:
        others.following.consented = consents.heard
        loops.holding.followers.insert(0, others.following)
    intake = await open_intake(parts, loops, keys)
    supervisor = Supervisor(
        holding=loops.holding,
        accept=loops.accept,
        fanout=loops.fanout,
        delivery=loops.delivery,
        consent=consent,
        replay=loops.replay,
        notices=loops.notices,
        background={**background.all, **others.background, **(intake.loops if intake is not None else {})},
        keys=keys,
        stop=stop,
    )
    asked = supervisor.problems if intake is None else intake.ready(supervisor.problems)

    def problems() -> list[str]:
        return asked() + ([] if master_key.problem is None else [master_key.problem])

    services = make_services(
        parts,
        loops,
        background,
        consents,
        intake,
        keys=keys,
        master_key=master_key,
        ready=problems,
        elsewhere=others.elsewhere,
    )
    await supervisor.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        listener, url = (alike.listener, alike.url) if alike else listen(settings.host, settings.port)
        log.info("serving", url=url)
        web = Web(services, keys, store.sessions, settings, clock)
        link = await web.link(settings.public_url or url) if has_api else ""
        ready(Running(url=url, generated_key=generated, sign_in_link=link))
        if alike:
            alike.is_ready()
        app, direct = (web, Direct(services)) if has_api else (tells_only(web), None)
        await answer_requests(app, listener, default_limits(), stop, direct=direct, stopping=loops.tails.end)
    finally:
        await supervisor.stop()
        if intake is not None:
            await intake.servers.close()
        await loops.exchanges.tokens.close()
        await parts.templates.close()
