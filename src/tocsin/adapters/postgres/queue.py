"""Deliveries that are not settled yet: fan out, read what is due, settle, cancel, resend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from tocsin.adapters.postgres.audit import write_entry
from tocsin.adapters.postgres.lines import Slots, end_batch, join_lines, leave_lines, let_go, lock_slots, mark_lines
from tocsin.adapters.postgres.notices import count_given_up
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read, read_among, read_one, write
from tocsin.adapters.postgres.tallies import Tallies
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import attempt_row, claim_of, place_of, settle_row
from tocsin.adapters.storing.tally_changes import Changes, moves_of
from tocsin.adapters.storing.values import Row
from tocsin.model.attempt import Settlement
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim, DeliveryState, NewDelivery, Step
from tocsin.model.ids import Millis
from tocsin.ports import BEGINNING, DuePage, Fanned, Fenced, Holder, Move, Place, Waiting

_FAILED_TEMPLATE = "the template failed"
"""What failures of templates are counted as: each has a reason of its own."""
_PAGE_BYTES = 8 * 1024 * 1024


class PostgresQueue:
    """`ports.Queue` on the shared store. Every write of a holder is conditional on its epoch."""

    def __init__(self, writer: Writer, readers: Readers, tallies: Tallies, now_ms: Callable[[], Millis]) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies
        self._now_ms = now_ms

    async def fan(
        self, holder: Holder, moves: Sequence[Move], deliveries: Sequence[NewDelivery], *, directory_revision: int
    ) -> list[Fanned] | None:
        rows = [
            (move.partition, move.old.position, move.old.endpoint, move.new.position, move.new.endpoint)
            for move in moves
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]

        async def transaction(connection: Connection) -> list[Fanned] | None:
            if not await write(connection, "move_cursors", (*columns, holder.epoch, directory_revision)):
                return None
            return await self.add(connection, deliveries)

        return await self._writer.run(Rank.FANOUT, transaction)

    async def add(
        self, connection: Connection, deliveries: Sequence[NewDelivery], resend_of: int | None = None
    ) -> list[Fanned]:
        """Insert deliveries within the caller's transaction, with the next numbers. Whoever joins the lines of an endpoint draws
        its numbers while nobody else does."""
        if not deliveries:
            return []
        columns = [list(column) for column in zip(*map(_delivery_row, deliveries), strict=True)]
        ordered = {new.endpoint for new in deliveries if new.keys}
        if ordered:
            await lock_slots(connection, Slots.LINES, ordered)
            numbers = await _drawn(connection, len(deliveries))
            blocked = await join_lines(connection, deliveries, numbers)
            await write(connection, "add_ordered_deliveries", (resend_of, *columns, numbers, blocked))
        else:
            rows = await read(connection, "add_deliveries", (resend_of, *columns))
            numbers = [cast("int", number) for (number,) in rows]
            blocked = [0] * len(numbers)
        await self._tallies.write_created(connection, deliveries, numbers)
        return [Fanned(number=number, blocked=waits) for number, waits in zip(numbers, blocked, strict=True)]

    async def due(self, endpoint: int, lane: int, now: Millis, limit: int, after: Place = BEGINNING) -> DuePage:
        async def query(connection: Connection) -> DuePage:
            claims: list[Claim] = []
            end = after
            room = _PAGE_BYTES
            for due_at, *row in await read(connection, "due", (endpoint, lane, now, *after, limit)):
                claim = claim_of(tuple(row))
                claims.append(claim)
                end = (cast("int", due_at), claim.delivery.number)
                room -= len(claim.event.data)
                if room < 0:
                    break
            later = await read_one(connection, "next_due", (endpoint, lane, now))
            return DuePage(
                claims=tuple(claims),
                end=end,
                is_all=room >= 0 and len(claims) < limit,
                next_due_at=cast("int | None", later[0]) if later else None,
            )

        return await self._readers.run(query)

    async def settle(self, holder: Holder, settlements: Sequence[Settlement]) -> list[Claim] | None:
        async def transaction(connection: Connection) -> list[Claim] | None:
            await check_holder(connection, holder)
            if not settlements:
                return []
            found = await _settled(connection, settlements)
            if found is None:
                return None
            changes, in_lines, others = found
            given_up = [s.delivery for s in settlements if s.step_taken is Step.GIVE_UP and s.delivery not in others]
            await count_given_up(connection, given_up, self._now_ms())
            ended = [s.delivery for s in settlements if s.ends]
            retried = [s.delivery for s in settlements if not s.ends]
            cancelled = await read_among(connection, "ended_among", (), retried)
            ended.extend(cast("int", number) for (number,) in cancelled)
            ready = await claims_of(connection, await leave_lines(connection, ended, in_lines))
            await self._tallies.write(connection, changes)
            return ready

        return await self._writer.run(Rank.SETTLE, transaction)

    async def waiting(self, partitions: Sequence[int]) -> list[Waiting]:
        rows = cast("list[tuple[int, int, int]]", await self._readers.read("waiting", (list(partitions),)))
        return [Waiting(endpoint=endpoint, lane=lane, due_at=due_at) for endpoint, lane, due_at in rows]

    async def release_ended(self, holder: Holder, endpoints: Sequence[int], in_flight: frozenset[int]) -> list[Claim]:
        some = {cast("int", endpoint) for (endpoint,) in await self._readers.read("ended_endpoints")}
        among = (sorted(some.intersection(endpoints)), sorted(in_flight))

        async def found(connection: Connection) -> tuple[list[Row], list[Row]]:
            ended = await read(connection, "release_ended_lines", among)
            return await read(connection, "cancelled_batches", among), ended

        async def step(connection: Connection) -> list[Claim]:
            await check_holder(connection, holder)
            for (batch,) in cast("list[tuple[int]]", await read(connection, "cancelled_batches", among)):
                await mark_lines(connection, await end_batch(connection, batch, None))
            ended = await read(connection, "release_ended_lines", among)
            ready = await leave_lines(connection, [cast("int", number) for (number,) in ended])
            return await claims_of(connection, ready)

        ready: list[Claim] = []
        while among[0] and any(await self._readers.run(found)):
            ready.extend(await self._writer.run(Rank.REST, step))
        return ready

    async def cancel(
        self,
        holder: Holder | None,
        numbers: Sequence[int],
        in_flight: frozenset[int],
        reason: str,
        now: Millis,
        entry: AuditEntry | None = None,
    ) -> tuple[int, list[Claim]]:
        out = frozenset(numbers) if holder is None else in_flight

        async def transaction(connection: Connection) -> tuple[int, list[Claim]]:
            if not numbers:
                return 0, []
            if holder is not None:
                await check_holder(connection, holder)
            cancelled = await read_among(connection, "cancel", (reason, now), numbers)
            if cancelled and entry is not None:
                await write_entry(connection, entry)
            await self._tallies.write(connection, moves_of(cancelled, DeliveryState.PENDING, DeliveryState.CANCELLED))
            ready = await let_go(connection, numbers, out, now)
            return len(cancelled), await claims_of(connection, ready)

        return await self._writer.run(Rank.REST, transaction)

    async def give_up(self, holder: Holder, number: int, reason: str, now: Millis) -> list[Claim]:
        async def transaction(connection: Connection) -> list[Claim]:
            await check_holder(connection, holder)
            dead = await read(connection, "give_up", (reason, now, number))
            await self._tallies.write(connection, moves_of(dead, DeliveryState.PENDING, DeliveryState.DEAD))
            if dead:
                await count_given_up(connection, [number], self._now_ms(), _FAILED_TEMPLATE)
            return await claims_of(connection, await leave_lines(connection, [number]))

        return await self._writer.run(Rank.REST, transaction)

    async def resend(self, original: int, new: NewDelivery, note: Callable[[Fanned], AuditEntry]) -> Fanned | None:
        async def transaction(connection: Connection) -> Fanned | None:
            if await read_one(connection, "event_of_delivery", (original,)) != (new.position,):
                return None
            (fanned,) = await self.add(connection, [new], resend_of=original)
            await write_entry(connection, note(fanned))
            return fanned

        return await self._writer.run(Rank.REST, transaction)


async def check_holder(connection: Connection, holder: Holder) -> None:
    """The right to write: nobody takes it away before COMMIT. Raises Fenced."""
    if await read_one(connection, "epoch", (holder.epoch,)) is None:
        raise Fenced


async def claims_of(connection: Connection, numbers: Sequence[int]) -> list[Claim]:
    """Those of these deliveries that are ready, with their events."""
    return [claim_of(row) for row in await read_among(connection, "claims_by_number", (), numbers)]


def _delivery_row(new: NewDelivery) -> Row:
    """In the order of `add_deliveries.sql`."""
    due_at = new.created_at if new.due_at is None else new.due_at
    return new.id, new.tenant, new.endpoint, new.position, new.lane, due_at, new.created_at


async def _drawn(connection: Connection, count: int) -> list[int]:
    return [cast("int", number) for (number,) in await read(connection, "draw_delivery_numbers", (count,))]


async def _settled(
    connection: Connection, settlements: Sequence[Settlement]
) -> tuple[Changes, list[int], set[int]] | None:
    """Keep the attempts and move the deliveries on; gives what that changes, the endpoints of those in lines, and which were not pending any more.
    None: all is kept already. Nearly always all are pending. The others are told by their attempts, which count one less, or by having no
    row any more."""
    numbers = [s.delivery for s in settlements]
    rows = await _attempt_rows(connection, settlements)
    columns = [list(column) for column in zip(*map(settle_row, settlements), strict=True)]
    kept = [list(column) for column in zip(*rows, strict=True)]
    row = await read_one(connection, "settle", (*columns, *kept, *rows[0][:2]))
    was_settled, moved, in_lines = cast("tuple[bool, int, list[int]]", row)
    if was_settled:
        return None
    others: set[int] = set()
    if moved != len(numbers):
        attempts = dict(cast("list[tuple[int, int]]", await read_among(connection, "attempts_made", (), numbers)))
        others = {s.delivery for s in settlements if attempts.get(s.delivery) != s.attempt.number}
    changes = Changes()
    changes.settled(s for s in settlements if s.delivery not in others)
    for s in settlements if others else ():
        if s.delivery not in others:
            continue
        changes.attempted(s.endpoint, s.attempt)
        before = await read_one(connection, "given_up_state", (s.delivery,))
        if (
            await read_one(connection, "settle_given_up", settle_row(s)) == (DeliveryState.DELIVERED,)
            and before is not None
        ):
            state = DeliveryState(cast("str", before[0]))
            changes.moved(s.endpoint, s.lane, s.delivery, state, DeliveryState.DELIVERED)
    return changes, in_lines, others


async def _attempt_rows(connection: Connection, settlements: Sequence[Settlement]) -> list[Row]:
    """The attempts, each with its body where it is not the one of the attempt before."""
    places = [place_of(s) for s in settlements]
    later = [place for place, s in zip(places, settlements, strict=True) if s.attempt.number > 1]
    bodies = dict(cast("list[tuple[int, bytes]]", await read_among(connection, "last_bodies", (), later)))
    rows = {place: attempt_row(s, bodies.get(place)) for place, s in zip(places, settlements, strict=True)}
    return list(rows.values())
