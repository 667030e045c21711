"""Transfers from one database to another: both are opened, and nobody else has them meanwhile."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from tocsin.errors import Misconfigured
from tocsin.model.database import SharedDatabase, database_of
from tocsin.model.ids import IdMint, Millis
from tocsin.operations.transfer import Advance, Transfer, Transferred, take_back
from tocsin.ports.transferring import TransferMark
from tocsin.telemetry import set_up_logs
from tocsin.wiring.stores import name_of, opened


def transfer(source: str, target: str, tell: Callable[[Advance], None]) -> Transferred:
    """Copy everything from one database to another, by their URLs. Raises Misconfigured, with a `reason` when it is `in_use` or
    `unreachable`, Conflict, or StoreUnavailable."""
    left, right = _database(source, "--from"), _database(target, "--to")
    if left == right:
        raise Misconfigured("--from and --to name the same database.")
    _expect_file(left)
    mint = IdMint(_now_ms, os.urandom)

    set_up_logs("warning")

    async def run() -> Transferred:
        async with opened(left, _now_ms, alone=True) as one, opened(right, _now_ms, alone=True) as other:
            names = name_of(left), name_of(right)
            work = Transfer(one.transfers, other.transfers, names, new_id=mint.uuid, now_ms=_now_ms, tell=tell)
            return await work.run()

    return asyncio.run(run())


def take_back_source(source: str) -> TransferMark:
    """Have the source of a transfer served again. Raises as `transfer` does."""
    database = _database(source, "--from")
    _expect_file(database)

    set_up_logs("warning")

    async def run() -> TransferMark:
        async with opened(database, _now_ms, alone=True) as store:
            return await take_back(store.transfers, name_of(database))

    return asyncio.run(run())


def _database(url: str, option: str) -> Path | SharedDatabase:
    try:
        return database_of(url)
    except ValueError as error:
        raise Misconfigured(f"{option}: {error}.") from error


def _expect_file(database: Path | SharedDatabase) -> None:
    """A store that is not there would be made."""
    if isinstance(database, Path) and not database.exists():
        raise Misconfigured(f"{database} does not exist.")


def _now_ms() -> Millis:
    return time.time_ns() // 1_000_000
