"""Replays: made, moved on, ended. A step's deliveries and its checkpoint share a transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, cast

import msgspec

from tocsin.adapters.postgres.audit import write_entry
from tocsin.adapters.postgres.lines import end_batch, leave_lines, let_go
from tocsin.adapters.postgres.lists import position_at
from tocsin.adapters.postgres.notices import write_notice
from tocsin.adapters.postgres.queue import check_holder, claims_of
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read, read_among, read_one, read_page, write
from tocsin.adapters.postgres.tallies import Tallies
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import encode, event_of, replay_of
from tocsin.adapters.storing.tally_changes import moves_of
from tocsin.adapters.storing.values import Row, Values
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim, DeliveryState, NewDelivery
from tocsin.model.ids import Millis, ReplayId
from tocsin.model.replay import Replay, ReplayState
from tocsin.ports import Candidates, Fanned, Holder, Note, ReplayQuery
from tocsin.rules.partitions import PARTITIONS, partition_of

_BATCHES: Final = 1000
SPAN: Final = 20_000
"""Positions that one page of candidates looks at, at most."""


class PostgresReplays:
    """`ports.Replays` on the shared store. `add_deliveries` is the queue's: it numbers them."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        add_deliveries: Callable[[Connection, Sequence[NewDelivery]], Awaitable[list[Fanned]]],
        tallies: Tallies,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._add_deliveries = add_deliveries
        self._tallies = tallies

    async def span(self, tenant: str, since: Millis | None, until: Millis | None) -> tuple[int, int]:
        partition = partition_of(tenant, PARTITIONS)

        async def query(connection: Connection) -> tuple[int, int]:
            first = 1 if since is None else await position_at(connection, since)
            (fanned,) = cast("tuple[int]", await read_one(connection, "fanned_position", (partition,)))
            end = fanned if until is None else min(fanned, await position_at(connection, until) - 1)
            return first - 1, end

        return await self._readers.run(query)

    async def add(self, replay: Replay, entry: AuditEntry) -> Replay:
        new: Row = (
            replay.id,
            replay.tenant,
            replay.endpoint,
            encode(replay.filters),
            replay.only,
            replay.dead_reason,
            replay.rate_per_second,
            int(replay.new_webhook_ids),
            replay.since,
            replay.until,
            replay.position,
            replay.last,
            replay.total,
            replay.created_at,
        )

        async def transaction(connection: Connection) -> int:
            (number,) = cast("tuple[int]", await read_one(connection, "add_replay", new))
            await write(connection, "move_revision", ("replays",))
            await write_entry(connection, entry)
            return number

        return msgspec.structs.replace(replay, number=await self._writer.run(Rank.REST, transaction))

    async def replay(self, replay_id: ReplayId, tenant: str | None) -> Replay | None:
        values: Values = {"id": replay_id, "tenant": tenant, "limit": 1}
        rows = await self._readers.page("replays", values)
        return replay_of(rows[0]) if rows else None

    async def replays(self, query: ReplayQuery) -> list[Replay]:
        values: Values = {
            "tenant": query.tenant,
            "before": query.before,
            "limit": query.limit,
            "endpoint": query.endpoint,
            "state": query.state,
        }
        return [replay_of(row) for row in await self._readers.page("replays", values)]

    async def under_way(self) -> list[Replay]:
        return [replay_of(row) for row in await self._readers.page("replays", {}, "under_way")]

    async def candidates(self, replay: Replay, after: int, limit: int) -> Candidates:
        until = min(replay.last, after + SPAN)
        values: Values = {"tenant": replay.tenant, "after": after, "last": until, "limit": limit}
        if replay.only != "all":
            values = {**values, "endpoint": replay.endpoint}
        if replay.only == "dead":
            values = {**values, "reason": replay.dead_reason}

        async def query(connection: Connection) -> Candidates:
            events = [event_of(row) for row in await read_page(connection, "replay_candidates", values, replay.only)]
            end = events[-1].position if len(events) == limit else until
            return Candidates(events=tuple(events), end=end)

        return await self._readers.run(query)

    async def pending(self, number: int) -> int:
        rows = await self._readers.read("replay_pending", (number,))
        return cast("int", rows[0][0]) if rows else 0

    async def move(self, number: int, old: int, new: int, deliveries: Sequence[NewDelivery]) -> list[Fanned] | None:
        async def transaction(connection: Connection) -> list[Fanned] | None:
            positions = [delivery.position for delivery in deliveries]
            if await read_among(connection, "erased_among", (), positions):
                return None
            if not await write(connection, "move_replay", (new, len(deliveries), number, old)):
                return None
            return await self._add_deliveries(connection, deliveries)

        return await self._writer.run(Rank.REST, transaction)

    async def change(
        self,
        replay: Replay,
        to: ReplayState,
        reason: str | None,
        now: Millis,
        entry: AuditEntry | None = None,
        note: Note | None = None,
    ) -> bool:
        is_over = to in {ReplayState.FINISHED, ReplayState.FAILED}

        async def transaction(connection: Connection) -> bool:
            if not await write(connection, "change_replay", (to, reason, replay.number, replay.state)):
                return False
            await write(connection, "move_revision", ("replays",))
            if entry is not None:
                await write_entry(connection, entry)
            if is_over:
                await _end(connection, replay, now, note)
            return True

        return await self._writer.run(Rank.REST, transaction)

    async def cancel_pending(
        self, holder: Holder, replay: Replay, in_flight: frozenset[int], now: Millis, note: Note
    ) -> list[Claim] | None:
        async def transaction(connection: Connection) -> list[Claim] | None:
            await check_holder(connection, holder)
            rows = await read(connection, "cancel_replay", (now, replay.number))
            await self._tallies.write(connection, moves_of(rows, DeliveryState.PENDING, DeliveryState.CANCELLED))
            cancelled = [cast("int", row[0]) for row in rows]
            if not cancelled:
                await _release(connection, replay, in_flight, now)
                await _end(connection, replay, now, note)
                return None
            return await claims_of(connection, await let_go(connection, cancelled, in_flight, now))

        return await self._writer.run(Rank.REST, transaction)


async def _release(connection: Connection, replay: Replay, in_flight: frozenset[int], now: Millis) -> None:
    """What was out when it was cancelled and ended just before lets go of its batch and its lines."""
    lane = (replay.endpoint, replay.number)
    for (batch,) in cast("list[tuple[int]]", await read(connection, "pending_batches", (*lane, 0, _BATCHES))):
        members = cast("list[tuple[int]]", await read(connection, "batch_member_numbers", (batch,)))
        if in_flight.isdisjoint(number for (number,) in members):
            await end_batch(connection, batch, now)
    waiting = {cast("int", number) for (number,) in await read(connection, "in_lines_of_lane", lane)}
    await leave_lines(connection, sorted(waiting - in_flight))


async def _end(connection: Connection, replay: Replay, now: Millis, note: Note | None) -> None:
    """Keep its final numbers, and what is told of them."""
    await write(connection, "end_replay", (now, replay.number))
    if note is not None:
        (row,) = await read_page(connection, "replays", {"id": replay.id, "tenant": replay.tenant, "limit": 1})
        await write_notice(connection, note(replay_of(row)))
