"""Batches: formed, read again when due, settled, split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import apsw
import msgspec

from tocsin.adapters.sqlite.lines import leave_lines
from tocsin.adapters.sqlite.queue import ATTEMPT_BITS, claim_of, claims_of
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.rows import encode
from tocsin.adapters.sqlite.statements import Row, listed, read, read_one, statement, write
from tocsin.adapters.sqlite.writer import Rank, Writer
from tocsin.errors import StoreUnavailable
from tocsin.model.batch import Batch, BatchClaim, BatchSettlement
from tocsin.model.delivery import Claim, DeliveryState
from tocsin.model.ids import BatchId, Millis
from tocsin.ports import BatchPage, Holder, Waiting


class SqliteBatches:
    """`ports.Batches` on the embedded store."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def form(self, holder: Holder, batch: Batch, members: Sequence[int]) -> tuple[Batch, tuple[int, ...]]:
        def transaction(connection: apsw.Connection) -> tuple[Batch, tuple[int, ...]]:
            _check(connection, holder)
            formed = self._add(connection, batch, parent=None, due_at=batch.created_at)
            joined = connection.execute(statement("join_batch"), (formed.number, listed(members))).fetchall()
            numbers = {cast("int", number) for (number,) in joined}
            if not numbers:
                write(
                    connection, "settle_batch", ("dead", formed.created_at, 0, 0, 0, formed.created_at, formed.number)
                )
            return formed, tuple(number for number in members if number in numbers)

        return await self._writer.run(Rank.SETTLE, transaction)

    async def due(self, holder: Holder, endpoint: int, lane: int, now: Millis, limit: int) -> BatchPage:
        del holder  # reading needs no right; settling does

        def query(connection: apsw.Connection) -> BatchPage:
            batches = [_batch_of(row) for row in read(connection, "due_batches", (endpoint, lane, now, limit))]
            claims = tuple(
                BatchClaim(
                    batch=batch,
                    members=tuple(claim_of(row) for row in read(connection, "batch_members", (batch.number,))),
                )
                for batch in batches
            )
            later = read_one(connection, "next_due_batch", (endpoint, lane, now))
            return BatchPage(claims=claims, next_due_at=cast("int | None", later[0]) if later else None)

        return await self._readers.run(query)

    async def settle(self, holder: Holder, settlement: BatchSettlement) -> tuple[list[BatchClaim], list[Claim]]:
        batch, attempt = settlement.batch, settlement.attempt
        first = batch.number << ATTEMPT_BITS
        place = first + attempt.number

        def transaction(connection: apsw.Connection) -> tuple[list[BatchClaim], list[Claim]]:
            _check(connection, holder)
            ended = settlement.state != "pending"
            write(
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
            last = read_one(connection, "last_batch_body", (first, place))
            if last is not None and last[0] == body:
                body = None
            detail = encode(msgspec.structs.replace(attempt, request_body=b""))
            write(connection, "add_batch_attempt", (place, detail, body))
            if settlement.state == "split":
                return [self._split(connection, settlement, index) for index in range(len(settlement.parts))], []
            if not ended:
                return [], []
            state = DeliveryState.DELIVERED if settlement.state == "delivered" else DeliveryState.DEAD
            values = {
                "state": state,
                "reason": settlement.reason,
                "at": settlement.settled_at,
                "batch": batch.number,
            }
            rows = connection.execute(statement("settle_members"), values).fetchall()
            return [], claims_of(connection, leave_lines(connection, [cast("int", number) for (number,) in rows]))

        def is_in(connection: apsw.Connection) -> bool:
            return read_one(connection, "batch_attempt_detail", (place,)) is not None

        return await self._writer.run(Rank.SETTLE, transaction, is_in)

    async def close(self, batch: Batch, now: Millis) -> None:
        ended = ("dead", now, batch.step, 0, batch.attempts, now, batch.number)
        await self._writer.run(Rank.REST, lambda connection: write(connection, "settle_batch", ended))

    def _split(self, connection: apsw.Connection, settlement: BatchSettlement, index: int) -> BatchClaim:
        batch, part = settlement.batch, settlement.parts[index]
        child = msgspec.structs.replace(
            batch, id=part.id, step=settlement.schedule_step, at_once=0, attempts=settlement.attempt.number
        )
        child = self._add(connection, child, parent=batch.number, due_at=settlement.due_at)
        connection.execute(statement("move_to_batch"), (child.number, listed(part.members), batch.number))
        rows = read(connection, "batch_members", (child.number,))
        return BatchClaim(batch=child, members=tuple(claim_of(row) for row in rows))

    @staticmethod
    def _add(connection: apsw.Connection, batch: Batch, *, parent: int | None, due_at: Millis) -> Batch:
        row: Row = (
            batch.id, batch.tenant, batch.endpoint, batch.lane, parent, due_at, batch.step, batch.attempts, batch.created_at,
        )  # fmt: skip
        (number,) = cast("tuple[int]", read_one(connection, "add_batch", row))
        return msgspec.structs.replace(batch, number=number)

    async def waiting(self, holder: Holder) -> list[Waiting]:
        del holder  # one partition

        def query(connection: apsw.Connection) -> list[Waiting]:
            rows = cast("list[tuple[int, int, int]]", read(connection, "waiting_batches"))
            return [Waiting(endpoint=endpoint, lane=lane, due_at=due_at) for endpoint, lane, due_at in rows]

        return await self._readers.run(query)


def _check(connection: apsw.Connection, holder: Holder) -> None:
    if read_one(connection, "epoch", (holder.partition,)) != (holder.epoch,):
        raise StoreUnavailable("Another process holds the deliveries now.")


def _batch_of(row: Row) -> Batch:
    number, id_, tenant, endpoint, lane, step, at_once, attempts, created_at = cast(
        "tuple[int, str, str, int, int, int, int, int, int]", row
    )
    return Batch(
        number=number,
        id=BatchId(id_),
        tenant=tenant,
        endpoint=endpoint,
        lane=lane,
        step=step,
        at_once=at_once,
        attempts=attempts,
        created_at=created_at,
    )
