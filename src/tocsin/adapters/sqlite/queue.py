"""Deliveries that are not settled yet: fan out, read what is due, settle, cancel, resend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

import apsw

from tocsin.adapters.sqlite.audit import write_entry
from tocsin.adapters.sqlite.lines import end_batch, join_lines, leave_lines, let_go
from tocsin.adapters.sqlite.notices import count_given_up
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import listed, read, read_among, read_one, statement, write, write_rows
from tocsin.adapters.sqlite.tallies import Tallies
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import ATTEMPT_BITS, attempt_row, claim_of, place_of, settle_row
from tocsin.adapters.storing.tally_changes import Changes, moves_of
from tocsin.adapters.storing.values import Row
from tocsin.model.attempt import Settlement
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import Claim, DeliveryState, NewDelivery, Step
from tocsin.model.ids import Millis
from tocsin.ports import BEGINNING, DuePage, Fanned, Fanning, Fenced, Holder, Move, Place, Waiting

_FAILED_TEMPLATE = "the template failed"
"""What failures of templates are counted as: each has a reason of its own."""
PARTITION: Final = 0
"""There is one."""
_PAGE_BYTES = 8 * 1024 * 1024


class SqliteQueue:
    """`ports.Queue` on the embedded store: the one process is the holder, no lease is written."""

    def __init__(self, writer: Writer, readers: Readers, tallies: Tallies, now_ms: Callable[[], Millis]) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies
        self._now_ms = now_ms
        self._head: int | None = None
        writer.on_reopen.append(self._forget)

    def _forget(self) -> None:
        self._head = None

    async def fan(
        self, holder: Holder, moves: Sequence[Move], deliveries: Sequence[NewDelivery], *, directory_revision: int
    ) -> list[Fanned] | None:
        fanning = Fanning(
            holder=holder, moves=tuple(moves), deliveries=tuple(deliveries), directory_revision=directory_revision
        )
        (move,) = moves

        def is_in(connection: apsw.Connection) -> bool:
            return read_one(connection, "cursors", (holder.epoch,)) == (PARTITION, move.new.position, move.new.endpoint)

        return await self._writer.run(Rank.FANOUT, lambda connection: self.fan_within(connection, fanning), is_in)

    def fan_within(self, connection: apsw.Connection, fanning: Fanning) -> list[Fanned] | None:
        """`fan` within the caller's transaction."""
        (move,) = fanning.moves
        old, new = move.old, move.new
        moved = (new.position, new.endpoint, fanning.holder.epoch, old.position, old.endpoint)
        if not write(connection, "move_cursors", (*moved, fanning.directory_revision)):
            return None
        return self.add(connection, fanning.deliveries)

    def add(
        self, connection: apsw.Connection, deliveries: Sequence[NewDelivery], resend_of: int | None = None
    ) -> list[Fanned]:
        """Insert deliveries within the caller's transaction, with the next numbers."""
        number = self._head if self._head is not None else _delivery_head(connection)
        rows: list[Row] = []
        fanned: list[Fanned] = []
        for new in deliveries:
            number += 1
            blocked = join_lines(connection, new, number) if new.keys else 0
            fanned.append(Fanned(number=number, blocked=blocked))
            rows.append(
                (
                    number,
                    new.id,
                    new.tenant,
                    new.endpoint,
                    new.position,
                    new.lane,
                    blocked,
                    new.created_at if new.due_at is None else new.due_at,
                    new.created_at,
                    resend_of,
                )
            )
        write_rows(connection, "add_deliveries", rows)
        self._tallies.write_created(connection, deliveries, number - len(rows) + 1)
        self._head = number
        return fanned

    async def due(self, endpoint: int, lane: int, now: Millis, limit: int, after: Place = BEGINNING) -> DuePage:
        def query(connection: apsw.Connection) -> DuePage:
            claims: list[Claim] = []
            end = after
            room = _PAGE_BYTES
            for due_at, *row in connection.execute(statement("due"), (endpoint, lane, now, *after, limit)):
                claim = claim_of(tuple(row))
                claims.append(claim)
                end = (cast("int", due_at), claim.delivery.number)
                room -= len(claim.event.data)
                if room < 0:
                    break
            later = read_one(connection, "next_due", (endpoint, lane, now))
            return DuePage(
                claims=tuple(claims),
                end=end,
                is_all=room >= 0 and len(claims) < limit,
                next_due_at=cast("int | None", later[0]) if later else None,
            )

        return await self._readers.run(query)

    async def settle(self, holder: Holder, settlements: Sequence[Settlement]) -> list[Claim] | None:
        rows: list[Row] = []

        def transaction(connection: apsw.Connection) -> list[Claim] | None:
            check_holder(connection, holder)
            rows[:] = [_attempt_row(connection, s) for s in settlements]
            if is_in(connection):
                return None
            changes, others = _settled(connection, settlements)
            self._tallies.write(connection, changes)
            write_rows(connection, "add_attempts", rows)
            given_up = [s.delivery for s in settlements if s.step_taken is Step.GIVE_UP and s.delivery not in others]
            count_given_up(connection, given_up, self._now_ms())
            ended = [s.delivery for s in settlements if s.ends]
            retried = [s.delivery for s in settlements if not s.ends]
            ended.extend(cast("int", number) for (number,) in read_among(connection, "ended_among", (), retried))
            return claims_of(connection, leave_lines(connection, ended))

        def is_in(connection: apsw.Connection) -> bool:
            return bool(rows) and read_one(connection, "attempt_detail", rows[0][:1]) == rows[0][1:2]

        return await self._writer.run(Rank.SETTLE, transaction, is_in)

    async def waiting(self, partitions: Sequence[int]) -> list[Waiting]:
        del partitions  # there is one

        def query(connection: apsw.Connection) -> list[Waiting]:
            rows = cast("list[tuple[int, int, int]]", read(connection, "waiting"))
            return [Waiting(endpoint=endpoint, lane=lane, due_at=due_at) for endpoint, lane, due_at in rows]

        return await self._readers.run(query)

    async def release_ended(self, holder: Holder, endpoints: Sequence[int], in_flight: frozenset[int]) -> list[Claim]:
        def step(connection: apsw.Connection) -> tuple[int, list[Claim]]:
            check_holder(connection, holder)
            among = (listed(endpoints), listed(in_flight))
            batches = connection.execute(statement("cancelled_batches"), among).fetchall()
            for (batch,) in cast("list[tuple[int]]", batches):
                end_batch(connection, batch, None)
            ended = connection.execute(statement("release_ended_lines"), among).fetchall()
            ready = leave_lines(connection, [cast("int", number) for (number,) in ended])
            return len(batches) + len(ended), claims_of(connection, ready)

        ready: list[Claim] = []
        released = len(endpoints)
        while released:
            released, claims = await self._writer.run(Rank.REST, step)
            ready.extend(claims)
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

        def transaction(connection: apsw.Connection) -> tuple[int, list[Claim]]:
            if not numbers:
                return 0, []
            if holder is not None:
                check_holder(connection, holder)
            cancelled = connection.execute(statement("cancel"), (reason, now, listed(numbers))).fetchall()
            if cancelled and entry is not None:
                write_entry(connection, entry)
            self._tallies.write(connection, moves_of(cancelled, DeliveryState.PENDING, DeliveryState.CANCELLED))
            return len(cancelled), claims_of(connection, let_go(connection, numbers, out, now))

        return await self._writer.run(Rank.REST, transaction)

    async def give_up(self, holder: Holder, number: int, reason: str, now: Millis) -> list[Claim]:
        def transaction(connection: apsw.Connection) -> list[Claim]:
            check_holder(connection, holder)
            dead = read(connection, "give_up", (reason, now, number))
            self._tallies.write(connection, moves_of(dead, DeliveryState.PENDING, DeliveryState.DEAD))
            if dead:
                count_given_up(connection, [number], self._now_ms(), _FAILED_TEMPLATE)
            return claims_of(connection, leave_lines(connection, [number]))

        return await self._writer.run(Rank.REST, transaction)

    async def resend(self, original: int, new: NewDelivery, note: Callable[[Fanned], AuditEntry]) -> Fanned | None:
        def transaction(connection: apsw.Connection) -> Fanned | None:
            if read_one(connection, "event_of_delivery", (original,)) != (new.position,):
                return None
            (fanned,) = self.add(connection, [new], resend_of=original)
            write_entry(connection, note(fanned))
            return fanned

        return await self._writer.run(Rank.REST, transaction)


def check_holder(connection: apsw.Connection, holder: Holder) -> None:
    """The right to write. Raises Fenced."""
    if read_one(connection, "epoch") != (holder.epoch,):
        raise Fenced


def _delivery_head(connection: apsw.Connection) -> int:
    row = read_one(connection, "delivery_head")
    return cast("int", row[0]) if row else 0


def claims_of(connection: apsw.Connection, numbers: Sequence[int]) -> list[Claim]:
    """Those of these deliveries that are ready, with their events."""
    return [claim_of(row) for row in read_among(connection, "claims_by_number", (), numbers)]


def _settled(connection: apsw.Connection, settlements: Sequence[Settlement]) -> tuple[Changes, set[int]]:
    """Move the deliveries on; gives what that changes, and which were not pending any more. Nearly always all are pending. The others
    are told by their attempts, which count one less, or by having no row any more."""
    numbers = [s.delivery for s in settlements]
    others: set[int] = set()
    if write_rows(connection, "settle", [settle_row(s) for s in settlements]) != len(numbers):
        attempts = dict(cast("list[tuple[int, int]]", read_among(connection, "attempts_made", (), numbers)))
        others = {s.delivery for s in settlements if attempts.get(s.delivery) != s.attempt.number}
    changes = Changes()
    changes.settled(s for s in settlements if s.delivery not in others)
    for s in settlements if others else ():
        if s.delivery not in others:
            continue
        changes.attempted(s.endpoint, s.attempt)
        before = read_one(connection, "given_up_state", (s.delivery,))
        if read_one(connection, "settle_given_up", settle_row(s)) == (DeliveryState.DELIVERED,) and before is not None:
            state = DeliveryState(cast("str", before[0]))
            changes.moved(s.endpoint, s.lane, s.delivery, state, DeliveryState.DELIVERED)
    return changes, others


def _attempt_row(connection: apsw.Connection, settlement: Settlement) -> Row:
    place = place_of(settlement)
    row = None
    if settlement.attempt.number > 1:
        row = read_one(connection, "last_body", (settlement.delivery << ATTEMPT_BITS, place))
    return attempt_row(settlement, None if row is None else cast("bytes", row[0]))
