"""The loop of the replicated intake: what stands there for the partitions that are held is accepted, in order, group by group.

Where it goes on is what the store says: the cursor moves in the transaction of the accept. So what is read again after a crash was not
accepted, and what was accepted is not read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, Protocol

import msgspec

from tocsin.errors import IntakeUnavailable, StorageFull, StoreUnavailable, TocsinError
from tocsin.model.event import Event
from tocsin.model.ids import Millis
from tocsin.model.intake import Arrival, Handed, IntakeCursor, Taking
from tocsin.model.submission import Accepted, Decide, Needs, Submission
from tocsin.pipeline.accept import GROUP_BYTES, LEAST_BYTES
from tocsin.pipeline.intake import Door, Told, UnknownForm, handed_in, told_of, verdict_of
from tocsin.ports import Fenced, Holder, Taken
from tocsin.ports.intake import Arrivals, Intake, IntakeStore
from tocsin.rules.intake import is_late, receipt_id, takes
from tocsin.telemetry import log
from tocsin.workers.intake_watch import IntakeWatch

PAUSE_SECONDS: Final = 0.2
KEEP_UP_MS: Final = 5_000
HEARD_MS: Final = 60_000
"""Nobody waits longer for a verdict."""
_encode = msgspec.msgpack.Encoder().encode
_decode_told = msgspec.msgpack.Decoder(list[Told]).decode


class ReadHanded(Protocol):
    """Reads what a producer sent, as its route does."""

    def __call__(self, handed: Handed) -> Awaitable[Submission | TocsinError]: ...


class IntakeWorker:
    """A follower of what is held. `committed` hears of the events of each commit group."""

    def __init__(  # noqa: PLR0913 (its parts, by name)
        self,
        *,
        intake: Intake,
        store: IntakeStore,
        watch: IntakeWatch,
        door: Door,
        node: str,
        holder: Callable[[], Holder],
        fenced: Callable[[Holder], None],
        read: ReadHanded,
        needs_of: Callable[[Submission], Needs],
        decide: Decide,
        committed: Callable[[Sequence[Event]], None],
        now_ms: Callable[[], Millis],
    ) -> None:
        self._intake = intake
        self._store = store
        self._watch = watch
        self._door = door
        self._node = node
        self._holder = holder
        self._fenced = fenced
        self._read = read
        self._needs_of = needs_of
        self._decide = decide
        self._committed = committed
        self._now_ms = now_ms
        self._held: frozenset[int] = frozenset()
        self._cursors: dict[int, IntakeCursor] = {}
        self._arrivals: Arrivals | None = None
        self._under_way = 0
        self._kept_up_at = 0
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_stopping = False
        watch.measure = self.measure

    @property
    def held(self) -> frozenset[int]:
        return self._held

    async def taken(self, taken: Sequence[Taken]) -> None:
        self._held |= {one.partition for one in taken}
        self._changed.set()

    async def giving_back(self, partitions: frozenset[int]) -> None:
        self._held -= partitions
        self._changed.set()
        await self._idle.wait()

    def lost(self) -> None:
        self._held = frozenset()
        self._changed.set()

    def stop(self) -> None:
        self._is_stopping = True
        self._changed.set()

    async def measure(self) -> int:
        """How much of what is held was not accepted."""
        return self._under_way + (await self._arrivals.behind() if self._arrivals is not None else 0)

    async def run(self) -> None:
        await self._intake.listen(self._node, self._hear)
        while not self._is_stopping:
            self._changed.clear()
            try:
                if self._held and self._watch.problem() is None:
                    await self._go_on()
                    continue
            except (IntakeUnavailable, StoreUnavailable, StorageFull) as problem:
                log.warning("intake.waits", problem=problem.slug, why=problem.detail)
            except UnknownForm:
                log.critical("intake.unreadable")
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(PAUSE_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _go_on(self) -> None:
        """Read and accept from where the store is, until what is held changes or something does not fit."""
        held, holder = self._held, self._holder()
        incarnation, cursors = await self._store.cursors()
        self._cursors = {partition: cursors[partition] for partition in held if partition in cursors}
        if incarnation is None or len(self._cursors) < len(held):
            await self._watch.look()
            return
        arrivals = await self._intake.read({number: cursor.sequence for number, cursor in self._cursors.items()})
        self._arrivals = arrivals
        try:
            # After the reading was begun: it ends with the stream that it reads.
            self._watch.judge(await self._intake.state())
            if self._watch.problem() is not None or self._watch.incarnation != incarnation:
                return
            while not self._changed.is_set():
                come = await arrivals.next()
                for group in _groups(come):
                    if not await self._accept_group(holder, incarnation, group):
                        return
                if come and not await self._keep_up(holder, incarnation, come[-1].sequence):
                    return
        finally:
            self._arrivals = None
            await arrivals.close()

    async def _accept_group(self, holder: Holder, incarnation: str, group: Sequence[Arrival]) -> bool:
        """False when it is to be begun anew."""
        if self._changed.is_set():
            return False
        self._idle.clear()
        self._under_way = len(group)
        try:
            handed = [(arrival, handed_in(arrival.content)) for arrival in group]
            takings, moves = await self._takings(handed)
            answers = await self._accept(holder, incarnation, takings, moves)
        finally:
            self._under_way = 0
            self._idle.set()
        if answers is None:
            return False
        self._cursors.update({partition: new for partition, (_, new) in moves.items()})
        events = [event for answer in answers if isinstance(answer, Accepted) for event in answer.events]
        if events:
            self._committed(events)
        await self._tell(takings, answers)
        return True

    async def _keep_up(self, holder: Holder, incarnation: str, sequence: int) -> bool:
        """Now and then the cursors of partitions without traffic follow: whoever reads next begins at the lowest of them."""
        now = self._now_ms()
        if abs(now - self._kept_up_at) < KEEP_UP_MS:
            return True
        moves = {
            partition: (cursor, IntakeCursor(sequence=sequence, numbers=cursor.numbers))
            for partition, cursor in self._cursors.items()
            if cursor.sequence < sequence
        }
        self._idle.clear()
        try:
            if moves and await self._accept(holder, incarnation, [], moves) is None:
                return False
        finally:
            self._idle.set()
        self._cursors.update({partition: new for partition, (_, new) in moves.items()})
        self._kept_up_at = now
        return True

    async def _takings(
        self, handed: Sequence[tuple[Arrival, Handed]]
    ) -> tuple[list[tuple[Taking, Needs]], dict[int, tuple[IntakeCursor, IntakeCursor]]]:
        """What of it is to be accepted, and how far the cursors go with it."""
        numbers = {arrival.partition: dict(self._cursors[arrival.partition].numbers) for arrival, _ in handed}
        last: dict[int, int] = {}
        takings = []
        for arrival, one in handed:
            partition = arrival.partition
            last[partition] = arrival.sequence
            if not takes(numbers[partition], one.node, one.number):
                log.warning("intake.again", node=one.node, number=one.number)
                continue
            known = self._door.submission_of(one.number) if one.node == self._node else None
            submission = known or await self._read(one)
            taking = Taking(
                partition=partition,
                sequence=arrival.sequence,
                node=one.node,
                number=one.number,
                tenant=one.tenant,
                receipt=receipt_id(one.node, one.number, partition, one.tenant),
                route=one.sent.route,
                received_at=one.received_at,
                submission=submission,
                is_late=one.is_queued,
            )
            takings.append((taking, self._needs_of(submission) if isinstance(submission, Submission) else Needs()))
        moves = {
            partition: (self._cursors[partition], IntakeCursor(sequence=last[partition], numbers=numbers[partition]))
            for partition in last
        }
        return takings, moves

    async def _accept(
        self,
        holder: Holder,
        incarnation: str,
        takings: Sequence[tuple[Taking, Needs]],
        moves: dict[int, tuple[IntakeCursor, IntakeCursor]],
    ) -> list[Accepted | TocsinError] | None:
        """However long the store takes to be there again; None when a cursor is elsewhere, or somebody else goes on."""
        while not self._changed.is_set():
            now = self._now_ms()
            judged = [(_judged(taking, now), needs) for taking, needs in takings]
            try:
                return await self._store.accept(holder, incarnation, judged, moves, self._decide)
            except (StoreUnavailable, StorageFull) as problem:
                if not self._watch.is_store_away:
                    log.error("intake.store_away", problem=problem.slug)
                self._watch.is_store_away = True
            except Fenced:
                self._fenced(holder)
                return None
            await self._pause()
        return None

    async def _tell(self, takings: Sequence[tuple[Taking, Needs]], answers: Sequence[Accepted | TocsinError]) -> None:
        now = self._now_ms()
        others: dict[str, list[Told]] = {}
        for (taking, _), answer in zip(takings, answers, strict=True):
            if taking.is_late:  # from the beginning
                continue
            if taking.node == self._node:
                self._door.told(taking.number, answer)
            elif abs(now - taking.received_at) < HEARD_MS:
                others.setdefault(taking.node, []).append(told_of(taking.number, answer))
        for node, told in others.items():
            await self._intake.tell(node, _encode(told))

    def _hear(self, content: bytes) -> None:
        for told in _decode_told(content):
            self._door.told(told.number, verdict_of(told))


def _judged(taking: Taking, now: Millis) -> Taking:
    late = is_late(taking.received_at, now)
    return msgspec.structs.replace(taking, is_late=True) if late else taking


def _groups(arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
    """Of as much as one transaction has."""
    group: list[Arrival] = []
    weight = 0
    for arrival in arrivals:
        size = max(len(arrival.content), LEAST_BYTES)
        if group and weight + size > GROUP_BYTES:
            yield group
            group, weight = [], 0
        group.append(arrival)
        weight += size
    if group:
        yield group
