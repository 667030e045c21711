"""Endpoints, their standing, and API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import apsw
import msgspec

from tocsin.adapters.sqlite.audit import write_entry
from tocsin.adapters.sqlite.notices import write_notice
from tocsin.adapters.sqlite.queue import check_holder
from tocsin.adapters.sqlite.readers import Readers
from tocsin.adapters.sqlite.statements import read, read_one, read_page, statement_with, write
from tocsin.adapters.sqlite.tallies import Tallies
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import encode, endpoint_of, key_of
from tocsin.adapters.storing.tally_changes import moves_of
from tocsin.model.access import ApiKey
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import DeliveryState
from tocsin.model.endpoint import Standing
from tocsin.model.ids import EndpointId, KeyId, Millis
from tocsin.model.notice import Notice
from tocsin.ports import Holder, StoredEndpoint

_decode_standing = msgspec.json.Decoder(Standing).decode


class SqliteDirectory:
    """`ports.Directory` and `ports.StandingStore` on the embedded store."""

    def __init__(self, writer: Writer, readers: Readers, tallies: Tallies) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies

    async def endpoints(self, since: int = 0) -> tuple[int, list[StoredEndpoint]]:
        def query(connection: apsw.Connection) -> tuple[int, list[StoredEndpoint]]:
            row = read_one(connection, "directory_revision")
            changed = [
                endpoint_of(row[:-1], is_deleted=bool(row[-1]))
                for row in read(connection, "endpoints_since", (since, since))
            ]
            return cast("int", row[0]) if row else 0, changed

        return await self._readers.run(query)

    async def endpoint(self, endpoint_id: EndpointId, tenant: str | None) -> StoredEndpoint | None:
        def query(connection: apsw.Connection) -> StoredEndpoint | None:
            rows = read_page(connection, "endpoints", {"id": endpoint_id, "tenant": tenant})
            return endpoint_of(rows[0]) if rows else None

        return await self._readers.run(query)

    async def add_endpoint(self, endpoint: StoredEndpoint, entry: AuditEntry) -> StoredEndpoint:
        def transaction(connection: apsw.Connection) -> StoredEndpoint:
            new = (endpoint.id, endpoint.tenant, endpoint.revision, endpoint.created_at, endpoint.config)
            write(connection, "move_directory")
            number, active_from = cast("tuple[int, int]", read_one(connection, "add_endpoint", new))
            write(connection, "save_tenant", (endpoint.tenant, 0, endpoint.created_at))
            write_entry(connection, entry)
            return msgspec.structs.replace(endpoint, number=number, active_from=active_from)

        return await self._writer.run(Rank.REST, transaction)

    async def change_endpoint(
        self, endpoint: StoredEndpoint, entry: AuditEntry, *, at_revision: int, to_head: bool
    ) -> StoredEndpoint | None:
        def transaction(connection: apsw.Connection) -> StoredEndpoint | None:
            write(connection, "move_directory")
            row = read_one(connection, "change_endpoint", (endpoint.config, to_head, endpoint.number, at_revision))
            if row is None:
                return None
            write_entry(connection, entry)
            revision, active_from = cast("tuple[int, int]", row)
            return msgspec.structs.replace(endpoint, revision=revision, active_from=active_from)

        return await self._writer.run(Rank.REST, transaction)

    async def remove_endpoint(self, endpoint: StoredEndpoint, entry: AuditEntry) -> bool:
        def transaction(connection: apsw.Connection) -> bool:
            write(connection, "move_directory")
            if not write(connection, "remove_endpoint", (entry.at, endpoint.number, endpoint.revision)):
                return False
            write(connection, "remove_standing", (endpoint.number,))
            write_entry(connection, entry)
            return True

        if not await self._writer.run(Rank.REST, transaction):
            return False
        await self._cancel_all(endpoint.number, entry.at)
        return True

    async def finish_removals(self, now: Millis) -> None:
        """Cancel what is pending for endpoints whose removal was cut short by a crash."""
        removed = await self._readers.run(lambda connection: read(connection, "removed_endpoints"))
        for (number,) in cast("list[tuple[int]]", removed):
            await self._cancel_all(number, now)

    async def _cancel_all(self, endpoint: int, now: Millis) -> None:
        """In steps, so that a long backlog never keeps others from writing."""

        def cancel_some(connection: apsw.Connection) -> int:
            cancelled = read(connection, "cancel_endpoint", (now, endpoint))
            self._tallies.write(connection, moves_of(cancelled, DeliveryState.PENDING, DeliveryState.CANCELLED))
            return len(cancelled)

        while await self._writer.run(Rank.REST, cancel_some):
            continue
        await self._writer.run(
            Rank.REST, lambda connection: write(connection, "end_batches_of_endpoint", (now, endpoint))
        )
        await self._writer.run(Rank.REST, lambda connection: write(connection, "remove_endpoint_lines", (endpoint,)))

    async def note(self, entry: AuditEntry) -> None:
        await self._writer.run(Rank.REST, lambda connection: write_entry(connection, entry))

    async def add_key(self, key: ApiKey, entry: AuditEntry) -> bool:
        new = (key.id, key.name, key.role, key.tenant, key.hash, key.created_at, key.expires_at)

        def transaction(connection: apsw.Connection) -> bool:
            if not write(connection, "add_key", new):
                return False
            if key.tenant is not None:
                write(connection, "save_tenant", (key.tenant, 0, key.created_at))
            write_entry(connection, entry)
            return True

        return await self._writer.run(Rank.REST, transaction)

    async def tell(self, entry: AuditEntry) -> None:
        await self._writer.run(Rank.REST, lambda connection: write_entry(connection, entry))

    async def keys(self) -> list[ApiKey]:
        return await self._readers.run(lambda connection: [key_of(row) for row in read_page(connection, "keys", {})])

    async def remove_key(self, key_id: KeyId, tenant: str | None, entry: AuditEntry) -> bool:
        given = frozenset({"tenant"} if tenant is not None else ())
        values = {"id": key_id, "tenant": tenant, "now": entry.at}

        def transaction(connection: apsw.Connection) -> bool:
            connection.execute(statement_with("remove_key", given), values)
            if not connection.changes():
                return False
            write_entry(connection, entry)
            return True

        return await self._writer.run(Rank.REST, transaction)

    async def touch_keys(self, used: Sequence[tuple[KeyId, int]]) -> None:
        def transaction(connection: apsw.Connection) -> None:
            for key_id, at in used:
                write(connection, "touch_key", (at, key_id))

        await self._writer.run(Rank.REST, transaction)

    async def save(self, holder: Holder, standing: Standing, notice: Notice | None = None) -> None:
        row = (standing.endpoint, encode(standing))

        def transaction(connection: apsw.Connection) -> None:
            check_holder(connection, holder)
            write(connection, "save_standing", row)
            if notice is not None:
                write_notice(connection, notice)

        await self._writer.run(Rank.SETTLE, transaction)

    async def load(self) -> list[Standing]:
        def query(connection: apsw.Connection) -> list[Standing]:
            return [_decode_standing(cast("bytes", state)) for (state,) in read(connection, "standings")]

        return await self._readers.run(query)
