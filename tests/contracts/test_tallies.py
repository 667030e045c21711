"""Tallies agree with the rows that they count, in any history; and over time they say what happened when."""

from __future__ import annotations

import os
import random
from collections import Counter

import msgspec
import pytest
from tests.contracts.given import (
    NOTHING,
    Clock,
    deciding,
    delivery,
    endpoint,
    entry,
    noting,
    settlement,
    submission,
)
from tests.kit.stores import Place, Store, close, held, moves, position

from tocsin.adapters.storing.ranks import DataRefusedError
from tocsin.model.attempt import AttemptError
from tocsin.model.audit import AuditEntry
from tocsin.model.batch import Batch, BatchSettlement
from tocsin.model.delivery import Step
from tocsin.model.exchange import ErrorKind, Timings
from tocsin.model.ids import IdMint
from tocsin.model.notice import Notice
from tocsin.model.replay import Replay, ReplayState
from tocsin.ports import Cursor, Fanned, Holder, ReplayQuery, StatsQuery

MINUTE = 60_000
TENANTS = ("acme", "acme", "globex")
"""The tenants of endpoints 1 to 3."""


class History:
    """A store and what was done to it. `out` are deliveries whose request is out: number, endpoint, lane, attempts."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.clock = Clock()
        self.mint = IdMint(self.clock, os.urandom)
        self.store: Store
        self.pending: dict[int, list[int]] = {}
        self.attempts: Counter[tuple[int, str]] = Counter()
        self.events: Counter[str] = Counter()
        self.position = 0
        self.holder: Holder | None = None
        self.replays: dict[int, Replay] = {}
        self.removed: set[int] = set()

    async def begin(self) -> None:
        self.store = await self.place.open(self.clock)
        for tenant in TENANTS:
            await self.store.directory.add_endpoint(endpoint(self.mint, tenant), entry(self.mint))
        self.holder, _ = await held(self.store)

    async def killed(self) -> None:
        """As a crash leaves it: nothing is written any more, and what was remembered is gone."""
        await close(self.store)
        self.store = await self.place.open(self.clock)
        self.holder, _ = await held(self.store)

    async def accepted(self, tenant: str, count: int) -> None:
        await self.store.log.accept([(submission(tenant), NOTHING)], deciding(self.mint, count))
        self.events[tenant] += count
        assert self.holder is not None
        cursor = await position(self.store, self.holder)
        assert cursor is not None
        head = await self.store.log.head()
        ends = [n for n, name in enumerate(TENANTS, 1) if name == tenant and n not in self.removed]
        made = [
            delivery(self.mint, n, position, tenant=tenant, at=self.clock.now)
            for position in range(self.position + 1, head + 1)
            for n in ends
        ]
        self.position = head
        revision, _ = await self.store.directory.endpoints()
        fanned = await self.store.queue.fan(
            self.holder, moves(self.store, cursor, Cursor(position=head)), made, directory_revision=revision
        )
        assert fanned is not None
        for new, placed in zip(made, fanned, strict=True):
            self.pending[placed.number] = [new.endpoint, 0, 0]

    async def settled(self, numbers: list[int], step: Step) -> None:
        assert self.holder is not None
        group = []
        for number in numbers:
            end, lane, attempts = self.pending[number]
            made = settlement(
                self.mint, number, end, step=step, attempt=attempts + 1, lane=lane, at=self.clock.now, reason="x"
            )
            if step is not Step.SUCCEED:
                error = AttemptError(kind=ErrorKind.TIMEOUT, message="slow")
                made = msgspec.structs.replace(made, attempt=msgspec.structs.replace(made.attempt, error=error))
            group.append(msgspec.structs.replace(made, accepted_at=self.clock.now - 40))
            self.attempts[end, made.attempt.outcome] += 1
            self.pending[number][2] += 1
        await self.store.queue.settle(self.holder, group)
        if step is not Step.RETRY:
            for number in numbers:
                del self.pending[number]

    async def replayed(self, end: int, count: int) -> None:
        begun = await self.store.replays.add(replay(self.mint, end, self.position), entry(self.mint))
        made = [
            delivery(self.mint, end, p, tenant=TENANTS[end - 1], lane=begun.number)
            for p in range(1, min(count, self.position) + 1)
        ]
        fanned = await self.store.replays.move(begun.number, 0, self.position, made)
        assert fanned is not None
        self.replays[begun.number] = begun
        for placed in fanned:
            self.pending[placed.number] = [end, begun.number, 0]

    async def batched(self, numbers: list[int], state: str) -> None:
        assert self.holder is not None
        end, lane, _ = self.pending[numbers[0]]
        wanted = Batch(
            number=0, id=self.mint.batch(), tenant=TENANTS[end - 1], endpoint=end, lane=lane, created_at=self.clock.now
        )
        formed = await self.store.batches.form(self.holder, wanted, numbers, ())
        out = formed.members[:1]
        await self.store.queue.cancel(self.holder, out, frozenset(out), "by hand", self.clock.now)
        made = settlement(self.mint, 0, end, step=Step.SUCCEED if state == "delivered" else Step.GIVE_UP)
        self.attempts[end, made.attempt.outcome] += 1
        await self.store.batches.settle(
            self.holder,
            BatchSettlement(
                batch=formed.batch, state=state, reason=None, due_at=0, schedule_step=0, at_once=0,
                attempt=made.attempt, settled_at=self.clock.now,
            ),
        )  # fmt: skip
        for number in formed.members:
            del self.pending[number]

    async def agrees(self) -> None:
        counted = await full_counts(self.place)
        for tenant, end in ((None, None), ("acme", None), ("globex", None), ("acme", 1), ("acme", 2), ("globex", 3)):
            end_of_time = self.clock.now // MINUTE + 10_000
            minutes = range(0, end_of_time + 1, end_of_time)
            view = await self.store.views.stats(StatsQuery(tenant=tenant, endpoint=end, minutes=minutes))
            rows = [r for r in counted if tenant in {None, r["tenant"]} and end in {None, r["endpoint"]}]
            states = Counter(str(row["state"]) for row in rows)
            whole = view.whole
            assert whole is not None
            assert view.now.pending == states["pending"] == whole.pending
            assert view.now.dead == states["dead"]
            assert (whole.delivered, whole.died, whole.cancelled) == (
                states["delivered"], states["dead"], states["cancelled"]
            )  # fmt: skip
            made = {
                outcome: sum(n for (e, o), n in self.attempts.items() if o == outcome and is_of(e, tenant, end))
                for outcome in ("delivered", "retry", "rejected")
            }
            assert (whole.attempts_delivered, whole.attempts_retry, whole.attempts_rejected) == tuple(made.values())
            waiting = [row for row in rows if row["state"] == "pending"]
            oldest = min(waiting, key=lambda row: int(row["number"]), default=None)
            assert view.now.oldest_at == (oldest and oldest["created_at"])
            if end is None:
                assert whole.events == sum(n for name, n in self.events.items() if tenant in {None, name})
        for shown in await self.store.replays.replays(ReplayQuery(tenant=None, limit=99)):
            states = Counter(str(row["state"]) for row in counted if row["lane"] == shown.number)
            assert (shown.done, shown.failed) == (states["delivered"], states["dead"] + states["cancelled"])
            assert await self.store.replays.pending(shown.number) == states["pending"]


def told(replay: Replay) -> Notice:
    return Notice(type="replay.finished", tenant=replay.tenant, about=replay.id, time=1, data=b"{}", once=replay.id)


def is_of(number: int, tenant: str | None, end: int | None) -> bool:
    return tenant in {None, TENANTS[number - 1]} and end in {None, number}


async def full_counts(place: Place) -> list[dict[str, int | str]]:
    """Every delivery, from a connection of our own."""
    names = ("number", "tenant", "endpoint", "lane", "state", "created_at")
    rows = await place.rows(f"SELECT {', '.join(names)} FROM delivery")
    return [dict(zip(names, row, strict=True)) for row in rows]


def replay(mint: IdMint, end: int, last: int) -> Replay:
    return Replay(
        number=0, id=mint.replay(), tenant=TENANTS[end - 1], endpoint=end, endpoint_id=mint.endpoint(),
        state=ReplayState.RUNNING, reason=None, filters=(), only="all", rate_per_second=None, new_webhook_ids=False,
        since=None, until=None, position=0, last=last, total=0, made=0, done=0, failed=0, created_at=1, finished_at=None,
    )  # fmt: skip


ACTIONS = (
    "accept", "accept", "accept", "succeed", "succeed", "retry", "give up", "cancel", "cancel out", "cancel out", "expire out", "dead", "resend",
    "replay", "cancel replay", "batch", "batch dies", "later", "later", "kill", "refused", "refused resend", "again", "expire", "remove",
)  # fmt: skip


async def play(history: History, action: str, count: int, choice: int) -> None:  # noqa: C901 (a branch for each action)
    store, numbers, holder = history.store, sorted(history.pending), history.holder
    assert holder is not None
    chosen = numbers[choice :: choice + 1][:count]
    now = history.clock.now
    if action == "accept":
        await history.accepted(TENANTS[choice % 3], count)
    elif action == "later":
        history.clock.now += (1000, MINUTE, 7 * MINUTE, 90 * MINUTE, 26 * 60 * MINUTE, -MINUTE)[choice]
    elif action == "kill":
        await history.killed()
    elif action == "remove" and len(history.removed) < 2:
        for stored in (await store.directory.endpoints())[1]:
            if stored.number == choice % 3 + 1 and not stored.is_deleted:
                history.removed.add(stored.number)
                await store.directory.remove_endpoint(stored, entry(history.mint))
                history.pending = {n: p for n, p in history.pending.items() if p[0] != stored.number}
    elif action == "replay" and history.position and choice % 3 + 1 not in history.removed:
        await history.replayed(choice % 3 + 1, count)
    elif action == "cancel replay" and history.replays:
        number, begun = history.replays.popitem()
        while await store.replays.cancel_pending(holder, begun, frozenset(), now, told) is not None:
            continue
        history.pending = {n: p for n, p in history.pending.items() if p[1] != number}
    elif chosen:
        await played_on(history, action, chosen)


async def played_on(history: History, action: str, chosen: list[int]) -> None:  # noqa: C901, PLR0912 (a branch for each action)
    store, now, holder = history.store, history.clock.now, history.holder
    assert holder is not None
    if action in {"succeed", "retry", "give up"}:
        await history.settled(chosen, Step(action.replace(" ", "_")))
    elif action == "cancel":
        await store.queue.cancel(holder, chosen, frozenset(), "by hand", now)
        for number in chosen:
            del history.pending[number]
    elif action == "cancel out":
        await store.queue.cancel(holder, chosen[:1], frozenset(chosen[:1]), "by hand", now)
        await history.settled(chosen, (Step.SUCCEED, Step.RETRY, Step.GIVE_UP)[len(chosen) % 3])
        history.pending.pop(chosen[0], None)
    elif action == "expire out":
        await store.retention.expire(None, chosen[:1], now + MINUTE, frozenset(), now)
        await history.settled(chosen, (Step.SUCCEED, Step.RETRY, Step.GIVE_UP)[len(chosen) % 3])
        history.pending.pop(chosen[0], None)
    elif action == "expire":
        await store.retention.expire(holder, chosen[:1], now + MINUTE, frozenset(), now)
        del history.pending[chosen[0]]
    elif action == "dead":
        await store.queue.give_up(holder, chosen[0], "no template", now)
        del history.pending[chosen[0]]
    elif action == "refused resend":
        end, _, _ = history.pending[chosen[0]]
        position = next(row for row in await positions(history.place) if row[0] == chosen[0])[1]

        def refuse(fanned: Fanned) -> AuditEntry:
            raise ValueError(fanned.number)

        new = delivery(history.mint, end, position, tenant=TENANTS[end - 1], at=now)
        with pytest.raises(DataRefusedError):
            await store.queue.resend(chosen[0], new, refuse)
    elif action == "resend":
        end, _, _ = history.pending[chosen[0]]
        position = next(row for row in await positions(history.place) if row[0] == chosen[0])[1]
        new = delivery(history.mint, end, position, tenant=TENANTS[end - 1], at=now)
        fanned = await store.queue.resend(chosen[0], new, noting(history.mint))
        assert fanned is not None
        history.pending[fanned.number] = [end, 0, 0]
    elif action in {"batch", "batch dies"}:
        end, lane, _ = history.pending[chosen[0]]
        members = [n for n in chosen if history.pending[n][:2] == [end, lane] and not history.pending[n][2]]
        if members and members[0] == chosen[0]:
            await history.batched(members, "delivered" if action == "batch" else "dead")
    elif action == "refused":
        end = history.pending[chosen[0]][0]
        refused = settlement(history.mint, chosen[0], end, reason="\ud800")
        assert history.holder is not None
        with pytest.raises(DataRefusedError):
            await store.queue.settle(history.holder, [refused])
    elif action == "again":
        end, lane, attempts = history.pending[chosen[0]]
        twice = settlement(history.mint, chosen[0], end, attempt=attempts + 1, lane=lane, at=now)
        assert history.holder is not None
        for _ in range(2):
            await store.queue.settle(history.holder, [twice])
        history.attempts[end, "delivered"] += 1
        del history.pending[chosen[0]]


async def positions(place: Place) -> list[tuple[int, int]]:
    rows = await place.rows("SELECT number, position FROM delivery")
    return [(int(number), int(position)) for number, position in rows]


@pytest.mark.parametrize("seed", range(6))
async def test_tallies_agree_with_the_rows_in_every_history(place: Place, seed: int) -> None:
    chance = random.Random(seed)
    history = History(place)
    await history.begin()
    try:
        for number in range(150):
            action = "accept" if number < 3 else chance.choice(ACTIONS if number > 120 else ACTIONS[:-1])
            await play(history, action, chance.randint(1, 6), chance.randint(0, 5))
            if number % 10 == 0 or number > 140:
                await history.agrees()
    finally:
        await close(history.store)


async def test_points_say_what_happened_when(place: Place) -> None:
    history = History(place)
    await history.begin()
    start = history.clock.now // MINUTE + 1
    history.clock.now = start * MINUTE
    await history.accepted("acme", 5)
    await history.settled([1, 3], Step.SUCCEED)
    history.clock.now += 2 * MINUTE
    await history.settled([2, 4], Step.RETRY)
    history.clock.now += MINUTE
    await history.settled([2], Step.SUCCEED)
    view = await history.store.views.stats(StatsQuery(tenant="acme", minutes=range(start - 1, start + 5), failing=5))
    points = view.points
    assert [p.events for p in points] == [0, 5, 0, 0, 0]
    assert [p.delivered for p in points] == [0, 2, 0, 0, 1]
    assert [p.attempts_retry for p in points] == [0, 0, 0, 2, 0]
    assert [p.pending for p in points] == [0, 8, 8, 8, 7]
    assert [p.oldest_at for p in points] == [None, *[start * MINUTE] * 4]
    assert [p.attempt_ms.p50 for p in points] == [
        None,
        *[pytest.approx(1.5, rel=0.05)] * 1,
        None,
        *[pytest.approx(1.5, rel=0.05)] * 2,
    ]
    assert points[1].delivered_ms.p99 == pytest.approx(40, rel=0.05)
    assert points[3].errors == {ErrorKind.TIMEOUT: 2}
    assert points[2].delivered_ms.p50 is None
    assert view.whole is not None
    assert (view.whole.events, view.whole.delivered, view.whole.errors) == (5, 3, {ErrorKind.TIMEOUT: 2})
    assert [(f.endpoint.number, f.failures, f.attempts) for f in view.failing] == [(2, 2, 3)]
    early = await history.store.views.stats(StatsQuery(tenant="acme", minutes=range(start - 1, start + 3), failing=5))
    assert early.failing == ()
    await close(history.store)


async def test_old_points_are_read_from_longer_periods(place: Place) -> None:
    """Minutes are kept for hours, ten minutes for days, hours for weeks: each range finds what it needs, and no more is kept."""
    history = History(place)
    await history.begin()
    begin = history.clock.now // MINUTE // 1440 * 1440 + 1440
    for hour in range(4 * 24):
        history.clock.now = (begin + hour * 60 + 30) * MINUTE
        await history.accepted("acme", 1)
    days = range(begin, begin + 5 * 1440, 1440)
    view = await history.store.views.stats(StatsQuery(tenant="acme", minutes=days, step=1440))
    assert [p.events for p in view.points] == [24] * 4
    hours = range(begin, begin + 96 * 60 + 1, 60)
    view = await history.store.views.stats(StatsQuery(tenant="acme", minutes=hours, step=60))
    assert [p.events for p in view.points] == [1] * 96
    tens = range(begin + 95 * 60, begin + 96 * 60 + 1, 10)
    view = await history.store.views.stats(StatsQuery(tenant="acme", minutes=tens, step=10))
    assert [p.events for p in view.points] == [0, 0, 0, 1, 0, 0]
    kept = dict(
        await history.place.rows(
            "SELECT step, count(*) FROM tally_history WHERE tenant = 'acme' AND endpoint = 0 GROUP BY step"
        )
    )
    assert kept[1] <= 5
    assert kept[10] <= 3 * 24 + 2
    assert kept[60] == 95
    history.clock.now += 9 * 1440 * MINUTE
    later = history.clock.now // MINUTE
    for _ in range(3):
        await history.accepted("acme", 1)
        history.clock.now += 60 * MINUTE
    for step in (1, 10):
        first = later // step * step - step
        query = StatsQuery(tenant="acme", minutes=range(first, first + 3 * step, step), step=step)
        assert [p.events for p in (await history.store.views.stats(query)).points] == [0, 1]
    await close(history.store)


async def test_dead_deliveries_that_retention_removes_are_dead_no_more(place: Place) -> None:
    history = History(place)
    await history.begin()
    await history.accepted("globex", 2)
    await history.settled([1, 2], Step.GIVE_UP)
    await history.store.retention.remove("remains", [1], history.clock.now)
    view = await history.store.views.stats(StatsQuery(tenant="globex", endpoint=3))
    assert view.now.dead == 1
    await close(history.store)


async def test_timings_beyond_every_bucket_are_counted(place: Place) -> None:
    history = History(place)
    await history.begin()
    await history.accepted("globex", 1)
    assert history.holder is not None
    made = settlement(history.mint, 1, 3, at=history.clock.now)
    attempt = msgspec.structs.replace(made.attempt, timings=Timings(total=1e12))
    await history.store.queue.settle(
        history.holder, [msgspec.structs.replace(made, attempt=attempt, accepted_at=history.clock.now + 5)]
    )
    minute = history.clock.now // MINUTE
    view = await history.store.views.stats(StatsQuery(tenant="globex", minutes=range(minute, minute + 2)))
    assert view.whole is not None
    assert view.whole.attempt_ms.p50 is not None
    assert view.whole.attempt_ms.p50 >= 30 * 86_400_000
    assert view.whole.delivered_ms.p50 == pytest.approx(0.05)
    await close(history.store)


async def test_what_retention_removes_of_an_endpoint_that_is_not_remembered_is_counted_too(place: Place) -> None:
    """After a restart nothing is known of the endpoint but what is in the file, and its last deliveries go."""
    history = History(place)
    await history.begin()
    await history.accepted("globex", 2)
    await history.settled([1, 2], Step.GIVE_UP)
    await history.killed()
    left = [1, 2]
    while left:
        removed = await history.store.retention.remove("remains", left, history.clock.now)
        left = left[removed.dealt :]
    for query in (StatsQuery(tenant="globex", endpoint=3), StatsQuery(tenant="globex"), StatsQuery(tenant=None)):
        assert (await history.store.views.stats(query)).now.dead == 0
    await close(history.store)
