"""Fan-out within the transaction that accepts: one COMMIT for both, and every event becomes exactly one delivery for each endpoint,
whatever comes in between."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.contracts.given import NOTHING, deciding, submission
from tests.kit.server import SETTINGS

from tocsin.adapters.crypto.secret_box import AesSecretBox
from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.adapters.storing.ranks import Rank
from tocsin.config import load_settings
from tocsin.model.audit import SERVER
from tocsin.model.ids import IdMint
from tocsin.model.submission import Accepted, Decide, Facts, Submission, Verdict
from tocsin.pipeline.accept import Accept
from tocsin.pipeline.fanout import CHUNK, Fan
from tocsin.ports import Fanned, Hint, Holder
from tocsin.telemetry import Metrics
from tocsin.wiring import now_ms
from tocsin.wiring.parts import Parts, make_parts
from tocsin.wiring.sending import make_sender
from tocsin.workers.fanout import FanoutWorker
from tocsin.workers.held import Held
from tocsin.workers.store_clock import StoreClock

MINT = IdMint(now_ms, os.urandom)


class Node:
    """Accept and fan-out of one process over a real store."""

    def __init__(self, store: SqliteStore, parts: Parts, decide: Decide) -> None:
        self.store = store
        self.parts = parts
        self.pushed: list[tuple[int, int]] = []
        self.missed = 0
        self.held = Held(1, is_shared=False)
        self.fanout = FanoutWorker(
            reader=store.log,
            queue=store.queue,
            holding=store.holding,
            held=self.held,
            endpoints=parts.endpoints,
            mint=MINT,
            now_ms=now_ms,
            metrics=Metrics(),
            pushed=self._pushed,
            fenced=self._fenced,
            tell=self._tell,
            missed=self._missed,
        )
        self.accept = Accept(store.log, lambda _: NOTHING, decide, self.fanout.committed, self.fanout.within)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.held.holder = await self.store.holding.join("one")
        taken = await self.store.holding.take(self.held.holder, 1)
        self.held.partitions = frozenset({0})
        await self.fanout.taken(taken)
        self._running = asyncio.create_task(self.fanout.run())
        while (within := self.fanout.within()) is None:  # the loop looks at the log once
            await asyncio.sleep(0.001)
        assert self.fanout.within() is None, "one at a time"
        within.over()

    async def stop(self) -> None:
        self.fanout.stop()
        if self._running is not None:
            await self._running

    async def fanned(self, deliveries: int) -> list[tuple[int, int]]:
        """Wait until so many deliveries were told of, and see that the store has the same, each once."""
        async with asyncio.timeout(20):
            while len(self.pushed) < deliveries:  # fan-out goes on by itself
                await asyncio.sleep(0.001)
        rows = await self.store._readers.run(
            lambda connection: connection.execute("SELECT position, endpoint FROM delivery").fetchall()
        )
        assert sorted(rows) == sorted(self.pushed)
        assert len(set(rows)) == deliveries
        return sorted(self.pushed)

    def _pushed(self, fan: Fan, fanned: Sequence[Fanned]) -> None:
        self.pushed += [(new.position, new.endpoint) for new, _ in zip(fan.deliveries, fanned, strict=True)]

    def _fenced(self, holder: Holder) -> None:
        raise AssertionError(holder)

    def _tell(self, hint: Hint) -> None:
        raise AssertionError(hint)

    def _missed(self) -> None:
        self.missed += 1


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def parts_over(stack: AsyncExitStack, store: SqliteStore) -> Parts:
    settings = load_settings(SETTINGS | {"database": "sqlite:///x", "master_key": "A" * 43 + "="}, {})
    sender = make_sender(settings)
    stack.push_async_callback(sender.close)
    parts = await make_parts(settings, store, sender, MINT, AesSecretBox({1: b"k" * 32}), StoreClock(now_ms))
    stack.push_async_callback(parts.templates.close)
    return parts


async def started(stack: AsyncExitStack, folder: Path, decide: Decide, endpoints: int = 1, **config: object) -> Node:
    store = SqliteStore(folder / "within.db", now_ms, time.monotonic)
    stack.callback(store.close)
    parts = await parts_over(stack, store)
    for number in range(endpoints):
        document = {"name": f"n{number}", "url": "http://127.0.0.1:9/", **config}
        await parts.operations.create("acme", document, by=SERVER)
    path = Node(store, parts, decide)
    await path.start()
    stack.push_async_callback(path.stop)
    return path


async def test_an_event_and_its_deliveries_are_one_commit(stack: AsyncExitStack, tmp_path: Path) -> None:
    path = await started(stack, tmp_path, deciding(MINT, 1), endpoints=3)
    before = path.store._writer.commits
    await path.accept(submission())
    assert path.store._writer.commits == before + 1
    assert await path.fanned(3) == [(1, 1), (1, 2), (1, 3)]
    for _ in range(5):
        await path.accept(submission())
    assert path.store._writer.commits == before + 6
    await path.fanned(18)
    assert await path.store.holding.cursors(path.held.holder) is not None
    assert path.fanout.position_of("acme") == 6


async def test_many_at_once_are_fanned_out_once_each(stack: AsyncExitStack, tmp_path: Path) -> None:
    path = await started(stack, tmp_path, deciding(MINT, 1), endpoints=2)
    await asyncio.gather(*(path.accept(submission()) for _ in range(1500)))
    positions = {position for position, _ in await path.fanned(3000)}
    assert positions == set(range(1, 1501))


async def test_more_than_one_transaction_may_hold_go_on_in_the_loop(stack: AsyncExitStack, tmp_path: Path) -> None:
    path = await started(stack, tmp_path, deciding(MINT, 400), endpoints=3)
    await path.accept(submission())
    told = len(path.pushed)
    assert told == CHUNK
    await path.fanned(1200)
    await path.accept(submission())
    await path.fanned(2400)


async def test_a_directory_that_has_moved_is_followed_first(stack: AsyncExitStack, tmp_path: Path) -> None:
    """What was stored of endpoints is newer than what is known here: nothing is fanned out by what is old."""
    path = await started(stack, tmp_path, deciding(MINT, 1))
    another = await parts_over(stack, path.store)
    await another.operations.create("acme", {"name": "new", "url": "http://127.0.0.1:9/"}, by=SERVER)
    await path.accept(submission())
    assert path.pushed == []
    assert {number for _, number in await path.fanned(2)} == {1, 2}
    assert path.missed == 0


async def test_a_fault_in_matching_fails_no_accept(stack: AsyncExitStack, tmp_path: Path) -> None:
    """What is known of the endpoints is in the midst of a change: the thread of the writer gives up, the loop goes on later."""
    path = await started(stack, tmp_path, deciding(MINT, 1))
    renderers = path.parts.endpoints.renderers
    renderer = renderers.pop(1)
    answers: list[Accepted | Exception] = []

    def told(answer: Accepted | Exception) -> None:
        answers.append(answer)
        renderers[1] = renderer

    path.accept.submit(submission(), told)
    await path.fanned(1)
    assert isinstance(answers[0], Accepted)


async def test_one_bad_submission_fails_alone_and_the_others_are_fanned_out(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    good = deciding(MINT, 1)

    def decide(given: Submission, facts: Facts) -> Verdict:
        if given.received_at == 7:
            raise ValueError("not that one")
        return good(given, facts)

    path = await started(stack, tmp_path, decide)
    answers = await asyncio.gather(*(path.accept(submission(at=at)) for at in range(20)), return_exceptions=True)
    events = [event for a in answers if isinstance(a, Accepted) for event in a.events]
    assert len(events) == 19
    assert sorted(position for position, _ in await path.fanned(19)) == sorted(event.position for event in events)


async def test_a_filter_in_cel_is_evaluated_in_the_thread_of_the_writer(stack: AsyncExitStack, tmp_path: Path) -> None:
    where = [{"where": "type == 'order.created'"}]
    path = await started(stack, tmp_path, deciding(MINT, 1), endpoints=2, filters=where)
    before = path.store._writer.commits
    await path.accept(submission())
    assert path.store._writer.commits == before + 1
    await path.fanned(2)


async def test_it_is_left_to_the_loop_while_that_is_behind(stack: AsyncExitStack, tmp_path: Path) -> None:
    path = await started(stack, tmp_path, deciding(MINT, 1))
    path.fanout.let_go()
    assert path.fanout.within() is None
    await path.accept(submission())
    await path.fanned(1)
    await path.accept(submission())
    await path.fanned(2)


async def test_who_was_fenced_fans_out_nothing(stack: AsyncExitStack, tmp_path: Path) -> None:
    path = await started(stack, tmp_path, deciding(MINT, 1))
    within = path.fanout.within()
    assert within is not None
    await path.store.holding.join("another")
    answers = await path.store.log.accept([(submission(), NOTHING)], deciding(MINT, 1), within)
    assert isinstance(answers[0], Accepted)
    assert within.fanned is None
    rows = await path.store._readers.run(lambda c: c.execute("SELECT count(*) FROM delivery").fetchall())
    assert rows == [(0,)]
    path.fanout.lost()
    within.over()


async def test_parts_of_one_commit_do_not_undo_one_another(stack: AsyncExitStack, tmp_path: Path) -> None:
    """An outcome that is refused shares its transaction with an accept: all is rolled back, and each is done by itself."""
    path = await started(stack, tmp_path, deciding(MINT, 1))
    writer = path.store._writer

    def refused(connection: object) -> None:
        del connection
        raise LookupError("mine")

    async def failing() -> None:
        with pytest.raises(LookupError, match="mine"):
            await writer.run(Rank.SETTLE, refused)

    await asyncio.gather(failing(), path.accept(submission()), failing())
    await path.accept(submission())
    assert [position for position, _ in await path.fanned(2)] == [1, 2]
