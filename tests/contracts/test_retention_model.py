"""Retention in random histories: what is kept afterwards is exactly what a small model says, nothing more and nothing less."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

import pytest
from tests.contracts.given import NOTHING, Clock, delivery, endpoint, entry, new_event, settlement, submission
from tests.contracts.removing import DAY, SHORT, worker_on
from tests.kit.stores import Place, Store, close, held, moves

from tocsin.model.delivery import Step
from tocsin.model.ids import IdMint
from tocsin.model.replay import Replay, ReplayState
from tocsin.model.retention import RetentionRule
from tocsin.model.submission import Facts, Submission, Verdict
from tocsin.ports import Cursor
from tocsin.rules.retention import Policy

TYPES = ("job.failed", "order.created", "record.updated", "order.paid")
RULES = {"acme": (RetentionRule(event_types=("record.*",), rows_seconds=4 * 86400),)}
STEPS = 40
ROUNDS = 6


@dataclass
class Made:
    """A delivery as the model knows it: what its attempts sent, oldest first."""

    position: int
    lane: int
    created_at: int
    is_pending: bool = True
    ended_at: int = 0
    bodies: list[bytes] = field(default_factory=list)


@dataclass
class Model:
    """Everything that ever was."""

    events: dict[int, tuple[str, str, int]] = field(default_factory=dict)
    deliveries: dict[int, Made] = field(default_factory=dict)
    replays: dict[int, tuple[str, int, int, bool]] = field(default_factory=dict)
    fanned: int = 0
    newest_delivery: int = 0

    def needed(self, position: int) -> bool:
        tenant = self.events[position][0]
        of_it = [(number, d) for number, d in self.deliveries.items() if d.position == position]
        return (
            position > self.fanned
            or position == max(self.events)
            or any(d.is_pending or number == self.newest_delivery for number, d in of_it)
            or any(d.lane in self.replays and not self.replays[d.lane][3] for _, d in of_it)
            or any(
                whose == tenant and start < position <= last and not is_over
                for whose, start, last, is_over in self.replays.values()
            )
        )

    def forget(self, policy: Policy, now: int) -> None:
        """What retention has to remove now."""
        for position, (tenant, kind, accepted_at) in tuple(self.events.items()):
            ended = [d.ended_at for d in self.deliveries.values() if d.position == position]
            keep = policy.keep("rows", tenant, kind)
            if keep and max([accepted_at, *ended]) <= now - keep and not self.needed(position):
                del self.events[position]
                for number in [n for n, d in self.deliveries.items() if d.position == position]:
                    del self.deliveries[number]

    def attempts(self, number: int, policy: Policy, now: int) -> list[bytes | None]:
        """The bodies of the attempts that are kept, None for one that is removed."""
        made = self.deliveries[number]
        tenant, kind, _ = self.events[made.position]

        def is_over(keep: int) -> bool:
            return bool(keep) and not made.is_pending and made.ended_at <= now - keep

        if is_over(policy.keep("attempts", tenant, kind)):
            return []
        stripped = is_over(policy.keep("bodies", tenant, kind))
        return [None if stripped else body for body in made.bodies]


class History:
    """Does one random thing after another, to the store and to the model."""

    def __init__(self, place: Place, store: Store, clock: Clock, seed: int) -> None:
        self.place = place
        self.store = store
        self.clock = clock
        self.mint = IdMint(clock, os.urandom)
        self.chance = random.Random(seed)
        self.model = Model()
        self.open_replays: dict[int, Replay] = {}
        self.revision = 0

    async def begin(self) -> None:
        for tenant in ("acme", "other"):
            await self.store.directory.add_endpoint(endpoint(self.mint, tenant), entry(self.mint))
        self.revision, _ = await self.store.directory.endpoints()
        self.holder, self.cursor = await held(self.store)

    async def step(self) -> None:
        steps = [self.accept, self.accept, self.fan, self.fan, self.settle, self.settle, self.settle, self.wait]
        steps += [self.cancel, self.begin_replay, self.move_replay, self.move_replay, self.end_replay]
        await self.chance.choice(steps)()

    async def wait(self) -> None:
        self.clock.now += self.chance.choice((1, DAY // 4, DAY, 3 * DAY))

    async def accept(self) -> None:
        kinds = [self.chance.choice(TYPES) for _ in range(self.chance.randint(1, 5))]
        tenant = self.chance.choice(("acme", "other"))

        def decide(submitted: Submission, facts: Facts) -> Verdict:
            return Verdict(
                status=202,
                body=b"",
                events=tuple(new_event(self.mint, submitted.tenant, event_type=kind) for kind in kinds),
            )

        await self.store.log.accept([(submission(tenant), NOTHING)], decide)
        first = max(self.model.events, default=self.model.fanned) + 1
        for position, kind in enumerate(kinds, first):
            self.model.events[position] = (tenant, kind, self.clock.now)

    async def fan(self) -> None:
        ahead = [position for position in self.model.events if position > self.model.fanned]
        if not ahead:
            return
        taken = sorted(ahead)[: self.chance.randint(1, 6)]
        new = [
            delivery(
                self.mint,
                1 + (self.model.events[position][0] == "other"),
                position,
                at=self.clock.now,
                tenant=self.model.events[position][0],
                keys=self.chance.choice(((), ("k",))),
            )
            for position in taken
            for _ in range(self.chance.randint(0, 2))
        ]
        moved = Cursor(position=taken[-1])
        fanned = await self.store.queue.fan(
            self.holder, moves(self.store, self.cursor, moved), new, directory_revision=self.revision
        )
        assert fanned is not None
        self.cursor, self.model.fanned = moved, taken[-1]
        for made, placed in zip(new, fanned, strict=True):
            self._made(placed.number, made.position, 0)

    def _made(self, number: int, position: int, lane: int) -> None:
        self.model.deliveries[number] = Made(position, lane, self.clock.now)
        self.model.newest_delivery = max(number, self.model.newest_delivery)

    async def settle(self) -> None:
        pending = [number for number, made in self.model.deliveries.items() if made.is_pending]
        if not pending:
            return
        number = self.chance.choice(pending)
        made = self.model.deliveries[number]
        step = self.chance.choice((Step.SUCCEED, Step.SUCCEED, Step.RETRY, Step.GIVE_UP))
        body = self.chance.choice((b"one", b"two"))
        attempt = len(made.bodies) + 1
        await self.store.queue.settle(
            self.holder,
            [settlement(self.mint, number, step=step, attempt=attempt, body=body, at=self.clock.now, lane=made.lane)],
        )
        made.bodies.append(body)
        if step is not Step.RETRY:
            made.is_pending, made.ended_at = False, self.clock.now

    async def cancel(self) -> None:
        pending = [number for number, made in self.model.deliveries.items() if made.is_pending]
        if not pending:
            return
        number = self.chance.choice(pending)
        await self.store.queue.cancel(self.holder, [number], frozenset(), "by hand", self.clock.now)
        self.model.deliveries[number].is_pending = False
        self.model.deliveries[number].ended_at = self.clock.now

    async def begin_replay(self) -> None:
        if len(self.open_replays) > 1 or not self.model.fanned:
            return
        tenant = self.chance.choice(("acme", "other"))
        start = self.chance.randint(0, self.model.fanned)
        number = 1 + (tenant == "other")
        made = Replay(
            number=0, id=self.mint.replay(), tenant=tenant, endpoint=number, endpoint_id=self.mint.endpoint(),
            state=ReplayState.RUNNING, reason=None, filters=(), only="all", rate_per_second=None,
            new_webhook_ids=False, since=None, until=None, position=start, last=self.model.fanned, total=0, made=0,
            done=0, failed=0, created_at=self.clock.now, finished_at=None,
        )  # fmt: skip
        replay = await self.store.replays.add(made, entry(self.mint))
        self.open_replays[replay.number] = replay
        self.model.replays[replay.number] = (tenant, start, replay.last, False)

    async def move_replay(self) -> None:
        for number, replay in self.open_replays.items():
            tenant, start, last, _ = self.model.replays[number]
            page = await self.store.replays.candidates(replay, start, 2)
            expected = [p for p, (whose, _, _) in self.model.events.items() if whose == tenant and start < p <= last]
            assert [event.position for event in page.events] == sorted(expected)[:2], "a replay misses an event"
            new = [
                delivery(self.mint, replay.endpoint, event.position, at=self.clock.now, tenant=tenant, lane=number)
                for event in page.events
            ]
            fanned = await self.store.replays.move(number, start, page.end, new)
            assert fanned is not None
            self.model.replays[number] = (tenant, page.end, last, False)
            for made, placed in zip(new, fanned, strict=True):
                self._made(placed.number, made.position, number)

    async def end_replay(self) -> None:
        if not self.open_replays:
            return
        number, replay = self.open_replays.popitem()
        assert await self.store.replays.change(replay, ReplayState.FAILED, "enough", self.clock.now)
        tenant, start, last, _ = self.model.replays[number]
        self.model.replays[number] = (tenant, start, last, True)

    async def compare(self, policy: Policy) -> None:
        self.model.forget(policy, self.clock.now)
        events = {p for (p,) in await self.place.rows("SELECT position FROM event")}
        rows = {n for (n,) in await self.place.rows("SELECT number FROM delivery")}
        owners = {p for (p,) in await self.place.rows("SELECT DISTINCT place >> 20 FROM attempt")}
        assert events == set(self.model.events)
        assert rows == set(self.model.deliveries)
        assert owners <= rows
        for number in rows:
            attempts = await self.store.views.attempts(number, None)
            shown = [None if attempt.bodies_removed else attempt.request_body for attempt in attempts]
            assert shown == self.model.attempts(number, policy, self.clock.now), number
            for attempt in attempts:
                assert attempt.response is not None
                assert attempt.response.body == (b"" if attempt.bodies_removed else b"\x00\xff")
                assert (attempt.request_body_bytes, attempt.response.body_bytes) == (3, 2)


@pytest.mark.parametrize("seed", range(10))
async def test_exactly_what_is_old_and_not_needed_goes(place: Place, seed: int) -> None:
    await follow(place, seed)


async def follow(place: Place, seed: int) -> None:
    clock = Clock()
    store = await place.open(clock)
    try:
        history = History(place, store, clock, seed)
        await history.begin()
        worker = await worker_on(store, clock, SHORT, RULES)
        for _ in range(ROUNDS):
            for _ in range(STEPS):
                await history.step()
            clock.now += history.chance.choice((DAY // 4, 2 * DAY, 12 * DAY))
            await worker.round()
            await history.compare(worker.policy)
            if history.chance.random() < 0.3:
                await worker.save()
                worker = await worker_on(store, clock, SHORT, RULES)
        clock.now += 400 * DAY
        await worker.round()
        await history.compare(worker.policy)
    finally:
        await close(store)
