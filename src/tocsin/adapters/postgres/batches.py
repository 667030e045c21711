"""Batches: formed, read again when due, settled, split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from tocsin.adapters.postgres.lines import end_batch, followers, leave_lines, together
from tocsin.adapters.postgres.notices import count_given_up
from tocsin.adapters.postgres.queue import check_holder, claims_of
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read, read_among, read_one, write
from tocsin.adapters.postgres.tallies import Tallies
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import ATTEMPT_BITS, batch_of, claim_of, encode
from tocsin.adapters.storing.tally_changes import Changes
from tocsin.adapters.storing.values import Row
from tocsin.model.batch import Batch, BatchClaim, BatchSettlement
from tocsin.model.delivery import Claim, DeliveryState
from tocsin.model.ids import Millis
from tocsin.ports import BatchPage, Following, Formed, Holder, Waiting


class PostgresBatches:
    """`ports.Batches` on the shared store."""

    def __init__(self, writer: Writer, readers: Readers, tallies: Tallies, now_ms: Callable[[], Millis]) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies
        self._now_ms = now_ms

    async def following(self, numbers: Sequence[int], now: Millis, limit: int, limit_bytes: int) -> Following:
        async def query(connection: Connection) -> Following:
            found = await followers(connection, numbers, now, 2 * limit)
            claims: list[Claim] = []
            room = limit_bytes
            for row in await read_among(connection, "claims_of_followers", (), found[:limit]):
                claim = claim_of(row)
                room -= len(claim.event.data)
                if room < 0:
                    break
                claims.append(claim)
            return Following(claims=tuple(claims), more=len(found) - len(claims))

        return await self._readers.run(query)

    async def form(self, holder: Holder, batch: Batch, members: Sequence[int], left: Sequence[int]) -> Formed:
        async def transaction(connection: Connection) -> Formed:
            await check_holder(connection, holder)
            numbers = await together(connection, members)
            ended = [cast("int", row[0]) for row in await read_among(connection, "ended_among", (), [*members, *left])]
            ready = tuple(await claims_of(connection, await leave_lines(connection, ended)))
            if not numbers:
                return Formed(batch=batch, members=(), ready=ready)
            formed = await self._add(connection, batch, parent=None, due_at=batch.created_at, waits_for=None)
            await write(connection, "join_batch", (formed.number, list(numbers)))
            return Formed(batch=formed, members=tuple(numbers), ready=ready)

        return await self._writer.run(Rank.SETTLE, transaction)

    async def due(self, endpoint: int, lane: int, now: Millis, limit: int) -> BatchPage:
        async def query(connection: Connection) -> BatchPage:
            claims = await _with_members(
                connection, await read(connection, "due_batches", (endpoint, lane, now, limit))
            )
            later = await read_one(connection, "next_due_batch", (endpoint, lane, now))
            return BatchPage(claims=tuple(claims), next_due_at=cast("int | None", later[0]) if later else None)

        return await self._readers.run(query)

    async def settle(self, holder: Holder, settlement: BatchSettlement) -> tuple[list[BatchClaim], list[Claim]] | None:
        batch, attempt = settlement.batch, settlement.attempt
        first = batch.number << ATTEMPT_BITS
        place = first + attempt.number

        async def transaction(connection: Connection) -> tuple[list[BatchClaim], list[Claim]] | None:
            await check_holder(connection, holder)
            if await read_one(connection, "batch_attempt_detail", (place,)) is not None:
                return None
            ended = settlement.state != "pending"
            await write(
                connection,
                "settle_batch",
                (
                    settlement.state,
                    settlement.due_at,
                    settlement.schedule_step,
                    settlement.at_once,
                    attempt.number,
                    settlement.settled_at if ended else None,
                    batch.number,
                ),
            )
            body: bytes | None = attempt.request_body
            last = await read_one(connection, "last_batch_body", (first, place))
            if last is not None and last[0] == body:
                body = None
            detail = encode(msgspec.structs.replace(attempt, request_body=b""))
            await write(connection, "add_batch_attempt", (place, detail, body))
            await self._tallies.write(connection, await _changes_of(connection, settlement))
            if settlement.state == "split":
                return await self._split(connection, settlement)
            if not ended:
                return [], await self._end_if_cancelled(connection, batch.number, settlement.settled_at)
            state = DeliveryState.DELIVERED if settlement.state == "delivered" else DeliveryState.DEAD
            values = (state, settlement.reason, settlement.settled_at, batch.number)
            rows = await read(connection, "settle_members", values)
            members = [cast("int", number) for (number,) in rows]
            if state is DeliveryState.DEAD:
                await count_given_up(connection, members, self._now_ms())
            return await _released(connection, batch.number), await claims_of(
                connection, await leave_lines(connection, members)
            )

        return await self._writer.run(Rank.SETTLE, transaction)

    async def dissolve(self, holder: Holder, numbers: Sequence[int], now: Millis) -> list[Claim]:
        async def transaction(connection: Connection) -> list[Claim]:
            await check_holder(connection, holder)
            ready: list[int] = []
            left = list(numbers)
            while left:
                number = left.pop()
                if await read_one(connection, "end_batch", ("split", now, number)) is None:
                    continue
                ended = [cast("int", row[0]) for row in await read(connection, "ended_members", (number,))]
                await write(connection, "remember_batch", (number,))
                await write(connection, "leave_batch", (number,))
                ready.extend(await leave_lines(connection, ended))
                # What waited for it stands behind its members, and not behind a batch any more.
                left.extend(cast("int", row[0]) for row in await read(connection, "waiting_for_batch", (number,)))
            return await claims_of(connection, ready)

        return await self._writer.run(Rank.SETTLE, transaction)

    async def pending(self, endpoint: int, lane: int, after: int, limit: int) -> list[int]:
        async def query(connection: Connection) -> list[int]:
            rows = await read(connection, "pending_batches", (endpoint, lane, after, limit))
            return [cast("int", number) for (number,) in rows]

        return await self._readers.run(query)

    @staticmethod
    async def _end_if_cancelled(connection: Connection, batch: int, now: Millis) -> list[Claim]:
        """A batch that waits to be sent again ends when all its members were cancelled meanwhile."""
        if await read_one(connection, "has_pending_member", (batch,)) is not None:
            return []
        return await claims_of(connection, await leave_lines(connection, await end_batch(connection, batch, now)))

    async def _split(self, connection: Connection, settlement: BatchSettlement) -> tuple[list[BatchClaim], list[Claim]]:
        """The children, and who waits for whom: what waited for this batch waits for its last child. Then the children go one
        after another, since whatever waits hangs together with all of them. Members that were cancelled meanwhile are in none,
        and leave their lines."""
        batch = settlement.batch
        child = msgspec.structs.replace(
            batch, step=settlement.schedule_step, at_once=0, attempts=settlement.attempt.number
        )
        behind = [cast("int", row[0]) for row in await read(connection, "waiting_for_batch", (batch.number,))]
        ended = [cast("int", row[0]) for row in await read(connection, "ended_members", (batch.number,))]
        made: list[int] = []
        for part in settlement.parts:
            members = [number for number in part.members if number not in ended]
            if not members:
                continue
            waits_for = made[-1] if made and (part.waits or behind) else None
            new = msgspec.structs.replace(child, id=part.id)
            new = await self._add(connection, new, parent=batch.number, due_at=settlement.due_at, waits_for=waits_for)
            await write(connection, "move_to_batch", (new.number, list(members), batch.number))
            made.append(new.number)
        freed = [] if made else await _released(connection, batch.number)
        for number in behind if made else ():
            await write(connection, "make_batch_wait", (made[-1], number))
        freed += await _with_members(connection, await read_among(connection, "batches_by_number", (), made))
        return freed, await claims_of(connection, await leave_lines(connection, ended))

    @staticmethod
    async def _add(
        connection: Connection, batch: Batch, *, parent: int | None, due_at: Millis, waits_for: int | None
    ) -> Batch:
        row: Row = (
            batch.id, batch.tenant, batch.endpoint, batch.lane, parent, due_at, batch.step, batch.attempts, batch.created_at,
            waits_for,
        )  # fmt: skip
        (number,) = cast("tuple[int]", await read_one(connection, "add_batch", row))
        return msgspec.structs.replace(batch, number=number)

    async def waiting(self, partitions: Sequence[int]) -> list[Waiting]:
        rows = cast("list[tuple[int, int, int]]", await self._readers.read("waiting_batches", (list(partitions),)))
        return [Waiting(endpoint=endpoint, lane=lane, due_at=due_at) for endpoint, lane, due_at in rows]


async def _released(connection: Connection, batch: int) -> list[BatchClaim]:
    """What waited for a batch that is through, and can be sent now."""
    freed = [cast("int", number) for (number,) in await read(connection, "release_batches", (batch,))]
    return await _with_members(connection, await read_among(connection, "batches_by_number", (), freed))


async def _with_members(connection: Connection, rows: Sequence[Row]) -> list[BatchClaim]:
    batches = [batch_of(row) for row in rows]
    return [
        BatchClaim(
            batch=batch,
            members=tuple(claim_of(row) for row in await read(connection, "batch_members", (batch.number,))),
        )
        for batch in batches
    ]


async def _changes_of(connection: Connection, settlement: BatchSettlement) -> Changes:
    """What the settlement is about to change. A member that was cancelled or expired meanwhile stays so, unless it
    was delivered."""
    batch, changes = settlement.batch, Changes()
    is_delivered = settlement.state == "delivered"
    after = DeliveryState.DELIVERED if is_delivered else DeliveryState.DEAD
    waited: list[Millis] = []
    members = (
        await read(connection, "batch_states", (batch.number,)) if settlement.state in {"delivered", "dead"} else []
    )
    for number, state, has_expired, accepted_at in cast("list[tuple[int, str, bool, int | None]]", members):
        before = DeliveryState(state)
        was_given_up = before is DeliveryState.CANCELLED or (before is DeliveryState.DEAD and has_expired)
        if before is DeliveryState.PENDING or (was_given_up and is_delivered):
            changes.moved(batch.endpoint, batch.lane, number, before, after)
            if accepted_at is not None and is_delivered:
                waited.append(settlement.settled_at - accepted_at)
    changes.attempted(batch.endpoint, settlement.attempt, waited)
    return changes
