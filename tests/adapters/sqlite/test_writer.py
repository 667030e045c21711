"""The writer: one transaction after another, in fair order, honest about what was written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import apsw
import pytest

from tocsin.adapters.sqlite.store import prepare_file
from tocsin.adapters.sqlite.writer import Writer
from tocsin.adapters.storing.ranks import DataRefusedError, Rank
from tocsin.errors import StorageFull, StoreUnavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    prepare_file(tmp_path / "w.db").release()
    return tmp_path / "w.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    made = Writer(path)
    yield made
    made.close()


def count(connection: apsw.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM tenant").fetchone()[0])


def add(name: str, padding: int = 0) -> Callable[[apsw.Connection], str]:
    def transaction(connection: apsw.Connection) -> str:
        connection.execute("INSERT INTO tenant VALUES (?, 0, 0)", (name + "x" * padding,))
        return name

    return transaction


async def test_what_run_returns_is_committed(writer: Writer, path: Path) -> None:
    assert await writer.run(Rank.REST, add("a")) == "a"
    other = apsw.Connection(str(path))
    assert count(other) == 1
    other.close()


async def test_a_fault_rolls_back_and_reaches_only_its_caller(writer: Writer) -> None:
    def faulty(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO tenant VALUES ('lost', 0, 0)")
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await writer.run(Rank.REST, faulty)
    assert await writer.run(Rank.REST, count) == 0


async def test_data_that_the_store_refuses_is_told_from_trouble(writer: Writer) -> None:
    await writer.run(Rank.REST, add("a"))
    with pytest.raises(DataRefusedError):
        await writer.run(Rank.REST, add("a"))
    assert await writer.run(Rank.REST, count) == 1


async def test_a_full_store_accepts_nothing_and_goes_on_when_there_is_room(writer: Writer) -> None:
    await writer.run(Rank.REST, lambda c: c.execute("PRAGMA max_page_count = 1").fetchall())
    with pytest.raises(StorageFull):
        await writer.run(Rank.REST, add("big", 200_000))
    # The connection was replaced: the limit, which belonged to it, is gone with it.
    assert await writer.run(Rank.REST, count) == 0
    assert await writer.run(Rank.REST, add("big", 200_000)) == "big"


async def test_a_locked_file_is_trouble_and_then_over(path: Path) -> None:
    writer = Writer(path)
    try:
        blocker = apsw.Connection(str(path))
        blocker.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(writer.run(Rank.REST, count))
        with pytest.raises(StoreUnavailable):
            await waiting
        blocker.execute("ROLLBACK")
        blocker.close()
        assert await writer.run(Rank.REST, count) == 0
    finally:
        writer.close()


async def test_a_commit_whose_answer_was_lost_is_looked_up(writer: Writer, path: Path) -> None:
    """COMMIT reaches the file, then the connection fails: the group's number tells that it came through."""

    def commit_and_break(connection: apsw.Connection) -> str:
        connection.execute("INSERT INTO tenant VALUES ('a', 0, 0)")
        group = connection.execute("SELECT number FROM commit_group").fetchone()
        assert group is not None
        connection.execute("UPDATE commit_group SET number = ?", (int(group[0]) + 1,))
        connection.execute("COMMIT")
        raise_at_commit(connection)
        return "done"

    def raise_at_commit(connection: apsw.Connection) -> None:
        """The writer's own COMMIT now fails: there is no transaction any more."""
        assert not connection.in_transaction

    forgotten: list[bool] = []
    writer.on_reopen.append(lambda: forgotten.append(True))
    assert await writer.run(Rank.REST, commit_and_break) == "done"
    assert forgotten == [True]
    assert await writer.run(Rank.REST, count) == 1


async def test_settling_goes_first_but_nothing_starves(writer: Writer) -> None:
    order: list[str] = []
    begun, gate = threading.Event(), threading.Event()

    def named(name: str) -> Callable[[apsw.Connection], None]:
        def transaction(_: apsw.Connection) -> None:
            order.append(name)

        return transaction

    def wait(_: apsw.Connection) -> None:
        begun.set()
        gate.wait(10)

    blocked = asyncio.ensure_future(writer.run(Rank.REST, wait))
    assert await asyncio.to_thread(begun.wait, 10)
    rest = [asyncio.ensure_future(writer.run(Rank.REST, named("rest")))]
    await asyncio.sleep(0)
    accept = [asyncio.ensure_future(writer.run(Rank.ACCEPT, named("accept"))) for _ in range(2)]
    settle = [asyncio.ensure_future(writer.run(Rank.SETTLE, named("settle"))) for _ in range(8)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(blocked, *rest, *accept, *settle)
    assert order[:8] == ["settle"] * 8
    assert order[8:] == ["accept", "accept", "rest"]


async def test_late_work_of_a_high_rank_does_not_overtake_for_ever(writer: Writer) -> None:
    """One fan-out waits while settles keep coming: it runs after a few of them, not after all."""
    order: list[str] = []

    async def settles() -> None:
        for _ in range(30):
            await asyncio.gather(*(writer.run(Rank.SETTLE, lambda _: order.append("settle")) for _ in range(2)))

    going = asyncio.ensure_future(settles())
    while not order:
        await asyncio.sleep(0)
    await writer.run(Rank.FANOUT, lambda _: order.append("fanout"))
    await going
    assert order.index("fanout") < 20


async def test_close_finishes_what_waits(path: Path) -> None:
    writer = Writer(path)
    waiting = [asyncio.ensure_future(writer.run(Rank.REST, add(f"t{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    await asyncio.to_thread(writer.close)
    assert [await w for w in waiting] == [f"t{n}" for n in range(20)]
    with pytest.raises(StoreUnavailable):
        await writer.run(Rank.REST, count)


async def test_retention_goes_last_has_its_turn_and_shares_no_commit(writer: Writer) -> None:
    order: list[str] = []
    groups: list[object] = []
    begun, gate = threading.Event(), threading.Event()

    def named(name: str) -> Callable[[apsw.Connection], None]:
        def transaction(connection: apsw.Connection) -> None:
            order.append(name)
            groups.append(connection.execute("SELECT number FROM commit_group").fetchone())

        return transaction

    def wait(_: apsw.Connection) -> None:
        begun.set()
        gate.wait(10)

    blocked = asyncio.ensure_future(writer.run(Rank.REST, wait))
    assert await asyncio.to_thread(begun.wait, 10)
    waiting = [asyncio.ensure_future(writer.run(Rank.RETENTION, named("retention"))) for _ in range(2)]
    await asyncio.sleep(0)
    waiting += [asyncio.ensure_future(writer.run(Rank.REST, named("rest"))) for _ in range(12)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(blocked, *waiting)
    assert order == ["rest"] * 12 + ["retention"] * 2
    assert len(set(groups[:12])) == 1
    assert len(set(groups)) == 3

    async def settles() -> None:
        for _ in range(200):
            await writer.run(Rank.SETTLE, named("settle"))

    order.clear()
    going = [asyncio.ensure_future(settles()) for _ in range(2)]
    while not order:
        await asyncio.sleep(0)
    await writer.run(Rank.RETENTION, named("retention"))
    await asyncio.gather(*going)
    assert order.index("retention") < 100


async def held(writer: Writer) -> Callable[[], Awaitable[None]]:
    """The writer is at work on something until what is given back is awaited: what is asked for meanwhile goes together."""
    begun, gate = threading.Event(), threading.Event()

    def wait(_: apsw.Connection) -> None:
        begun.set()
        gate.wait(10)

    work = asyncio.ensure_future(writer.run(Rank.REST, wait))
    assert await asyncio.to_thread(begun.wait, 10)

    async def release() -> None:
        gate.set()
        await work

    return release


async def test_a_part_that_fails_undoes_no_other_part_of_its_transaction(writer: Writer) -> None:
    undone: list[bool] = []
    writer.on_undo.append(lambda: undone.append(True))

    def faulty(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO tenant VALUES ('lost', 0, 0)")
        raise LookupError("mine")

    release = await held(writer)
    parts = [
        asyncio.ensure_future(writer.run(Rank.SETTLE, add("a"))),
        asyncio.ensure_future(writer.run(Rank.ACCEPT, faulty)),
        asyncio.ensure_future(writer.run(Rank.FANOUT, add("b"))),
    ]
    await asyncio.sleep(0)
    await release()
    first, failed, last = await asyncio.gather(*parts, return_exceptions=True)
    assert (first, last) == ("a", "b")
    assert isinstance(failed, LookupError)
    assert undone, "what was remembered of it is forgotten"
    assert await writer.run(Rank.REST, count) == 2


async def test_an_accept_shares_its_commit_with_the_path_of_events_and_with_nothing_else(writer: Writer) -> None:
    groups: dict[str, object] = {}

    def named(name: str) -> Callable[[apsw.Connection], None]:
        def transaction(connection: apsw.Connection) -> None:
            groups[name] = connection.execute("SELECT number FROM commit_group").fetchone()

        return transaction

    release = await held(writer)
    ranks = {"rest": Rank.REST, "accept": Rank.ACCEPT, "fanout": Rank.FANOUT, "settle": Rank.SETTLE}
    waiting = [asyncio.ensure_future(writer.run(rank, named(name))) for name, rank in ranks.items()]
    await asyncio.sleep(0)
    await release()
    await asyncio.gather(*waiting)
    assert groups["settle"] == groups["accept"] == groups["fanout"] != groups["rest"]
