"""Deliveries that are not settled yet: fan out, read what is due, settle, cancel, resend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import apsw
import msgspec

from tocsin.adapters.sqlite.audit import write_entry
from tocsin.adapters.sqlite.lines import end_batch, join_lines, leave_lines, let_go
from tocsin.adapters.sqlite.notices import count_given_up
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.rows import ATTEMPT_BITS, DELIVERY_COLUMNS, LAST_ATTEMPT, delivery_of, encode, event_of
from tocsin.adapters.sqlite.statements import Row, listed, read, read_among, read_one, statement, write, write_rows
from tocsin.adapters.sqlite.tallies import Tallies
from tocsin.adapters.sqlite.tally_changes import Changes, moves_of
from tocsin.adapters.sqlite.writer import Rank, Writer
from tocsin.errors import StoreUnavailable
from tocsin.model.attempt import Settlement
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import TRANSITIONS, Claim, DeliveryState, NewDelivery, Step
from tocsin.model.ids import Millis
from tocsin.ports import (
    BEGINNING,
    Cursor,
    DuePage,
    Fanned,
    Holder,
    Place,
    Waiting,
)

_FAILED_TEMPLATE = "the template failed"
"""What failures of templates are counted as: each has a reason of its own."""
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

    async def acquire(self, partition: int) -> tuple[Holder, Cursor]:
        def transaction(connection: apsw.Connection) -> tuple[Holder, Cursor]:
            row = read_one(connection, "take_cursor", (partition,))
            epoch, position, endpoint = cast("tuple[int, int, int]", row)
            while cancelled := read(connection, "cancelled_batches"):
                for (batch,) in cast("list[tuple[int]]", cancelled):
                    end_batch(connection, batch, None)
            while ended := read(connection, "release_ended_lines"):
                leave_lines(connection, [cast("int", number) for (number,) in ended])
            return Holder(partition=partition, epoch=epoch), Cursor(position=position, endpoint=endpoint)

        return await self._writer.run(Rank.FANOUT, transaction)

    async def position(self, holder: Holder) -> Cursor | None:
        row = await self._readers.run(
            lambda connection: read_one(connection, "cursor", (holder.partition, holder.epoch))
        )
        if row is None:
            return None
        position, endpoint = cast("tuple[int, int]", row)
        return Cursor(position=position, endpoint=endpoint)

    async def fan(
        self, holder: Holder, old: Cursor, new: Cursor, deliveries: Sequence[NewDelivery], *, directory_revision: int
    ) -> list[Fanned] | None:
        def transaction(connection: apsw.Connection) -> list[Fanned] | None:
            moved = (new.position, new.endpoint, holder.partition, holder.epoch, old.position, old.endpoint)
            if not write(connection, "move_cursor", (*moved, directory_revision)):
                return None
            return self.add(connection, deliveries)

        def is_in(connection: apsw.Connection) -> bool:
            where = read_one(connection, "cursor", (holder.partition, holder.epoch))
            return where == (new.position, new.endpoint)

        return await self._writer.run(Rank.FANOUT, transaction, is_in)

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

    async def due(
        self, holder: Holder, endpoint: int, lane: int, now: Millis, limit: int, after: Place = BEGINNING
    ) -> DuePage:
        del holder  # reading needs no right; settling does

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
            if read_one(connection, "epoch", (holder.partition,)) != (holder.epoch,):
                raise StoreUnavailable("Another process holds the deliveries now.")
            rows.extend(_attempt_row(connection, s) for s in settlements)
            if is_in(connection):
                return None
            self._tallies.write(connection, _settled(connection, settlements))
            write_rows(connection, "add_attempts", rows)
            given_up = [s.delivery for s in settlements if s.step_taken is Step.GIVE_UP]
            count_given_up(connection, given_up, self._now_ms())
            ended = [s.delivery for s in settlements if s.ends]
            retried = [s.delivery for s in settlements if not s.ends]
            ended.extend(cast("int", number) for (number,) in read_among(connection, "cancelled_among", (), retried))
            return claims_of(connection, leave_lines(connection, ended))

        def is_in(connection: apsw.Connection) -> bool:
            return bool(rows) and read_one(connection, "attempt_detail", rows[0][:1]) == rows[0][1:2]

        return await self._writer.run(Rank.SETTLE, transaction, is_in)

    async def waiting(self, holder: Holder) -> list[Waiting]:
        del holder  # one partition

        def query(connection: apsw.Connection) -> list[Waiting]:
            rows = cast("list[tuple[int, int, int]]", read(connection, "waiting"))
            return [Waiting(endpoint=endpoint, lane=lane, due_at=due_at) for endpoint, lane, due_at in rows]

        return await self._readers.run(query)

    async def cancel(
        self,
        numbers: Sequence[int],
        in_flight: frozenset[int],
        reason: str,
        now: Millis,
        entry: AuditEntry | None = None,
    ) -> tuple[int, list[Claim]]:
        def transaction(connection: apsw.Connection) -> tuple[int, list[Claim]]:
            if not numbers:
                return 0, []
            cancelled = connection.execute(statement("cancel"), (reason, now, listed(numbers))).fetchall()
            if cancelled and entry is not None:
                write_entry(connection, entry)
            self._tallies.write(connection, moves_of(cancelled, DeliveryState.PENDING, DeliveryState.CANCELLED))
            return len(cancelled), claims_of(connection, let_go(connection, numbers, in_flight, now))

        return await self._writer.run(Rank.REST, transaction)

    async def give_up(self, number: int, reason: str, now: Millis) -> list[Claim]:
        def transaction(connection: apsw.Connection) -> list[Claim]:
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


def _delivery_head(connection: apsw.Connection) -> int:
    row = read_one(connection, "delivery_head")
    return cast("int", row[0]) if row else 0


def claim_of(row: Row) -> Claim:
    """From the columns of a delivery and its event."""
    return Claim(delivery=delivery_of(row[:DELIVERY_COLUMNS]), event=event_of(row[DELIVERY_COLUMNS:]))


def claims_of(connection: apsw.Connection, numbers: Sequence[int]) -> list[Claim]:
    """Those of these deliveries that are ready, with their events."""
    return [claim_of(row) for row in read_among(connection, "claims_by_number", (), numbers)]


def _settled(connection: apsw.Connection, settlements: Sequence[Settlement]) -> Changes:
    """Move the deliveries on; gives what that changes. Nearly always all of them are pending. The others are told by their
    attempts, which count one less, or by having no row any more."""
    numbers = [s.delivery for s in settlements]
    others: set[int] = set()
    if write_rows(connection, "settle", [_settle_row(s) for s in settlements]) != len(numbers):
        attempts = dict(cast("list[tuple[int, int]]", read_among(connection, "attempts_made", (), numbers)))
        others = {s.delivery for s in settlements if attempts.get(s.delivery) != s.attempt.number}
    changes = Changes()
    changes.settled(s for s in settlements if s.delivery not in others)
    for s in settlements if others else ():
        if s.delivery not in others:
            continue
        changes.attempted(s.endpoint, s.attempt)
        if read_one(connection, "settle_cancelled", _settle_row(s)) == (DeliveryState.DELIVERED,):
            changes.moved(s.endpoint, s.lane, s.delivery, DeliveryState.CANCELLED, DeliveryState.DELIVERED)
    return changes


def _settle_row(settlement: Settlement) -> Row:
    return (
        settlement.delivery,
        TRANSITIONS[DeliveryState.PENDING, settlement.step_taken],
        settlement.reason,
        settlement.due_at,
        settlement.schedule_step,
        settlement.at_once,
        settlement.attempt.number,
        settlement.settled_at,
    )


def _attempt_row(connection: apsw.Connection, settlement: Settlement) -> Row:
    attempt = settlement.attempt
    first = settlement.delivery << ATTEMPT_BITS
    place = first + min(attempt.number, LAST_ATTEMPT)
    body: bytes | None = attempt.request_body
    if attempt.number > 1:
        row = read_one(connection, "last_body", (first, place))
        if row is not None and row[0] == body:
            body = None
    return (place, encode(msgspec.structs.replace(attempt, request_body=b"")), body)
