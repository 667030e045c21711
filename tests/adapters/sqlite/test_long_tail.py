"""A subject that is stuck costs nothing, however much waits behind it: counted in steps of SQLite's machine, which do not
depend on how fast the computer is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from tests.contracts.given import NOTHING, deciding, delivery, endpoint, entry, submission
from tests.kit.stores import held, moves

from tocsin.adapters.sqlite.database import open_connection
from tocsin.adapters.sqlite.lines import followers, leave_lines, together
from tocsin.adapters.sqlite.statements import read, statement
from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.model.ids import IdMint
from tocsin.ports import BEGINNING, Cursor

CHUNK = 500
OTHERS = 20
FAR = 10


async def given_tail(path: Path, length: int) -> None:
    """One delivery that is stuck (due later), so many behind it, and a few of other subjects."""
    mint = IdMint(lambda: 1, os.urandom)
    store = SqliteStore(path, lambda: 1, time.monotonic)
    try:
        await store.log.accept([(submission(), NOTHING)], deciding(mint))
        await store.directory.add_endpoint(endpoint(mint), entry(mint))
        revision, _ = await store.directory.endpoints()
        holder, cursor = await held(store)
        keys = ["stuck"] * length + [f"other {n % (OTHERS // 2)}" for n in range(OTHERS)]
        for at in range(0, len(keys), CHUNK):
            made = [delivery(mint, 1, 1, keys=[key]) for key in keys[at : at + CHUNK]]
            after = Cursor(position=cursor.position + 1)
            assert (
                await store.queue.fan(holder, moves(store, cursor, after), made, directory_revision=revision)
                is not None
            )
            cursor = after
    finally:
        store.close()


def steps(connection: apsw.Connection, work: Callable[[], object]) -> int:
    """How many instructions SQLite executes for it."""
    counted = 0

    def count() -> bool:
        nonlocal counted
        counted += 1
        return False

    connection.set_progress_handler(count, 1)
    try:
        work()
    finally:
        connection.set_progress_handler(None)
    return counted


@pytest.mark.timeout(240)
async def test_a_tail_of_100_000_costs_what_a_tail_of_100_costs(tmp_path: Path) -> None:
    costs: list[dict[str, int]] = []
    for length in (100, 100_000):
        path = tmp_path / f"{length}.db"
        await given_tail(path, length)
        first_other = length + 1
        connection = open_connection(path)
        connection.execute("UPDATE delivery SET due_at = 1000 WHERE number = 1")
        ready = connection.execute(statement("due"), (1, 0, FAR, *BEGINNING, 384)).fetchall()
        assert [row[1] for row in ready] == list(range(first_other, first_other + OTHERS // 2))
        heads = [row[1] for row in ready]
        found: list[int] = []

        def settle(connection: apsw.Connection = connection, heads: list[int] = heads) -> None:
            with connection:
                assert len(leave_lines(connection, heads)) == OTHERS // 2

        def settle_stuck(connection: apsw.Connection = connection) -> None:
            with connection:
                assert leave_lines(connection, [1]) == [2]

        costs.append(
            {
                "refill": steps(connection, lambda c=connection: read(c, "due", (1, 0, FAR, *BEGINNING, 384)) and None),
                "what is due next": steps(connection, lambda c=connection: read(c, "next_due", (1, 0, FAR))),
                "a batch": steps(
                    connection, lambda c=connection, h=heads, f=found: f.extend(followers(c, h, FAR, 100))
                ),
                "its members": steps(connection, lambda c=connection, h=heads, f=found: together(c, sorted([*h, *f]))),
                "settle others": steps(connection, settle),
                "settle the stuck one": steps(connection, settle_stuck),
            }
        )
        assert len(found) == OTHERS // 2
        connection.close()
    short, long = costs
    assert short.keys() == long.keys()
    for what, few in short.items():
        assert few > 0
        assert long[what] <= few * 1.2 + 50, f"{what}: {few} steps behind 100, {long[what]} behind 100 000"
