"""Events of a subject, found block by block: beside a plain query over the whole log, whatever the gaps, the tenants and the types."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import apsw
import pytest
from tests.contracts.given import Clock

from tocsin.adapters.sqlite.database import migrate, open_connection
from tocsin.adapters.sqlite.lists import BUDGET, list_deliveries, list_events
from tocsin.adapters.sqlite.positions import NO_END, SHIFT, newest_of_subject, oldest_of_subject, span_of_job
from tocsin.adapters.sqlite.statements import statement, statement_with
from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.adapters.sqlite.trees import read_job_deliveries
from tocsin.model.ids import IdMint
from tocsin.model.job import JobState, Report
from tocsin.model.submission import Reports, Submission
from tocsin.ports import DeliveryQuery, EventQuery
from tocsin.rules.accepting import Deciding
from tocsin.rules.needs import needs_of

BLOCK = 1 << SHIFT
FIRST_WINDOW = 16 * BLOCK
SEED = 7
DAY = 86_400_000


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    opened = open_connection(tmp_path / "log.db")
    migrate(opened)
    opened.execute("PRAGMA synchronous = OFF")
    yield opened
    opened.close()


Row = tuple[int, str, str, str]
"""Position, tenant, subject type, subject id."""


def add(connection: apsw.Connection, rows: list[Row]) -> None:
    with connection:
        connection.executemany(
            "INSERT INTO event VALUES (?1, 'evt_' || ?1, ?2, ?3 || '.made', ?3, ?4, 'made', ?1, ?1, NULL, NULL, x'7b7d')",
            rows,
        )


def deliver(connection: apsw.Connection, *positions: int) -> None:
    connection.execute("INSERT OR IGNORE INTO endpoint VALUES (1, 'end_1', 'acme', 1, 0, 0, NULL, 1, x'7b7d')")
    for position in positions:
        connection.execute(
            "INSERT INTO delivery (id, tenant, endpoint, position, lane, state, blocked, due_at, step, at_once, attempts, created_at)"
            " VALUES ('dlv_' || ?1, 'acme', 1, ?1, 0, 'delivered', 0, 0, 0, 0, 1, 0)",
            (position,),
        )


def at(*positions: int, tenant: str = "acme", kind: str = "order", subject: str = "s") -> list[Row]:
    return [(position, tenant, kind, subject) for position in positions]


def test_newest_first_over_blocks_and_gaps(connection: apsw.Connection) -> None:
    far = 5000 * BLOCK
    places = (3, BLOCK - 1, BLOCK, BLOCK + 1, 40 * BLOCK, far - 1, far)
    add(connection, at(*places) + at(4, 90 * BLOCK, far + 1, subject="other"))
    found = newest_of_subject(connection, "s", "acme", 100)
    assert (found, found.rest) == (sorted(places, reverse=True), None)
    assert found.looked < 100, "what is not in the log is not looked into"
    oldest = oldest_of_subject(connection, "s", "acme", 100, subject_type="order", span=range(1, NO_END))
    assert (oldest, oldest.rest) == (sorted(places), None)
    assert newest_of_subject(connection, "s", "acme", 9, span=range(BLOCK, far)) == [
        far - 1,
        40 * BLOCK,
        BLOCK + 1,
        BLOCK,
    ]
    within = oldest_of_subject(connection, "s", "acme", 9, subject_type="order", span=range(BLOCK, far))
    assert within == [BLOCK, BLOCK + 1, 40 * BLOCK, far - 1]
    assert newest_of_subject(connection, "never", "acme", 9) == []


@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_a_page_that_ends_where_a_window_does(connection: apsw.Connection, beside: int) -> None:
    """The first statement looks into 16 blocks; the last place that is asked for lies at the border of them."""
    head = 20 * BLOCK - 1
    border = head + 1 - FIRST_WINDOW + beside
    add(connection, at(head, head - 5, border, border - 7))
    first = newest_of_subject(connection, "s", "acme", 3)
    assert (first, first.rest) == ([head, head - 5, border], border)
    then = newest_of_subject(connection, "s", "acme", 3, span=range(1, border))
    assert (then, then.rest) == ([border - 7], None)
    low = BLOCK
    border = low + FIRST_WINDOW + beside
    add(connection, at(low, border, subject="t"))
    oldest = oldest_of_subject(connection, "t", "acme", 2, subject_type="order", span=range(low, border + 1))
    assert (oldest, oldest.rest) == ([low, border], border + 1)


def test_a_search_that_looked_into_enough_says_where_it_goes_on(connection: apsw.Connection) -> None:
    add(connection, at(5) + [(n * BLOCK, "acme", "order", f"o{n}") for n in range(1, 100)])
    found: list[int] = []
    searches, below = 0, NO_END
    while True:
        part = newest_of_subject(connection, "s", "acme", 3, span=range(1, below), blocks=30)
        found += part
        searches += 1
        assert part.looked <= 30
        if part.rest is None:
            break
        below = part.rest
    assert (found, searches) == ([5], 4)


def test_one_tenants_events_are_nothing_to_another(connection: apsw.Connection) -> None:
    add(connection, at(*range(1, 5000), tenant="globex") + at(2500 + BLOCK * 4, 5000))
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    connection.set_progress_handler(count, 1)
    assert newest_of_subject(connection, "s", "acme", 50) == [2500 + BLOCK * 4, 5000]
    assert steps < 1000
    connection.set_progress_handler(None)
    assert newest_of_subject(connection, "s", None, 3) == [2500 + BLOCK * 4, 5000, 4999]


def test_pages_of_events_follow_one_another(connection: apsw.Connection) -> None:
    places = [*range(BLOCK - 4, BLOCK + 4), *range(30 * BLOCK - 2, 30 * BLOCK + 2)]
    add(connection, at(*places[::2], kind="order") + at(*places[1::2], kind="job"))
    for kind, wanted in ((None, places), ("order", places[::2]), ("job", places[1::2]), ("record", [])):
        found: list[int] = []
        before: int | None = None
        while page := list_events(
            connection, EventQuery(tenant="acme", limit=3, subject_id="s", subject_type=kind, before=before)
        ):
            assert page.rest is None or len(page) == 3
            found += [event.position for event in page]
            before = found[-1]
        assert found == sorted(wanted, reverse=True)


def test_a_page_that_is_narrowed_looks_at_a_bounded_number(connection: apsw.Connection) -> None:
    add(connection, at(1, kind="rare") + at(*range(2, BUDGET + 3)))
    page = list_events(connection, EventQuery(tenant="acme", limit=3, subject_id="s", subject_type="rare"))
    assert (page, page.rest) == ([], 3)
    page = list_events(connection, EventQuery(tenant="acme", limit=3, subject_id="s", subject_type="rare", before=3))
    assert ([event.position for event in page], page.rest) == ([1], None)


def test_deliveries_of_a_subject_in_many_blocks(connection: apsw.Connection) -> None:
    places = [2, BLOCK, 50 * BLOCK, 50 * BLOCK + 1]
    add(connection, at(*places) + at(3, 51 * BLOCK, subject="other") + at(7, tenant="globex"))
    deliver(connection, *places, 3, 51 * BLOCK)
    for span, wanted in (({}, places), ({"since": BLOCK}, places[1:]), ({"until": BLOCK}, places[:1])):
        page = list_deliveries(connection, DeliveryQuery(tenant="acme", limit=9, subject_id="s", **span))
        assert [view.id for view in page] == [f"dlv_{place}" for place in reversed(wanted)]
        assert page.rest is None
    assert list_deliveries(connection, DeliveryQuery(tenant="acme", limit=9, subject_id="never")) == []


def test_deliveries_of_a_job_are_looked_for_while_it_ran(connection: apsw.Connection) -> None:
    """Times are positions here: what lies a minute behind the last word of a job is not of it."""
    after = 2 * BLOCK + 60_000
    add(connection, at(5, BLOCK, 2 * BLOCK, after, kind="job") + at(6) + at(7, kind="job", subject="unknown"))
    add(connection, at(200 * BLOCK, subject="other"))
    deliver(connection, 5, 6, 7, BLOCK, 2 * BLOCK, after)
    connection.execute(
        "INSERT INTO job (tenant, id, state, job_type, root, created_at, updated_at, snapshot) VALUES ('acme', 's', 'running', 't', 's', 5, ?, x'')",
        (2 * BLOCK,),
    )
    assert span_of_job(connection, 5, 2 * BLOCK) == range(5, 2 * BLOCK + 1)

    def found(limit: int, most: int) -> list[str]:
        return [view.id for view in read_job_deliveries(connection, "acme", ("unknown", "s"), limit, most)]

    assert found(50, 500) == [f"dlv_{place}" for place in (2 * BLOCK, BLOCK, 5)]
    assert found(2, 500) == found(50, 2) == [f"dlv_{place}" for place in (2 * BLOCK, BLOCK)]
    assert read_job_deliveries(connection, "globex", ("s",), 50, 500) == []


async def test_a_job_has_the_times_of_its_events_whatever_the_clock_does(tmp_path: Path) -> None:
    """A report is received before it is accepted, and acceptance never goes back along the log."""
    clock = Clock()
    mint = IdMint(clock, os.urandom)
    store = SqliteStore(tmp_path / "jobs.db", clock, time.monotonic)
    try:
        for state, step in ((JobState.RUNNING, 0), (JobState.SUCCEEDED, -DAY)):
            clock.now += step
            report = Report(job_id="j", job_type="load", state=state)
            given = Submission(tenant="acme", received_at=clock.now - DAY, body=Reports(items=(report,), single=True))
            await store.log.accept([(given, needs_of(given))], Deciding(mint))
        job = await store.views.job("j", "acme")
        events = await store.views.events(EventQuery(tenant="acme", limit=9))
    finally:
        store.close()
    assert job is not None
    assert (job.created_at, job.updated_at) == (events[-1].accepted_at, events[0].accepted_at)


def test_whatever_is_in_the_log_a_search_finds_what_a_plain_query_does(connection: apsw.Connection) -> None:
    chance = random.Random(SEED)
    tenants, kinds, subjects = ("acme", "globex"), ("job", "order"), ("s", "t", "")
    used = {
        chance.choice((1, 90)) * chance.randrange(1, 3 * BLOCK) + chance.choice((0, 2000 * BLOCK)) for _ in range(4000)
    }
    add(connection, [(n, chance.choice(tenants), chance.choice(kinds), chance.choice(subjects)) for n in used])
    for low in chance.sample(sorted(used), 20):
        connection.execute("DELETE FROM event WHERE position BETWEEN ? AND ?", (low, low + chance.randrange(9 * BLOCK)))
    for position in chance.sample(sorted(used), 300):
        connection.execute(statement("erase_event"), (position,))
    places = [place for (place,) in connection.execute("SELECT position FROM event")]
    assert len(places) > 500
    for tenant, kind, subject in product((*tenants, None), (*kinds, None), ("s", "never")):
        for limit in (1, 7, 10_000):
            ends = sorted(chance.sample([*places, 1, max(places) + 1], 2))
            for low, below in ((1, NO_END), ends, (ends[0] & -BLOCK, ends[1] & -BLOCK)):
                where = f"subject_id = '{subject}' AND position >= {low} AND position < {below}"
                where += f" AND tenant = '{tenant}'" if tenant else ""
                where += f" AND subject_type = '{kind}'" if kind else ""
                plain = [
                    n for (n,) in connection.execute(f"SELECT position FROM event WHERE {where} ORDER BY position DESC")
                ]
                span = range(low, below)
                found = newest_of_subject(connection, subject, tenant, limit, subject_type=kind, span=span)
                assert found == plain[:limit]
                assert (found.rest is None) == (len(plain) < limit)
                if tenant is not None and kind is not None:
                    found = oldest_of_subject(connection, subject, tenant, limit, subject_type=kind, span=span)
                    assert found == plain[::-1][:limit]


@pytest.mark.parametrize("words", [set(), {"oldest"}])
@pytest.mark.parametrize("tenant", [set(), {"tenant"}])
@pytest.mark.parametrize("kind", [set(), {"subject_type"}])
def test_the_index_gives_them_in_order(
    connection: apsw.Connection, words: set[str], tenant: set[str], kind: set[str]
) -> None:
    """Nothing but the index is read where no type is asked for, and what is not wanted any more is not read."""
    text = statement_with("positions_of_subject", frozenset(words | tenant | kind))
    values = dict.fromkeys(("among", "subject_id", "tenant", "subject_type", "low", "below", "limit"))
    plan = str(connection.execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall())
    assert ("COVERING INDEX event_by_subject" in plan) == (not kind)
    assert "INDEX event_by_subject (<expr>=? AND subject_id=?" + (" AND tenant=?" if tenant else "") in plan
    assert "B-TREE FOR ORDER BY" not in plan
    assert ("LAST TERM" in plan) == (not tenant)
