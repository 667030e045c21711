"""The loop of erasures: one after another, in small steps that each are in the store before the next begins, so that a
crash neither skips nor counts twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.audit import AuditEntry
from tocsin.model.endpoint import LONGEST_SECONDS
from tocsin.model.erasure import AttemptSize, Erasure, ErasureState, Phase, SubjectDelivery
from tocsin.model.ids import Millis
from tocsin.model.replay import Replay
from tocsin.operations.endpoint_codec import with_fields
from tocsin.operations.tails import Tails
from tocsin.ports import AuditQuery, Erasures, Fenced, Hint, Holder, ReplayQuery, Replays, SecretBox, Taken, Views
from tocsin.rules.erasing import STEP_ROWS, filters_name, filters_without, first_step, named_too, names, reason_without
from tocsin.telemetry import log
from tocsin.workers.delivery import DeliveryWorker
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.erasing_answers import PAGE, decoded, erase_answers
from tocsin.workers.fanout import FanoutWorker
from tocsin.workers.held import Held, boottime_ms
from tocsin.workers.replay import ReplayWorker

LONGEST_MS: Final = LONGEST_SECONDS * 1000
_LOOK_SECONDS: Final = 0.02
_RETRY_SECONDS: Final = 1.0
_ELSEWHERE_SECONDS: Final = 2.0
"""How often it looks whether another process was asked for one that is done here."""
_OWN_ACTION: Final = "erasure.created"


class Stores(Protocol):
    """What it needs of the store."""

    @property
    def erasures(self) -> Erasures: ...

    @property
    def replays(self) -> Replays: ...

    @property
    def views(self) -> Views: ...


class ErasingWorker:
    """Works off what was asked for. What it knows is in the store: after a crash it goes on where the last step ended."""

    def __init__(  # noqa: PLR0913, PLR0917 (what is asked, then what holds something of it, in the order of an event's path)
        self,
        store: Stores,
        box: SecretBox,
        held: Held,
        endpoints: Endpoints,
        fanout: FanoutWorker,
        delivery: DeliveryWorker,
        replay: ReplayWorker,
        tails: Tails,
        now_ms: Callable[[], Millis],
        tell: Callable[[Hint], None],
        fenced: Callable[[Holder], None],
    ) -> None:
        self._tell = tell
        self._fenced = fenced
        self._out_until: dict[int, Millis] = {}
        """For each partition that is held here: until when a request of one that was fenced may be out."""
        self._store = store.erasures
        self._replay_store = store.replays
        self._views = store.views
        self._box = box
        self._held = held
        self._endpoints = endpoints
        self._fanout = fanout
        self._delivery = delivery
        self._replay = replay
        self._tails = tails
        self._now_ms = now_ms
        self._news = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._is_stopping = False

    def added(self, tenant: str) -> None:
        """There is a new erasure for this tenant."""
        self._news.set()
        if not self._held.holds(tenant):
            self._tell(Hint(changed=True))

    def heard(self, hint: Hint) -> None:
        """Another process may have been asked for one."""
        if hint.changed:
            self._news.set()

    async def taken(self, taken: Sequence[Taken]) -> None:
        """There may be erasures of these tenants. Requests of one that was fenced may be out for as long as any endpoint may ask for;
        that one may have been changed or deleted since."""
        now = boottime_ms()
        for one in taken:
            ago = LONGEST_MS if one.fenced_ago_ms is None else one.fenced_ago_ms
            self._out_until[one.partition] = now + LONGEST_MS - ago
        self._news.set()

    async def giving_back(self, partitions: frozenset[int]) -> None:
        """Those go on elsewhere; what is still for here is begun again at its last step."""
        for partition in partitions:
            self._out_until.pop(partition, None)
        self._begin_again()
        if self._work is not None:
            await asyncio.wait([self._work])

    def lost(self) -> None:
        self._out_until.clear()
        self._begin_again()

    def _begin_again(self) -> None:
        self._news.set()
        if self._work is not None:
            self._work.cancel()

    def stop(self) -> None:
        """At once: what was begun is gone on with at the next start."""
        self._is_stopping = True
        self._news.set()
        if self._work is not None:
            self._work.cancel()

    def _is_stopped(self) -> bool:
        return self._is_stopping

    async def run(self) -> None:
        while not self._is_stopping:
            self._news.clear()
            self._work = asyncio.create_task(self._work_off())
            wait = _ELSEWHERE_SECONDS if self._held.is_shared else None
            try:
                await self._work
            except asyncio.CancelledError:
                if self._is_stopped():
                    return
                if not self._work.cancelled():
                    raise
            except Fenced:
                wait = _RETRY_SECONDS
            except (StoreUnavailable, StorageFull) as error:
                log.error("erasure.waits", problem=error.slug)
                wait = _RETRY_SECONDS
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _work_off(self) -> None:
        """One after another; then the files, once for all of them. One that cannot be done does not keep the others from it."""
        erased: list[Erasure] = []
        for erasure in await self._store.running():
            out_until = self._out_until.get(self._held.partition_of(erasure.subject.tenant))
            if out_until is None or boottime_ms() < out_until:
                continue
            try:
                erased.append(await self._erased(erasure))
            except (StoreUnavailable, StorageFull, Fenced):
                raise
            except Exception as fault:  # noqa: BLE001  # it is told where people look
                await self._failed([erasure], fault)
        if not erased:
            return
        try:
            await self._wipe()
        except (StoreUnavailable, StorageFull):
            raise
        except Exception as fault:  # noqa: BLE001  # it is told where people look
            await self._failed(erased, fault)
            return
        for erasure in erased:
            await self._store.end(erasure, ErasureState.FINISHED, None, self._now_ms())
            log.info("erasure.finished", erasure=erasure.id)

    async def _wipe(self) -> None:
        while await self._store.shrink():
            continue
        await self._store.empty_wal()

    async def _failed(self, erasures: Sequence[Erasure], fault: Exception) -> None:
        for erasure in erasures:
            log.error("erasure.failed", erasure=erasure.id, exc_info=fault)
            await self._store.end(erasure, ErasureState.FAILED, type(fault).__name__, self._now_ms())

    async def _erased(self, erasure: Erasure) -> Erasure:
        """Through its phases, from the one that it is in, up to what is left in the files."""
        phases: dict[Phase, tuple[Callable[[Erasure], Awaitable[Erasure]], Phase]] = {
            "fanout": (self._fanned_out, "answers"),
            "answers": (self._answers, "events"),
            "events": (self._events, "replays"),
            "replays": (self._replays, "audit"),
            "audit": (self._audit, "disk"),
        }
        while erasure.progress.phase in phases:
            work, following = phases[erasure.progress.phase]
            erasure = await work(erasure)
            erasure = await self._store.move(erasure, with_fields(erasure.progress, phase=following, before=None))
        self._tails.let_go(erasure.subject.tenant)
        return erasure

    async def _fanned_out(self, erasure: Erasure) -> Erasure:
        """Until then it is not known which deliveries there are, and fan-out still holds the events in memory."""
        while self._fanout.position_of(erasure.subject.tenant) < erasure.last:  # noqa: ASYNC110  # fan-out goes on by itself
            await asyncio.sleep(_LOOK_SECONDS)
        self._fanout.let_go()
        return erasure

    async def _answers(self, erasure: Erasure) -> Erasure:
        return await erase_answers(self._store, self._box, erasure)

    async def _events(self, erasure: Erasure) -> Erasure:
        """Events with their deliveries and attempts: first all deliveries of some events, then these events."""
        while True:
            page = await self._store.page(erasure)
            if page.deliveries:
                erasure = await self._deliveries(erasure, page.deliveries)
            if not page.is_all:
                continue
            left = page.events
            if not left:
                return erasure
            place = (erasure.progress.position, erasure.progress.number)
            while left and place == (erasure.progress.position, erasure.progress.number):
                count = first_step([event.size for event in left])
                erasure = await self._store.erase_events(erasure, left[:count], page.head)
                left = left[count:]

    async def _deliveries(self, erasure: Erasure, deliveries: Sequence[SubjectDelivery]) -> Erasure:
        """Nothing more of them is sent, and what was sent is erased. A request that is out is waited for: it may still arrive, and
        what comes of it is written first."""
        numbers = [delivery.number for delivery in deliveries]
        pairs = [(delivery.endpoint, delivery.number) for delivery in deliveries]
        withdrawing = self._delivery.withdrawing
        holder = withdrawing.holder
        try:
            async with withdrawing.withheld(pairs) as in_flight:
                erasure, ready = await self._store.withdraw(holder, erasure, numbers, in_flight, self._now_ms())
                withdrawing.take(ready)
                await withdrawing.over(numbers)
                if in_flight:
                    erasure, ready = await self._store.withdraw(holder, erasure, numbers, frozenset(), self._now_ms())
                    withdrawing.take(ready)
        except Fenced:
            self._fenced(holder)
            raise
        erasure = await self._attempts(erasure, numbers, self._store.attempts, self._store.erase_attempts)
        batches = await self._store.batches(numbers)
        if batches:
            erasure = await self._attempts(
                erasure, batches, self._store.batch_attempts, self._store.erase_batch_attempts
            )
        last = deliveries[-1]
        progress = with_fields(erasure.progress, position=last.position, number=last.number)
        return await self._store.erase_deliveries(erasure, numbers, progress)

    async def _attempts(
        self,
        erasure: Erasure,
        numbers: Sequence[int],
        find: Callable[[Sequence[int], int], Awaitable[list[AttemptSize]]],
        erase: Callable[[Erasure, Sequence[int]], Awaitable[Erasure]],
    ) -> Erasure:
        after = -1
        while sizes := await find(numbers, after):
            while sizes:
                count = first_step([one.size for one in sizes])
                erasure = await erase(erasure, [one.place for one in sizes[:count]])
                after = sizes[count - 1].place
                sizes = sizes[count:]
        return erasure

    async def _replays(self, erasure: Erasure) -> Erasure:
        """The filters of replays; those of endpoints are only reported, for they are what somebody wants."""
        subject = erasure.subject
        while page := await self._replay_store.replays(
            ReplayQuery(tenant=subject.tenant, limit=PAGE, before=erasure.progress.before)
        ):
            naming = [
                with_fields(
                    replay,
                    filters=filters_without(replay.filters, subject),
                    dead_reason=reason_without(replay.dead_reason, subject),
                )
                for replay in page
                if filters_name(replay.filters, subject)
                or reason_without(replay.dead_reason, subject) != replay.dead_reason
            ]
            progress = with_fields(erasure.progress, before=page[-1].number)
            erasure = await self._store.erase_filters(erasure, naming, progress)
            await self._follow(naming)
        return await self._store.move(erasure, with_fields(erasure.progress, report=await self._named(erasure)))

    async def _follow(self, replays: Sequence[Replay]) -> None:
        """Those that are not over go on with the filters that they have now."""
        for replay in replays:
            stored = await self._replay_store.replay(replay.id, replay.tenant)
            if stored is not None and stored.finished_at is None:
                self._replay.changed(stored)

    async def _named(self, erasure: Erasure) -> object:
        """The report with the endpoints that have the subject in a filter."""
        found: list[str] = []
        for count, preparation in enumerate(tuple(self._endpoints.prepared.values())):
            endpoint = preparation.endpoint
            if endpoint.tenant == erasure.subject.tenant and filters_name(endpoint.config.filters, erasure.subject):
                found.append(endpoint.id)
            if count % STEP_ROWS == 0:
                await asyncio.sleep(0)
        return with_fields(erasure.progress.report, endpoints_naming_it=named_too((), found))

    async def _audit(self, erasure: Erasure) -> Erasure:
        """After the events: what is told from now on of their deliveries does not name the subject."""
        subject = erasure.subject

        def naming(page: Sequence[tuple[int, AuditEntry]]) -> list[int]:
            return [
                number
                for number, entry in page
                if entry.action != _OWN_ACTION
                and (names(decoded(entry.before), subject) or names(decoded(entry.after), subject))
            ]

        while page := await self._views.audit(
            AuditQuery(tenant=subject.tenant, limit=PAGE, before=erasure.progress.before)
        ):
            numbers = await asyncio.to_thread(naming, page)
            progress = with_fields(erasure.progress, before=page[-1][0])
            erasure = await self._store.erase_entries(erasure, numbers, progress)
        return erasure
