"""Transfers: every table of every store is moved or not for a reason; rows arrive as they were; and whatever cuts a transfer short,
it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest
from tests.contracts.given import NOTHING, Clock, deciding, delivery, endpoint, entry, submission
from tests.kit.killed_transfers import PAGE_ROWS
from tests.kit.planted_rows import plant
from tests.kit.postgres import PostgresServer
from tests.kit.stores import Place, PostgresPlace, SqlitePlace, Store, close, held, moves

from tocsin.adapters.postgres.database import prepare_database
from tocsin.adapters.storing.transfers import PAGE_BYTES
from tocsin.errors import Conflict, Misconfigured
from tocsin.model.ids import IdMint
from tocsin.model.submission import Accepted
from tocsin.operations.transfer import Advance, Transfer, Transferred, check_servable, take_back
from tocsin.ports import Cursor, Move
from tocsin.ports.transferring import TABLES, Progress, digest_of
from tocsin.rules.partitions import PARTITIONS, partition_of

MOVED = {table.name: table for table in TABLES}
NOT_MOVED = {
    "migration": "each store has its own",
    "commit_group": "numbers of transactions, within one process",
    "log_head": "follows from the numbers that are set, which are checked",
    "transfer": "the mark of this side",
    "transfer_progress": "how far this side is",
    "sqlite_sequence": "the numbers that are set, which are checked",
    "committed": "numbers of transactions of processes that are there",
    "node": "who is there is there by itself",
    "revision": "what nodes have noticed, while they run",
    "session": "people sign in again",
    "sign_in_link": "likewise",
    "standing_wish": "what nodes ask of each other, while they run",
    "intake": "what stands before a store stays with it: it is empty by then",
    "receipt": "they live for a day",
}
DERIVED = {
    ("cursor", "epoch"): "a right to write is taken anew",
    ("cursor", "holder"): "likewise",
    ("cursor", "fenced_at"): "nothing is out while nobody serves",
    ("endpoint", "partition"): "follows from the tenant",
    ("event", "partition"): "likewise",
    ("standing", "moved"): "what nodes have noticed, while they run",
    ("line", "has_ended"): "follows from the delivery",
    ("tally", "shard"): "the shards are summed before",
    ("tally_history", "shard"): "likewise",
    ("pending_block", "shard"): "likewise",
}
"""Columns that do not go along, and why."""
EMBEDDED = {"commit_group", "sqlite_sequence"}
SHARED = {"committed", "log_head", "node", "revision", "standing_wish", "intake", "receipt"}
KILLED_FIRST = ((0, False), (0, True), (1, False), (1, True), (4, False))
"""Before the source has its mark; with that only, twice; with both marks; after four pages. How many writes are let through, run by
run, and whether that one is at which it is killed."""
KILLED_LAST = ((0, False), (0, True), (1, False), (1, True), (2, False), (2, True))
"""When everything is checked: before and after the numbers, the source's mark, and the target's."""


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresPlace:
    return PostgresPlace(postgres_server.fresh("store", prepare_database))


@pytest.fixture
async def opened(clock: Clock) -> AsyncIterator[Callable[[Place], object]]:
    """Opens stores, which are closed in the end."""
    stores: list[Store] = []

    async def open_(place: Place) -> Store:
        stores.append(await place.open(clock))
        return stores[-1]

    yield open_
    for store in stores:
        await close(store)


async def moved(
    source: Place, target: Place, clock: Clock, tell: Callable[[Advance], None] = lambda _: None
) -> Transferred:
    """Open both, transfer, close both."""
    one = await source.open(clock)
    try:
        other = await target.open(clock)
        try:
            mint = IdMint(clock, os.urandom)
            names = (source.url, target.url)
            return await Transfer(
                one.transfers, other.transfers, names, new_id=mint.uuid, now_ms=clock, tell=tell
            ).run()
        finally:
            await close(other)
    finally:
        await close(one)


def kept(table: str, found: list[tuple[object, object]]) -> set[object]:
    """The columns of a table that go along."""
    return {name for name, _ in found if (table, name) not in DERIVED}


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything that is moved, and the numbers given."""
    connection = apsw.Connection(str(path))
    names = {table.name: ", ".join(f'"{name}"' for name in table.columns) for table in TABLES}
    rows = {
        name: sorted(connection.execute(f'SELECT {columns} FROM "{name}"'), key=repr) for name, columns in names.items()
    }
    rows["sqlite_sequence"] = sorted(connection.execute("SELECT name, seq FROM sqlite_sequence"))
    connection.close()
    return rows


async def test_every_table_of_the_embedded_store_is_moved_or_there_is_a_reason(tmp_path: Path, clock: Clock) -> None:
    place = SqlitePlace(tmp_path / "a.db")
    await close(await place.open(clock))
    tables = {str(name) for (name,) in await place.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables == {*MOVED, *(NOT_MOVED.keys() - SHARED)}
    for table in TABLES:
        found = await place.rows(f'SELECT name, pk FROM pragma_table_info("{table.name}")')
        assert kept(table.name, found) == set(table.columns), table.name
        assert [name for name, at in sorted(found, key=lambda one: str(one[1])) if at] == list(table.key), table.name


async def test_every_table_of_the_shared_store_is_moved_or_there_is_a_reason(postgres: PostgresPlace) -> None:
    columns = await postgres.rows(
        "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
        " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace"
        " AND a.attnum > 0 AND NOT a.attisdropped"
    )
    assert {name for name, _ in columns} == {*MOVED, *(NOT_MOVED.keys() - EMBEDDED)}
    for table in TABLES:
        found = [(column, name) for name, column in columns if name == table.name]
        assert kept(table.name, found) == set(table.columns), table.name


async def test_rows_arrive_as_they_were_there_and_back(tmp_path: Path, postgres: PostgresPlace, clock: Clock) -> None:
    first, last = SqlitePlace(tmp_path / "a.db"), SqlitePlace(tmp_path / "b.db")
    plant(first.path, 40, wide=PAGE_BYTES + 1)
    before = rows_of(first.path)
    assert all(before.values())
    told: list[Advance] = []
    there = await moved(first, postgres, clock, told.append)
    assert there == Transferred(tables={name: len(before[name]) for name in MOVED})
    assert rows_of(first.path) == before
    assert {(one.step, one.table) for one in told} == {(step, name) for step in ("copy", "check") for name in MOVED}
    assert [one.rows for one in told if (one.step, one.table) == ("copy", "event")] == [1, 40]
    again = await moved(first, postgres, clock, lambda _: pytest.fail("nothing was left to do"))
    assert again == Transferred(tables=there.tables, was_over=True)
    assert (await moved(postgres, last, clock)).is_over
    assert rows_of(last.path) == before


async def test_a_store_goes_on_with_the_numbers_of_the_other(
    tmp_path: Path, postgres: PostgresPlace, clock: Clock, opened: Callable[[Place], object], mint: IdMint
) -> None:
    source = SqlitePlace(tmp_path / "a.db")
    store = await source.open(clock)
    await store.log.accept([(submission(), NOTHING)] * 3, deciding(mint))
    await close(store)
    clock.now -= 60_000
    await moved(source, postgres, clock)
    target = await opened(postgres)
    (accepted,) = await target.log.accept([(submission(), NOTHING)], deciding(mint))
    assert isinstance(accepted, Accepted)
    assert [event.position for event in accepted.events] == [4]
    assert accepted.events[0].accepted_at == clock.now + 60_000


async def test_who_is_not_fit_is_refused(tmp_path: Path, clock: Clock) -> None:
    source, target, other, empty = (SqlitePlace(tmp_path / f"{name}.db") for name in ("a", "b", "c", "d"))
    plant(source.path, 3)
    plant(other.path, 1)
    untouched = rows_of(other.path)
    with pytest.raises(Conflict, match=r"c\.db is not empty: there are rows in event"):
        await moved(source, other, clock)
    assert rows_of(other.path) == untouched
    await cut_short(source, target, clock)
    for one in (source, target):
        with pytest.raises(Misconfigured, match=r"has begun|unfinished"):
            check_servable(await mark_of(one, clock), one.url)
    with pytest.raises(Conflict, match=r"transfer to .*b\.db has begun.*--take-back"):
        await moved(source, empty, clock)
    with pytest.raises(Conflict, match=r"b\.db is the unfinished target of another transfer"):
        await moved(other, target, clock)
    with pytest.raises(Conflict, match=r"b\.db is the unfinished target of a transfer from .*a\.db"):
        await moved(target, empty, clock)
    with pytest.raises(Misconfigured, match="held by another process"):
        await moved(source, source, clock)
    assert (await moved(source, target, clock)).is_over
    with pytest.raises(Conflict, match=r"went to .*b\.db already"):
        await moved(source, empty, clock)
    with pytest.raises(Misconfigured, match=r"went to .*b\.db: serve that.*--take-back"):
        check_servable(await mark_of(source, clock), source.url)
    check_servable(await mark_of(target, clock), target.url)


async def test_a_source_can_be_taken_back(tmp_path: Path, clock: Clock) -> None:
    source, target, other = (SqlitePlace(tmp_path / f"{name}.db") for name in ("a", "b", "c"))
    plant(source.path, 3)
    await cut_short(source, target, clock)
    store = await source.open(clock)
    await take_back(store.transfers, source.url)
    check_servable(await store.transfers.mark(), source.url)
    with pytest.raises(Conflict, match="not the source of a transfer"):
        await take_back(store.transfers, source.url)
    await close(store)
    with pytest.raises(Conflict, match="unfinished target of another transfer"):
        await moved(source, target, clock)
    assert (await moved(source, other, clock)).is_over


@pytest.mark.parametrize(
    ("fault", "differing"),
    [
        ("UPDATE delivery SET due_at = due_at - 1 WHERE number = 2", ("delivery",)),
        ("DELETE FROM seen WHERE event_id IN (SELECT event_id FROM seen LIMIT 1)", ("seen",)),
        ("UPDATE event SET position = 4 WHERE position = 3", ("event", "numbers")),
    ],
)
async def test_what_is_not_the_same_is_told(
    tmp_path: Path, clock: Clock, fault: str, differing: tuple[str, ...]
) -> None:
    source, target = SqlitePlace(tmp_path / "a.db"), SqlitePlace(tmp_path / "b.db")
    plant(source.path, 3)
    await cut_short(source, target, clock, when=lambda one: one.step == "check")
    await target.rows(fault)
    done = await moved(source, target, clock)
    assert (done.is_over, done.differing) == (False, differing)
    assert not (await mark_of(target, clock)).is_over


async def test_a_row_that_the_source_would_not_give_is_missed(tmp_path: Path, clock: Clock) -> None:
    source, target = SqlitePlace(tmp_path / "a.db"), SqlitePlace(tmp_path / "b.db")
    plant(source.path, 3)
    await cut_short(source, target, clock, when=lambda one: (one.step, one.table) == ("copy", "line"))
    await source.rows("INSERT INTO seen VALUES ('', x'00', 'evt_late', 1)")
    assert (await moved(source, target, clock)).differing == ("seen",)


def test_digests_do_not_depend_on_the_order_of_rows() -> None:
    table = MOVED["seen"]
    one, other = ("t", b"a", "evt_1", 1), ("t", b"b", "evt_2", 2)
    assert (
        Progress().beyond(table, [one, other]).digest == Progress().beyond(table, [other]).beyond(table, [one]).digest
    )
    different = [
        one,
        (*one[:3], 2),
        ("t", b"a", "evt_1", "1"),
        ("t", "a", "evt_1", 1),
        (*one[:3], None),
        (*one[:3], 1.0),
    ]
    assert len(set(map(digest_of, different))) == len(different)


class CutShortError(Exception):
    """Raised in the middle."""


async def cut_short(
    source: Place, target: Place, clock: Clock, *, when: Callable[[Advance], bool] = lambda one: one.table == "answer"
) -> None:
    def tell(advance: Advance) -> None:
        if when(advance):
            raise CutShortError

    with pytest.raises(CutShortError):
        await moved(source, target, clock, tell)


async def mark_of(place: Place, clock: Clock):
    store = await place.open(clock)
    try:
        return await store.transfers.mark()
    finally:
        await close(store)


@pytest.mark.parametrize("to_postgres", [True, False])
async def test_kill_9_at_any_write_and_it_goes_on(
    tmp_path: Path, postgres: PostgresPlace, clock: Clock, to_postgres: bool
) -> None:
    source, target, last = (
        SqlitePlace(tmp_path / "a.db"),
        SqlitePlace(tmp_path / "b.db"),
        SqlitePlace(tmp_path / "c.db"),
    )
    plant(source.path, 12)
    before = rows_of(source.path)
    place: Place = postgres if to_postgres else target
    pages = sum(-(-len(before[name]) // PAGE_ROWS) for name in MOVED)
    third, rest = divmod(pages + len(TABLES) - 4, 3)
    kills = (*KILLED_FIRST, *[(third, False)] * 2, (third + rest, False), *KILLED_LAST, (1000, False))
    words = [sys.executable, "-m", "tests.kit.killed_transfers", source.url, place.url]
    root = Path(__file__).parents[2]
    with subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ends = []
        for writes, lets_through in kills:
            process.stdin.write(f"{writes} {lets_through:d}\n")
            process.stdin.flush()
            ends.append(int(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(20) == 0
    assert ends == [*[-signal.SIGKILL] * (len(kills) - 1), 0]
    if to_postgres:
        await moved(postgres, last, clock)
    assert rows_of((last if to_postgres else target).path) == before


async def test_one_cursor_becomes_one_for_each_partition_and_back(
    tmp_path: Path, postgres: PostgresPlace, clock: Clock, mint: IdMint
) -> None:
    """The endpoint of the cursor belongs to the event behind it, and so to one partition. Cursors that had nothing to go past are
    behind, and mean the same place."""
    first, last = SqlitePlace(tmp_path / "a.db"), SqlitePlace(tmp_path / "b.db")
    store = await first.open(clock)
    await store.log.accept([(submission(tenant), NOTHING) for tenant in ("acme", "other")], deciding(mint, 2, 3))
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    at = Cursor(position=2, endpoint=7)
    assert await store.queue.fan(holder, moves(store, cursor, at), [], directory_revision=revision) == []
    await close(store)
    assert (await moved(first, postgres, clock)).is_over
    other = partition_of("other", PARTITIONS)
    rows = await postgres.rows("SELECT partition, position, endpoint FROM cursor ORDER BY partition")
    assert rows == [(number, 2, 7 if number == other else 0) for number in range(PARTITIONS)]
    await postgres.rows("UPDATE cursor SET position = 1, endpoint = 0 WHERE partition = 0")
    assert (await moved(postgres, last, clock)).is_over
    assert await last.rows("SELECT partition, position, endpoint FROM cursor") == [(0, 2, 7)]


async def test_fan_outs_at_different_places_are_no_source(
    tmp_path: Path, postgres: PostgresPlace, clock: Clock, mint: IdMint
) -> None:
    """Read again from the first of them, what is behind it would be delivered twice; from the last, not at all."""
    store = await postgres.open(clock)
    await store.log.accept([(submission(tenant), NOTHING) for tenant in ("acme", "other")], deciding(mint, 2, 3))
    holder, _ = await held(store)
    revision, _ = await store.directory.endpoints()
    target = SqlitePlace(tmp_path / "a.db")

    async def fanned(tenant: str, old: int, new: int) -> None:
        partition = partition_of(tenant, PARTITIONS)
        move = Move(partition=partition, old=Cursor(position=old), new=Cursor(position=new))
        assert await store.queue.fan(holder, [move], [], directory_revision=revision) == []

    async def refused() -> None:
        other = await target.open(clock)
        try:
            names = (postgres.url, target.url)
            work = Transfer(
                store.transfers, other.transfers, names, new_id=mint.uuid, now_ms=clock, tell=lambda _: None
            )
            with pytest.raises(Conflict, match="wait for their fan-out"):
                await work.run()
        finally:
            await close(other)

    await fanned("other", 0, 5)
    await refused()
    await fanned("acme", 0, 1)
    await refused()
    assert await store.transfers.mark() is None
    await fanned("acme", 1, 2)
    await close(store)
    assert (await moved(postgres, target, clock)).is_over
    assert await target.rows("SELECT partition, position, endpoint FROM cursor") == [(0, 5, 0)]


async def test_lines_of_what_was_cancelled_are_released_in_the_other_store(
    tmp_path: Path, postgres: PostgresPlace, clock: Clock, mint: IdMint
) -> None:
    source = SqlitePlace(tmp_path / "a.db")
    store = await source.open(clock)
    await store.log.accept([(submission(), NOTHING)], deciding(mint, 2))
    await store.directory.add_endpoint(endpoint(mint), entry(mint))
    holder, cursor = await held(store)
    revision, _ = await store.directory.endpoints()
    made = [delivery(mint, 1, position, keys=["k"]) for position in (1, 2)]
    await store.queue.fan(holder, moves(store, cursor, Cursor(position=2)), made, directory_revision=revision)
    await store.queue.cancel(holder, [1], frozenset({1}), "by hand", 50)
    await close(store)
    assert (await moved(source, postgres, clock)).is_over
    target = await postgres.open(clock)
    holder, _ = await held(target)
    assert [c.delivery.number for c in await target.queue.release_ended(holder, [1], frozenset())] == [2]
    await close(target)
