"""The loop of retention: removes what is old, a few milliseconds of the writer at a time, behind everything else.

A pass goes through everything that may be kept equally long, once: its cursor is in the store. What it finds still needed it
leaves behind, and that is looked at again from time to time. Tables without an order of age are looked through at long
intervals.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from tocsin.errors import StorageFull, StoreUnavailable
from tocsin.model.ids import Millis
from tocsin.model.retention import FOR_EVER, KINDS, TABLES, RetentionCursor, RetentionRule, Table, What
from tocsin.model.times import to_text
from tocsin.operations.retention import RetentionProgress
from tocsin.ports import Aged, Era, Key, RetentionStore, Revisions, Taken
from tocsin.rules.retention import Ages, Limits, Policy, judged_time
from tocsin.telemetry import Metrics, log
from tocsin.workers.delivery import DeliveryWorker
from tocsin.workers.expiring import Expiring
from tocsin.workers.passes import LATE_SHARE, LOOKS, Pass, passes_of

LOOK_SECONDS: Final = 60.0
"""How long it rests when nothing is old, and how long a round of the passes takes at most when there is no end of it."""
LEFT_SECONDS: Final = 3600.0
"""How often it looks at what was left behind."""
TABLE_SECONDS: Final = 6 * 3600.0
"""How often it looks through the tables that have no order of age."""
SAVE_SECONDS: Final = 600.0
PAGE: Final = 512
_SHARE: Final = 4
"""For each millisecond of the writer it takes, it leaves so many to others, or one if none had to wait."""
_BUSY_MS: Final = 1.0
_LEAST_PAUSE: Final = 0.005
_RETRY_SECONDS: Final = 1.0
UNUSED_BYTES: Final = 4 * 1024 * 1024
"""What may be unused in the file before it is given back to the disk; or a tenth of the file, if that is more."""
_AHEAD_MS: Final = 24 * 3600 * 1000
LEFT: Final[tuple[What, ...]] = ("expire", *KINDS)
_IN_ORDER: Final[frozenset[Table]] = frozenset({"answer", "audit"})


class RetentionWorker:
    """Removes by the policy of the moment."""

    def __init__(
        self,
        *,
        store: RetentionStore,
        limits: Limits,
        delivery: DeliveryWorker,
        metrics: Metrics,
        now_ms: Callable[[], Millis],
        monotonic: Callable[[], float],
        is_shared: bool = False,
    ) -> None:
        self._store = store
        self._is_shared = self._is_elsewhere = is_shared
        self._delivery = delivery
        self._expiring = Expiring(store, delivery, now_ms, lambda: self._rest(_LEAST_PAUSE * _SHARE))
        self._metrics = metrics
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._news = asyncio.Event()
        self._is_stopping = False
        self._removed: Counter[str] = Counter()
        self._judged: Millis | None = None
        self._judged_mono = self._saved_mono = monotonic()
        self._left_mono: float | None = None
        self._table_mono: dict[Table, float] = {}
        self._passes: list[Pass] = []
        self._warned = self._moved = self._is_at_work = self._is_to_look = False
        self.policy = Policy(limits, {})

    async def start(self) -> None:
        """Go on where the last process was, as far as the rules are still the same."""
        state = await self._store.load()
        self._judged = state.judged_at
        self._judged_mono = self._monotonic()
        self._set(state.rules, state.cursors)

    def moved(self, before: Revisions | None, now: Revisions) -> None:
        """The rules were changed, maybe elsewhere."""
        if before is not None and before.retention != now.retention:
            self._is_to_look = True
            self._news.set()

    @property
    def _ends(self) -> bool:
        """Whether what is under way ends as soon as it can."""
        return self._is_stopping or self._is_elsewhere or self._is_to_look

    async def taken(self, taken: Sequence[Taken]) -> None:
        """One process removes, the holder of the first partition: it goes on where the last one was."""
        if self._is_elsewhere and any(one.partition == 0 for one in taken):
            await self.start()
            self._is_elsewhere = False
            self._news.set()

    async def giving_back(self, partitions: frozenset[int]) -> None:
        if 0 in partitions and not self._is_elsewhere:
            self._is_elsewhere = True
            while self._is_at_work:  # noqa: ASYNC110  # a step ends within milliseconds
                await asyncio.sleep(_LEAST_PAUSE)
            await self.save()

    def lost(self) -> None:
        self._is_elsewhere = self._is_shared

    def changed(self, rules: Mapping[str, tuple[RetentionRule, ...]]) -> None:
        """The rules are others now: what they concern is gone through from the beginning."""
        self._set(rules, [one.cursor(one.position) for one in self._passes])
        self._left_mono = None
        self._news.set()

    def stop(self) -> None:
        self._is_stopping = True
        self._news.set()

    async def progress(self) -> RetentionProgress:
        space = await self._store.space()
        return RetentionProgress(
            removed=dict(self._removed),
            passes=[] if self._is_elsewhere else [one.shown(self._judged) for one in self._passes],
            judged_at=None if self._judged is None else to_text(self._judged),
            file_bytes=space.file,
            unused_bytes=space.unused,
        )

    async def run(self) -> None:
        while not self._is_stopping:
            self._news.clear()
            wait = LOOK_SECONDS
            self._is_at_work = True
            try:
                if self._is_elsewhere:
                    self._is_to_look = False
                    await self._expire_here()
                elif self._is_to_look:
                    await self._look_at_rules()
                    continue
                elif await self.round():
                    continue
            except (StoreUnavailable, StorageFull) as problem:
                log.error("retention.waits", problem=problem.slug)
                wait = _RETRY_SECONDS
            finally:
                self._is_at_work = False
            if not self._is_stopping:
                await self._rest(wait, until_news=True)
        try:
            if not self._is_elsewhere:
                await self.save()
        except (StoreUnavailable, StorageFull) as problem:
            log.error("retention.not_saved", problem=problem.slug)

    async def round(self) -> bool:
        """Remove everything that is old now; gives whether that was too much for one round."""
        passes, end = self._passes, self._monotonic() + LOOK_SECONDS
        moved = True
        while moved and not self._ends and passes is self._passes and self._monotonic() < end:
            moved = False
            for one in passes:
                moved |= await self._advance(one)
            await self._look_at_left("remains")
            self._metrics.behind.set(max((one.behind(self._judged) for one in passes), default=0) / 1000)
        if self._left_mono is None or self._monotonic() - self._left_mono >= LEFT_SECONDS:
            self._left_mono = self._monotonic()
            for what in LEFT:
                await self._look_at_left(what)
        for table in TABLES:
            await self._look_through(table)
        await self._store.tend_eras()
        await self._give_back()
        if self._monotonic() - self._saved_mono >= SAVE_SECONDS or self._moved:
            await self.save()
        return moved

    async def _look_at_rules(self) -> None:
        self._is_to_look = False
        try:
            rules = (await self._store.load()).rules
        except BaseException:
            self._is_to_look = True
            raise
        if rules != self.policy.rules:
            self.changed(rules)

    async def save(self) -> None:
        """Keep where it is."""
        self._saved_mono, self._moved = self._monotonic(), False
        await self._store.save_cursors([one.cursor(one.position) for one in self._passes], self._now())

    def _set(self, rules: Mapping[str, tuple[RetentionRule, ...]], cursors: Iterable[RetentionCursor]) -> None:
        self.policy = policy = Policy(self.policy.limits, rules)
        self._passes = passes_of(policy, cursors)

    def _now(self) -> Millis:
        """The time by which ages are judged."""
        mono, wall = self._monotonic(), self._now_ms()
        self._judged = judged_time(self._judged, wall, (mono - self._judged_mono) * 1000)
        self._judged_mono = mono
        is_behind = wall - self._judged > _AHEAD_MS
        if is_behind and not self._warned:
            log.warning("retention.clock", clock=to_text(wall), judged_by=to_text(self._judged))
        self._warned = is_behind
        return self._judged

    async def _advance(self, one: Pass) -> bool:
        """One page of a pass; False when nothing is old enough."""
        until = self._now() - one.keep
        if self._ends or (one.next_at is not None and one.next_at > until):
            return False
        era = await self._store.era(one.what, one.position) if one.by_eras else None
        if era is not None and one.may_wait_for(era):
            one.next_at = era.youngest_at
            return era.youngest_at <= until and await self._drop(one, era, until)
        page = await self._store.page(one.what, one.scope, one.position, until, PAGE)
        one.next_at = page.next_at
        if not page.found:
            return False
        if one.what == "expire":
            await self._expire([aged for aged in page.found if aged.ended_at is None], until)
        else:
            numbers = [aged.number for aged in page.found if one.takes(self.policy, aged)]
            while numbers and self._goes_on(one):
                numbers = await self._remove(one.what, numbers, until, one.cursor(page.end))
                one.position = page.end if not numbers else max(one.position, numbers[0] - 1)
            if numbers:
                return False
        one.position, self._moved = page.end, True
        await self._rest(_LEAST_PAUSE)
        return True

    async def _drop(self, one: Pass, era: Era, until: Millis) -> bool:
        """An era as a whole; False: later."""
        gone = await self._store.drop_era(one.what, era, until)
        if gone == "one by one" and until < era.youngest_at + one.keep // LATE_SHARE:  # much of it may have ended late
            one.next_at = until + one.keep // LOOKS
            return False
        if gone == "dropped":
            self._count({"eras": 1})
            one.position, self._moved = era.end, True
        elif gone == "one by one":
            one.one_by_one = era.end
        return gone != "later"

    def _goes_on(self, one: Pass) -> bool:
        """Neither stopped nor overtaken by other rules."""
        return not self._ends and one in self._passes

    async def _remove(
        self, what: What, numbers: Sequence[int], until: Millis, cursor: RetentionCursor | None
    ) -> list[int]:
        """One transaction, and the pause that it costs; gives what it did not come to."""
        removed = await self._store.remove(what, numbers, until, cursor)
        self._count(removed.counts)
        share = _SHARE if removed.waited_ms > _BUSY_MS else 1
        await self._rest(max(_LEAST_PAUSE, removed.took_ms * share / 1000))
        return list(numbers[removed.dealt :])

    async def _expire(self, aged: Sequence[Aged], until: Millis) -> None:
        self._count({"expired": await self._expiring.expire(aged, until)})

    async def _expire_here(self) -> None:
        """What the one that removes left behind because it is not its to give up: only its holder knows what is out."""
        if self.policy.limits.pending == FOR_EVER:
            return
        after, until = 0, self._now() - self.policy.limits.pending
        while not self._is_stopping:
            page = await self._store.left("expire", after, PAGE)
            pending = [aged for aged in page.found if aged.ended_at is None and aged.event_type]
            await self._expire([aged for aged in pending if self._delivery.is_here(aged.endpoint)], until)
            if len(page.found) < PAGE:
                return
            after = page.end

    async def _look_at_left(self, what: What) -> None:
        """What was left behind and has ended since, or is gone."""
        after, is_more = 0, True
        while is_more and not self._ends:
            now = self._now()
            page = await self._store.left(what, after, PAGE)
            after, is_more = page.end, len(page.found) == PAGE
            if what == "remains":
                after, is_more = 0, bool(page.found)
            by_keep: dict[Millis, list[int]] = {}
            for aged in page.found:
                if (keep := self._kept(what, aged, now)) is not None:
                    by_keep.setdefault(keep, []).append(aged.number)
            pending = [aged for aged in page.found if what == "expire" and aged.ended_at is None and aged.event_type]
            if self.policy.limits.pending != FOR_EVER:
                await self._expire(pending, now - self.policy.limits.pending)
            for keep, numbers in by_keep.items():
                waiting = numbers
                while waiting and not self._ends:
                    waiting = await self._remove(what, waiting, now - keep, None)
            await self._rest(_LEAST_PAUSE if page.found else 0)

    def _kept(self, what: What, aged: Aged, now: Millis) -> Millis | None:
        """How long it was to be kept, if that is over; nothing keeps what is gone."""
        if aged.event_type is None:
            return 0
        if aged.ended_at is None or what not in KINDS:
            return None if aged.ended_at is None else 0
        keep = self.policy.keep(what, aged.tenant, aged.event_type)
        return keep if keep != FOR_EVER and aged.ended_at <= now - keep else None

    async def _look_through(self, table: Table) -> None:
        last = self._table_mono.get(table)
        if table not in _IN_ORDER and last is not None and self._monotonic() - last < TABLE_SECONDS:
            return
        after: Key | None = None
        while not self._ends:
            removed, after = await self._store.look_through(table, after, Ages(policy=self.policy, now=self._now()))
            self._count({table: removed})
            if after is None:
                self._table_mono[table] = self._monotonic()
                return
            await self._rest(_LEAST_PAUSE * _SHARE if removed else _LEAST_PAUSE)

    async def _give_back(self) -> None:
        """Give the disk what the file has too much of."""
        while not self._ends:
            space = await self._store.space()
            most = space.unused - max(UNUSED_BYTES, space.file // 10)
            if most <= 0 or not await self._store.give_back(most):
                return
            await self._rest(_LEAST_PAUSE * _SHARE)

    def _count(self, counts: Mapping[str, int]) -> None:
        for name, number in counts.items():
            if number:
                self._removed[name] += number
                self._metrics.removed.labels(name).inc(number)

    async def _rest(self, seconds: float, *, until_news: bool = False) -> None:
        """Let others go on."""
        if not until_news:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
