"""Endpoints, their standing, and API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from tocsin.adapters.postgres.audit import write_entry
from tocsin.adapters.postgres.notices import write_notice
from tocsin.adapters.postgres.queue import check_holder
from tocsin.adapters.postgres.readers import Readers
from tocsin.adapters.postgres.statements import Connection, read, read_one, read_page, write, write_rows
from tocsin.adapters.postgres.tallies import Tallies
from tocsin.adapters.postgres.writer import Writer
from tocsin.adapters.storing.ranks import Rank
from tocsin.adapters.storing.rows import encode, endpoint_of, key_of
from tocsin.adapters.storing.tally_changes import moves_of
from tocsin.adapters.storing.values import SqlValue
from tocsin.model.access import ApiKey
from tocsin.model.audit import AuditEntry
from tocsin.model.delivery import DeliveryState
from tocsin.model.endpoint import Standing
from tocsin.model.ids import EndpointId, KeyId, Millis
from tocsin.model.notice import Notice
from tocsin.ports import Holder, StoredEndpoint
from tocsin.rules.partitions import PARTITIONS, partition_of

KEYS_AT_ONCE: Final = 200
"""Keys are read anew while the server runs: in pages, so that nobody waits for a long list."""
_decode_standing = msgspec.json.Decoder(Standing).decode


class PostgresDirectory:
    """`ports.Directory` and `ports.StandingStore` on the shared store."""

    def __init__(self, writer: Writer, readers: Readers, tallies: Tallies) -> None:
        self._writer = writer
        self._readers = readers
        self._tallies = tallies

    async def endpoints(self, since: int = 0) -> tuple[int, list[StoredEndpoint]]:
        async def query(connection: Connection) -> tuple[int, list[StoredEndpoint]]:
            row = await read_one(connection, "directory_revision")
            changed = [
                endpoint_of(row[:-1], is_deleted=bool(row[-1]))
                for row in await read(connection, "endpoints_since", (since, since))
            ]
            return cast("int", row[0]) if row else 0, changed

        return await self._readers.run(query)

    async def endpoint(self, endpoint_id: EndpointId, tenant: str | None) -> StoredEndpoint | None:
        async def query(connection: Connection) -> StoredEndpoint | None:
            rows = await read_page(connection, "endpoints", {"id": endpoint_id, "tenant": tenant})
            return endpoint_of(rows[0]) if rows else None

        return await self._readers.run(query)

    async def add_endpoint(self, endpoint: StoredEndpoint, entry: AuditEntry) -> StoredEndpoint:
        partition = partition_of(endpoint.tenant, PARTITIONS)

        async def transaction(connection: Connection) -> StoredEndpoint:
            new = (endpoint.id, endpoint.tenant, endpoint.revision, endpoint.created_at, endpoint.config, partition)
            await write(connection, "move_directory")
            number, active_from = cast("tuple[int, int]", await read_one(connection, "add_endpoint", new))
            await write_rows(connection, "save_tenant", [(endpoint.tenant, 0, endpoint.created_at)])
            await write_entry(connection, entry)
            return msgspec.structs.replace(endpoint, number=number, active_from=active_from)

        return await self._writer.run(Rank.REST, transaction)

    async def change_endpoint(
        self, endpoint: StoredEndpoint, entry: AuditEntry, *, at_revision: int, to_head: bool
    ) -> StoredEndpoint | None:
        async def transaction(connection: Connection) -> StoredEndpoint | None:
            await write(connection, "move_directory")
            row = await read_one(
                connection, "change_endpoint", (endpoint.config, to_head, endpoint.number, at_revision)
            )
            if row is None:
                return None
            await write_entry(connection, entry)
            revision, active_from = cast("tuple[int, int]", row)
            return msgspec.structs.replace(endpoint, revision=revision, active_from=active_from)

        return await self._writer.run(Rank.REST, transaction)

    async def remove_endpoint(self, endpoint: StoredEndpoint, entry: AuditEntry) -> bool:
        async def transaction(connection: Connection) -> bool:
            await write(connection, "move_directory")
            if not await write(connection, "remove_endpoint", (entry.at, endpoint.number, endpoint.revision)):
                return False
            await write(connection, "remove_standing", (endpoint.number,))
            await write(connection, "remove_wishes_of_endpoint", (endpoint.number,))
            await write_entry(connection, entry)
            return True

        if not await self._writer.run(Rank.REST, transaction):
            return False
        await self._cancel_all(endpoint.number, entry.at)
        return True

    async def finish_removals(self, now: Millis) -> None:
        """Cancel what is pending for endpoints whose removal was cut short by a crash."""
        removed = await self._readers.read("removed_endpoints")
        for (number,) in cast("list[tuple[int]]", removed):
            await self._cancel_all(number, now)

    async def _cancel_all(self, endpoint: int, now: Millis) -> None:
        """In steps, so that a long backlog never keeps others from writing."""

        async def cancel_some(connection: Connection) -> int:
            cancelled = await read(connection, "cancel_endpoint", (now, endpoint))
            await self._tallies.write(connection, moves_of(cancelled, DeliveryState.PENDING, DeliveryState.CANCELLED))
            return len(cancelled)

        while await self._writer.run(Rank.REST, cancel_some):
            continue
        await self._writer.run(
            Rank.REST, lambda connection: write(connection, "end_batches_of_endpoint", (now, endpoint))
        )
        await self._writer.run(Rank.REST, lambda connection: write(connection, "remove_endpoint_lines", (endpoint,)))

    async def tell(self, entry: AuditEntry) -> None:
        await self._writer.run(Rank.REST, lambda connection: write_entry(connection, entry))

    async def note(self, entry: AuditEntry) -> None:
        await self._writer.run(Rank.REST, lambda connection: write_entry(connection, entry))

    async def add_key(self, key: ApiKey, entry: AuditEntry) -> bool:
        new = (key.id, key.name, key.role, key.tenant, key.hash, key.created_at, key.expires_at)

        async def transaction(connection: Connection) -> bool:
            if not await write(connection, "add_key", new):
                return False
            if key.tenant is not None:
                await write_rows(connection, "save_tenant", [(key.tenant, 0, key.created_at)])
            await write(connection, "move_revision", ("api_keys",))
            await write_entry(connection, entry)
            return True

        return await self._writer.run(Rank.REST, transaction)

    async def keys(self) -> list[ApiKey]:
        async def query(connection: Connection) -> list[ApiKey]:
            found: list[ApiKey] = []
            before: SqlValue = None
            while True:
                rows = await read_page(connection, "keys", {"before": before, "limit": KEYS_AT_ONCE})
                found += map(key_of, rows)
                if len(rows) < KEYS_AT_ONCE:
                    return found
                before = rows[-1][0]

        return await self._readers.run(query)

    async def remove_key(self, key_id: KeyId, tenant: str | None, entry: AuditEntry) -> bool:
        values = {"id": key_id, "tenant": tenant, "now": entry.at}

        async def transaction(connection: Connection) -> bool:
            # First: of two at once, the second sees what the first did.
            await write(connection, "move_revision", ("api_keys",))
            if not await read_page(connection, "remove_key", values):
                return False
            await write_entry(connection, entry)
            return True

        return await self._writer.run(Rank.REST, transaction)

    async def touch_keys(self, used: Sequence[tuple[KeyId, int]]) -> None:
        async def transaction(connection: Connection) -> None:
            for key_id, at in used:
                await write(connection, "touch_key", (at, key_id))

        await self._writer.run(Rank.REST, transaction)

    async def save(self, holder: Holder, standing: Standing, notice: Notice | None = None) -> None:
        row = (standing.endpoint, encode(standing))

        async def transaction(connection: Connection) -> None:
            await check_holder(connection, holder)
            await write(connection, "move_revision", ("standings",))
            await write(connection, "save_standing", row)
            if notice is not None:
                await write_notice(connection, notice)

        await self._writer.run(Rank.SETTLE, transaction)

    async def load(self) -> list[Standing]:
        async def query(connection: Connection) -> list[Standing]:
            return [_decode_standing(cast("bytes", state)) for (state,) in await read(connection, "standings")]

        return await self._readers.run(query)
