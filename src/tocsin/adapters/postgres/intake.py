"""How far the replicated intake was accepted: cursors that move in the transaction of the accept, with receipts beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec

from tocsin.adapters.postgres.audit import write_entry
from tocsin.adapters.postgres.log import Decided, PostgresLog
from tocsin.adapters.postgres.notices import write_notice
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read_one, write, write_rows
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.commit_groups import Item, fault_of
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import encode
from tocsin.adapters.storing.values import Row
from tocsin.errors import StorageFull, StoreUnavailable, TocsinError
from tocsin.model.audit import AuditEntry
from tocsin.model.ids import Millis
from tocsin.model.intake import IntakeCursor, Receipt, Taking
from tocsin.model.submission import Accepted, Decide, Needs, Submission, Verdict
from tocsin.ports import Fenced, Holder
from tocsin.rules.intake import takes
from tocsin.rules.notices import refusal_notice

Moves = Mapping[int, tuple[IntakeCursor, IntakeCursor]]
_decode_numbers = msgspec.json.Decoder(dict[str, int]).decode


class _Elsewhere(Exception):
    """A cursor is not where it was thought to be."""


class PostgresIntake:
    """`ports.IntakeStore`."""

    def __init__(self, writer: Writer, readers: Readers, log: PostgresLog, now_ms: Callable[[], Millis]) -> None:
        self._writer = writer
        self._readers = readers
        self._log = log
        self._now_ms = now_ms

    async def adopt(self, incarnation: str, partitions: int) -> None:
        rows = [(partition, incarnation) for partition in range(partitions)]
        await self._writer.run(Rank.REST, lambda connection: write_rows(connection, "adopt_intake", rows))

    async def renew(self, incarnation: str, entry: AuditEntry) -> None:
        async def transaction(connection: Connection) -> None:
            await write(connection, "renew_intake", (incarnation,))
            await write_entry(connection, entry)

        await self._writer.run(Rank.REST, transaction)

    async def cursors(self) -> tuple[str | None, dict[int, IntakeCursor]]:
        rows = cast("list[tuple[int, str, int, str]]", await self._readers.read("intake_cursors"))
        cursors = {row[0]: IntakeCursor(sequence=row[2], numbers=_decode_numbers(row[3])) for row in rows}
        return (rows[0][1] if rows else None), cursors

    async def accept(
        self,
        holder: Holder,
        incarnation: str,
        takings: Sequence[tuple[Taking, Needs]],
        moves: Moves,
        decide: Decide,
    ) -> list[Accepted | TocsinError] | None:
        try:
            return await self._accept(holder, incarnation, takings, moves, decide)
        except _Elsewhere:
            return None
        except (Fenced, StoreUnavailable, StorageFull):
            raise
        except Exception as error:  # noqa: BLE001  # one submission's fault must not be its neighbours'
            if len(takings) == 1:
                return await self._refuse(holder, incarnation, takings[0][0], moves, fault_of(error))
        return await self._accept_singly(holder, incarnation, takings, moves, decide)

    async def _accept(
        self,
        holder: Holder,
        incarnation: str,
        takings: Sequence[tuple[Taking, Needs]],
        moves: Moves,
        decide: Decide,
    ) -> list[Accepted | TocsinError]:
        readable = [(one, needs) for one, needs in takings if isinstance(one.submission, Submission)]
        items: list[Item] = [(cast("Submission", one.submission), needs) for one, needs in readable]
        unreadable = [(one, one.submission) for one, _ in takings if isinstance(one.submission, TocsinError)]

        async def along(connection: Connection, outcomes: Sequence[Verdict | Accepted | TocsinError]) -> None:
            told = [(one, outcome) for (one, _), outcome in zip(readable, outcomes, strict=True)]
            await self._write_receipts(connection, [*told, *unreadable])

        async def transaction(connection: Connection) -> tuple[Decided, int, Millis]:
            await _move(connection, holder, incarnation, moves)
            return await self._log.accept_within(connection, items, decide, along)

        decided, position, accepted_at = await self._writer.run(Rank.ACCEPT, transaction)
        answers = iter(await self._log.accepted(items, decided, position, accepted_at))
        return [one.submission if isinstance(one.submission, TocsinError) else next(answers) for one, _ in takings]

    async def _accept_singly(
        self,
        holder: Holder,
        incarnation: str,
        takings: Sequence[tuple[Taking, Needs]],
        moves: Moves,
        decide: Decide,
    ) -> list[Accepted | TocsinError] | None:
        """One after another, each with the way that its partition's cursor goes with it. Trouble of the store ends it: those before it
        were accepted, and the cursors tell so."""
        at = {partition: old for partition, (old, _) in moves.items()}
        last = {one.partition: one.sequence for one, _ in takings}
        answers: list[Accepted | TocsinError] = []
        for one, needs in takings:
            partition = one.partition
            numbers = dict(at[partition].numbers)
            takes(numbers, one.node, one.number)
            is_last = one.sequence == last[partition]
            behind = moves[partition][1] if is_last else IntakeCursor(sequence=one.sequence, numbers=numbers)
            step = {partition: (at[partition], behind)}
            answer = await self.accept(holder, incarnation, [(one, needs)], step, decide)
            if answer is None:
                return None
            at[partition] = behind
            answers += answer
        return answers

    async def _refuse(
        self, holder: Holder, incarnation: str, taking: Taking, moves: Moves, problem: TocsinError
    ) -> list[Accepted | TocsinError] | None:
        """The store cannot take it, even alone."""

        async def transaction(connection: Connection) -> None:
            await _move(connection, holder, incarnation, moves)
            await self._write_receipts(connection, [(taking, problem)])

        try:
            await self._writer.run(Rank.ACCEPT, transaction)
        except _Elsewhere:
            return None
        return [problem]

    async def _write_receipts(
        self, connection: Connection, outcomes: Sequence[tuple[Taking, Verdict | Accepted | TocsinError]]
    ) -> None:
        """Of what was refused, and of whatever its producer cannot have heard."""
        now = self._now_ms()
        rows: list[Row] = []
        for taking, outcome in outcomes:
            problem = outcome if isinstance(outcome, TocsinError) else None
            verdict = outcome.verdict if isinstance(outcome, Accepted) else outcome
            if taking.is_late or problem is not None:
                status = verdict.status
                body = encode(problem.problem()) if problem is not None else cast("Verdict", verdict).body
                rows.append((taking.receipt, taking.tenant, now, status, body))
            if taking.is_late:
                notice = refusal_notice(taking, problem or cast("Verdict", verdict).body, now)
                if notice is not None:
                    await write_notice(connection, notice)
        await write_rows(connection, "add_receipts", rows)

    async def receipt(self, receipt_id: str, tenant: str | None) -> Receipt | None:
        rows = await self._readers.page("receipt", {"id": receipt_id, "tenant": tenant})
        return msgspec.convert(dict(zip(Receipt.__struct_fields__, rows[0], strict=True)), Receipt) if rows else None

    async def remove_receipts(self, before: int, limit: int) -> int:
        return await self._writer.run(
            Rank.REST, lambda connection: write(connection, "remove_receipts", (before, limit))
        )


async def _move(connection: Connection, holder: Holder, incarnation: str, moves: Moves) -> None:
    """First of all, so that whoever is not the holder any more, or reads what was read before, writes nothing."""
    if await read_one(connection, "epoch", (holder.epoch,)) is None:
        raise Fenced
    rows = [
        (partition, incarnation, old.sequence, new.sequence, encode(new.numbers).decode())
        for partition, (old, new) in sorted(moves.items())
    ]
    if await write_rows(connection, "move_intake", rows) != len(rows):
        raise _Elsewhere
