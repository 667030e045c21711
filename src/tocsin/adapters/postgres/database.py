"""Connections to PostgreSQL with the settings that every connection has, and the migrations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, cast

import asyncpg

from tocsin.adapters.postgres.migrating import migrate
from tocsin.adapters.postgres.statements import Connection
from tocsin.adapters.storing.migrations import Migration, migrations_of
from tocsin.errors import Misconfigured, StorageFull, StoreUnavailable, TocsinError
from tocsin.telemetry import log

OLDEST: Final = 14
POOLED: Final = "There is a pooler such as PgBouncer in between; connect to PostgreSQL directly."
CONNECT_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 5.0
PROMPT_SECONDS: Final = 3.0
"""The same for what others wait for: then somebody else is to do it."""
ANSWER_SECONDS: Final = 30.0
"""How long a server may be silent within a transaction before its connection is given up."""
_SETTINGS: Final = {
    "application_name": "tocsin",
    "jit": "off",
    "timezone": "UTC",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "3s",
    "tcp_user_timeout": "10s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""A client that froze, or whose network did, holds up the others for seconds at most."""
BY_INDEX: Final = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "max_parallel_workers_per_gather": "0",
}
"""All that is done on the path and for a request is to find some rows by an index: no plan that suits a small table, or what the
planner last knew of it, is used on a large one."""
_PLANNED_ONCE: Final = {"plan_cache_mode": "force_generic_plan"}
"""For whoever writes; eras that do not concern a statement are passed over when it runs."""
LOST: Final = (
    OSError, EOFError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError,
)  # fmt: skip
"""The connection is gone, or of no use any more."""


class Overtaken(Exception):
    """Somebody else wrote meanwhile what we had found missing."""


AGAIN: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, Overtaken)
"""Nothing was written because somebody else was quicker: it can be done again."""
REFUSALS: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    TypeError,
)
"""The store cannot take what it was given."""


async def connect(
    url: str,
    *,
    seconds: float,
    is_prompt: bool = False,
    is_lasting: bool = True,
    is_keyed: bool = False,
    is_paged: bool = False,
) -> Connection:
    """A connection whose statements may take so long. `is_prompt`: locks no longer either, and a silent server is given up a second
    later. What is written on one that is not `is_lasting` may be lost with the server. `is_keyed`: rows are found by their keys only;
    `is_paged`: by some index, as the values ask for it. Raises StoreUnavailable."""
    settings = {**_SETTINGS, "statement_timeout": f"{round(seconds * 1000)}ms"}
    if is_keyed or is_paged:
        settings |= BY_INDEX
    if is_keyed:
        settings |= _PLANNED_ONCE
    if is_prompt:
        settings["lock_timeout"] = settings["statement_timeout"]
    if not is_lasting:
        settings["synchronous_commit"] = "off"
    try:
        connection = await asyncpg.connect(
            url,
            timeout=PROMPT_SECONDS if is_prompt else CONNECT_SECONDS,
            command_timeout=seconds + (1 if is_prompt else 5),
            statement_cache_size=1024,
            max_cached_statement_lifetime=0,
            server_settings=settings,
        )
    except (*LOST, asyncpg.PostgresError) as error:
        raise problem_of(error) from error
    return cast("Connection", connection)


async def prepare_database(
    url: str, known: Sequence[Migration] | None = None, *, lease_seconds: float = 10.0
) -> list[str]:
    """Check the server and bring the schema up to date; gives the names of the migrations applied. A node that does not beat for a
    lease is taken for dead. Raises Misconfigured."""
    try:
        connection = await connect(url, seconds=3600)
    except (TocsinError, ValueError) as error:
        if "startup parameter" in str(error.__cause__):
            raise Misconfigured(POOLED) from error
        raise Misconfigured(
            f"The database cannot be reached: {error.__cause__ or error}.", reason="unreachable"
        ) from error
    try:
        await _check(connection)
        migrations = migrations_of("tocsin.adapters.postgres") if known is None else known
        return await migrate(connection, migrations, lease_seconds)
    except (*LOST, asyncpg.PostgresError) as error:
        raise Misconfigured(f"The database cannot be prepared: {error}.") from error
    finally:
        await hang_up(connection)


async def _check(connection: Connection) -> None:
    row = await connection.fetchrow(
        "SELECT pg_backend_pid(), current_setting('server_version_num')::integer / 10000, current_setting('synchronous_commit'),"
        " current_setting('server_encoding'), pg_is_in_recovery(), current_setting('fsync'), current_setting('full_page_writes')"
    )
    pid, version, commit, encoding, is_standby, *durable = cast(
        "tuple[int, int, str, str, bool, str, str]", tuple(row or ())
    )
    if version < OLDEST:
        raise Misconfigured(f"This is PostgreSQL {version}; {OLDEST} or newer is needed.")
    if pid != connection.get_server_pid():
        raise Misconfigured(POOLED)
    if commit == "off":
        raise Misconfigured("synchronous_commit is off: what was accepted could be lost. Turn it on for this database.")
    if encoding != "UTF8":
        raise Misconfigured(f"The database is encoded in {encoding}; it must be UTF8.")
    if is_standby:
        raise Misconfigured("This server is a standby; connect to the primary.")
    if durable != ["on", "on"]:
        log.warning("database.not_durable", fsync=durable[0], full_page_writes=durable[1])


def problem_of(error: BaseException) -> TocsinError:
    """What callers are told of a fault of the server or of the way to it."""
    if isinstance(error, asyncpg.DiskFullError):
        return StorageFull()
    return StoreUnavailable(type(error).__name__)


async def hang_up(connection: Connection) -> None:
    """Close it, politely where that is possible."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close()
    except (*LOST, asyncpg.PostgresError):
        connection.terminate()
        await asyncio.sleep(0)  # its transport is closed in the next turn of the loop
