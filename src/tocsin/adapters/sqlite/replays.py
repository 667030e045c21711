"""Replays: made, moved on, ended. A step's deliveries and its checkpoint share a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

import apsw
import msgspec

from tocsin.adapters.sqlite.audit import write_entry
from tocsin.adapters.sqlite.lines import end_batch, leave_lines, let_go
from tocsin.adapters.sqlite.notices import write_notice
from tocsin.adapters.sqlite.positions import position_at
from tocsin.adapters.sqlite.queue import check_holder, claims_of
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import read, read_among, read_one, read_page, statement_with, write
from tocsin.adapters.sqlite.tallies import Tallies
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import encode, event_of, replay_of
from tocsin.adapters.storing.tally_changes import moves_of
from tocsin.adapters.storing.values import Row, Values
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim, DeliveryState, NewDelivery
from tocsin.model.ids import Millis, ReplayId
from tocsin.model.replay import Replay, ReplayState
from tocsin.ports import Candidates, Fanned, Holder, Note, ReplayQuery

_BATCHES: Final = 1000
SPAN: Final = 20_000
"""Positions that one page of candidates looks at, at most."""


class SqliteReplays:
    """`ports.Replays` on the embedded store. `add_deliveries` is the queue's: it numbers them."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        add_deliveries: Callable[[apsw.Connection, Sequence[NewDelivery]], list[Fanned]],
        tallies: Tallies,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._add_deliveries = add_deliveries
        self._tallies = tallies

    async def span(self, tenant: str, since: Millis | None, until: Millis | None) -> tuple[int, int]:
        del tenant  # there is one partition

        def query(connection: apsw.Connection) -> tuple[int, int]:
            first = 1 if since is None else position_at(connection, since)
            (fanned,) = cast("tuple[int]", read_one(connection, "fanned_position"))
            end = fanned if until is None else min(fanned, position_at(connection, until) - 1)
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

        def transaction(connection: apsw.Connection) -> int:
            (number,) = cast("tuple[int]", read_one(connection, "add_replay", new))
            write_entry(connection, entry)
            return number

        return msgspec.structs.replace(replay, number=await self._writer.run(Rank.REST, transaction))

    async def replay(self, replay_id: ReplayId, tenant: str | None) -> Replay | None:
        values: Values = {"id": replay_id, "tenant": tenant, "limit": 1}
        rows = await self._readers.run(lambda c: read_page(c, "replays", values))
        return replay_of(rows[0]) if rows else None

    async def replays(self, query: ReplayQuery) -> list[Replay]:
        values: Values = {
            "tenant": query.tenant,
            "before": query.before,
            "limit": query.limit,
            "endpoint": query.endpoint,
            "state": query.state,
        }
        return await self._readers.run(lambda c: [replay_of(row) for row in read_page(c, "replays", values)])

    async def under_way(self) -> list[Replay]:
        return await self._readers.run(lambda c: [replay_of(row) for row in read_page(c, "replays", {}, "under_way")])

    async def candidates(self, replay: Replay, after: int, limit: int) -> Candidates:
        until = min(replay.last, after + SPAN)
        values: Values = {"tenant": replay.tenant, "after": after, "last": until, "limit": limit}
        if replay.only != "all":
            values = {**values, "endpoint": replay.endpoint}
        words: set[str] = {replay.only}
        if replay.only == "dead" and replay.dead_reason is not None:
            values = {**values, "reason": replay.dead_reason}
            words.add("reason")

        def query(connection: apsw.Connection) -> Candidates:
            text = statement_with("replay_candidates", frozenset(words))
            events = [event_of(row) for row in connection.execute(text, values).fetchall()]
            end = events[-1].position if len(events) == limit else until
            return Candidates(events=tuple(events), end=end)

        return await self._readers.run(query)

    async def pending(self, number: int) -> int:
        row = await self._readers.run(lambda connection: read_one(connection, "replay_pending", (number,)))
        return cast("int", row[0]) if row else 0

    async def move(self, number: int, old: int, new: int, deliveries: Sequence[NewDelivery]) -> list[Fanned] | None:
        def transaction(connection: apsw.Connection) -> list[Fanned] | None:
            positions = [delivery.position for delivery in deliveries]
            if read_among(connection, "erased_among", (), positions):
                return None
            if not write(connection, "move_replay", (new, len(deliveries), number, old)):
                return None
            return self._add_deliveries(connection, deliveries)

        def is_in(connection: apsw.Connection) -> bool:
            return read_one(connection, "replay_position", (number,)) == (new,)

        return await self._writer.run(Rank.REST, transaction, is_in)

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

        def transaction(connection: apsw.Connection) -> bool:
            if not write(connection, "change_replay", (to, reason, replay.number, replay.state)):
                return False
            if entry is not None:
                write_entry(connection, entry)
            if is_over:
                _end(connection, replay, now, note)
            return True

        return await self._writer.run(Rank.REST, transaction)

    async def cancel_pending(
        self, holder: Holder, replay: Replay, in_flight: frozenset[int], now: Millis, note: Note
    ) -> list[Claim] | None:
        def transaction(connection: apsw.Connection) -> list[Claim] | None:
            check_holder(connection, holder)
            rows = read(connection, "cancel_replay", (now, replay.number))
            self._tallies.write(connection, moves_of(rows, DeliveryState.PENDING, DeliveryState.CANCELLED))
            cancelled = [cast("int", row[0]) for row in rows]
            if not cancelled:
                _release(connection, replay, in_flight, now)
                _end(connection, replay, now, note)
                return None
            return claims_of(connection, let_go(connection, cancelled, in_flight, now))

        return await self._writer.run(Rank.REST, transaction)


def _release(connection: apsw.Connection, replay: Replay, in_flight: frozenset[int], now: Millis) -> None:
    """What was out when it was cancelled and ended just before lets go of its batch and its lines."""
    lane = (replay.endpoint, replay.number)
    for (batch,) in cast("list[tuple[int]]", read(connection, "pending_batches", (*lane, 0, _BATCHES))):
        members = cast("list[tuple[int]]", read(connection, "batch_member_numbers", (batch,)))
        if in_flight.isdisjoint(number for (number,) in members):
            end_batch(connection, batch, now)
    waiting = {cast("int", number) for (number,) in read(connection, "in_lines_of_lane", lane)}
    leave_lines(connection, sorted(waiting - in_flight))


def _end(connection: apsw.Connection, replay: Replay, now: Millis, note: Note | None) -> None:
    """Keep its final numbers, and what is told of them."""
    write(connection, "end_replay", (now, replay.number))
    if note is not None:
        (row,) = read_page(connection, "replays", {"id": replay.id, "tenant": replay.tenant, "limit": 1})
        write_notice(connection, note(replay_of(row)))
