"""Attempts that other processes have settled, with their deliveries and events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read, read_among
from tocsin.adapters.storing.rows import ATTEMPT_BITS, LAST_ATTEMPT, attempt_of, claim_of
from tocsin.adapters.storing.values import Row
from tocsin.model.delivery import DeliveryState
from tocsin.model.ids import BatchId, EndpointId
from tocsin.model.watch import AttemptMade

_COLUMNS: Final = 6


class PostgresWatched:
    """`ports.WatchedStore`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def made(self, settled: Sequence[tuple[int, int]]) -> list[AttemptMade]:
        places = [_place(number, attempt) for number, attempt in settled if number > 0]
        of_batches = [_place(-number, attempt) for number, attempt in settled if number < 0]

        async def query(connection: Connection) -> list[AttemptMade]:
            found = [_made(row) for row in await read_among(connection, "watched_attempts", (), places)]
            for row in await read_among(connection, "watched_batch_attempts", (), of_batches):
                number = cast("int", row[0]) >> ATTEMPT_BITS
                found.append(_batch_made(row, await read(connection, "watched_members", (number,))))
            return found

        return await self._readers.run(query)


def _place(number: int, attempt: int) -> int:
    return (number << ATTEMPT_BITS) + min(attempt, LAST_ATTEMPT)


def _made(row: Row) -> AttemptMade:
    detail, body, endpoint_id, deleted_at, state, attempts = cast(
        "tuple[bytes, bytes | None, str, int | None, str, int]", row[:_COLUMNS]
    )
    claim, attempt = claim_of(row[_COLUMNS:]), attempt_of(detail, body or b"")
    return AttemptMade(
        tenant=claim.delivery.tenant,
        endpoint_id=None if deleted_at is not None else EndpointId(endpoint_id),
        batch_id=None,
        state=_after(attempt.number, attempts, state),
        attempt=attempt,
        claims=(claim,),
    )


def _batch_made(row: Row, members: Sequence[Row]) -> AttemptMade:
    _, detail, body, endpoint_id, deleted_at, state, attempts, named = cast(
        "tuple[int, bytes, bytes | None, str, int | None, str, int, str]", row
    )
    claims, attempt = tuple(claim_of(member) for member in members), attempt_of(detail, body or b"")
    return AttemptMade(
        tenant=claims[0].delivery.tenant if claims else "",
        endpoint_id=None if deleted_at is not None else EndpointId(endpoint_id),
        batch_id=BatchId(named),
        state=_after(attempt.number, attempts, "pending" if state == "split" else state),
        attempt=attempt,
        claims=claims,
    )


def _after(number: int, attempts: int, state: str) -> DeliveryState:
    """What an attempt made of it: of those before the last one, that it was tried again."""
    return DeliveryState(state) if number >= attempts else DeliveryState.PENDING
