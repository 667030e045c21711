"""What answers cost when there is much: steps of SQLite's machine, counted on a real file, for every number and every list.

The time is not asserted: a statement that visits a million rows takes a hundred times the steps that are allowed here.
"""

from __future__ import annotations

import fcntl
import itertools
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec
import pytest

from tocsin.adapters.sqlite.counts import count_deliveries, read_dead
from tocsin.adapters.sqlite.database import migrate, open_connection
from tocsin.adapters.sqlite.lists import BUDGET, list_deliveries, list_events, list_jobs
from tocsin.adapters.sqlite.statements import read_one, read_page, statement, statement_with
from tocsin.adapters.sqlite.stats import read_backlogs, read_stats
from tocsin.adapters.sqlite.strips import read_attempts, read_strips
from tocsin.adapters.storing.migrations import migrations_of
from tocsin.model.delivery import DeliveryState
from tocsin.model.ids import BatchId, EndpointId, EventId, ReplayId
from tocsin.ports import AttemptsQuery, DeadQuery, DeliveryQuery, EventQuery, JobQuery, StatsQuery, StripQuery
from tocsin.rules.ranges import MINUTE_MS, NAMED, range_of

ROWS = int(os.environ.get("TOCSIN_TEST_ROWS", "200000"))
"""A million when asked for; fewer show the same, for what is allowed does not grow with it."""
ENDPOINTS = 1000
FIRST = 1_800_000_000_000
NOW = FIRST + ROWS
STEPS = 150_000
"""Some 5000 rows, each looked at and joined with its event, take about 100 000; a scan of 200 000 takes millions. A search for a subject
takes 20 for each 2048 events that are kept, which is 10 000 of a million: its index lies in blocks of the log."""
T = TypeVar("T")
SHAPES = ("pending", "settled", "dead")


def filled(path: Path, shape: str) -> None:
    """Half of the deliveries go to endpoint 1, the others to a thousand; of tenant `acme`, save those of endpoint 1000. The first
    delivery of endpoint 2 is pending whatever the shape, at the bottom of all the others. What is dead is of one subject, and what
    of it went to endpoint 1 is of a replay. Where all is settled, the first of endpoint 1 is dead, below all that were delivered to it."""
    connection = open_connection(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, oldest INTEGER NOT NULL) STRICT"
    )
    with connection:
        for one in migrations_of("tocsin.adapters.sqlite"):
            if one.number < 8:
                connection.execute(one.text)
                connection.execute(
                    "INSERT INTO migration VALUES (?, ?, ?, ?)", (one.number, one.name, one.checksum, one.oldest)
                )
        state = {"settled": "delivered"}.get(shape, shape)
        connection.execute(
            "CREATE TEMP VIEW series AS WITH RECURSIVE n (value) AS "
            f"(SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {ROWS}) SELECT value FROM n"
        )
        connection.execute(
            """
            INSERT INTO endpoint (id, tenant, revision, active_from, created_at, config, moved)
            SELECT 'end_' || value, CASE WHEN value = ?1 THEN 'globex' ELSE 'acme' END, 1, 0, 0, x'7b7d', 1
            FROM series WHERE value <= ?1
            """,
            (ENDPOINTS,),
        )
        connection.execute(
            """
            INSERT INTO event
            SELECT value, 'evt_' || value, CASE WHEN value % ?1 = 0 THEN 'globex' ELSE 'acme' END,
                CASE value WHEN 1 THEN 'rare.first' ELSE 'order.created' END,
                CASE value WHEN 1 THEN 'rare' ELSE 'order' END, CASE WHEN ?3 AND value > 1 THEN 'same' ELSE 'o' || value END, 'created',
                ?2 + value, ?2 + value, NULL, NULL, x'7b7d'
            FROM series
            """,
            (ENDPOINTS, FIRST, shape == "dead"),
        )
        connection.execute(
            """
            INSERT INTO delivery
            SELECT value, 'dlv_' || value, CASE WHEN value % ?1 = 0 THEN 'globex' ELSE 'acme' END,
                CASE WHEN value = 1 THEN 2 WHEN value % 2 = 1 THEN 1 ELSE value % ?1 + ?1 * (value % ?1 = 0) END,
                value, ?4 AND value > 1 AND value % 2 = 1, CASE WHEN value = 1 THEN 'pending' WHEN value = 3 AND ?3 = 'delivered' THEN 'dead' ELSE ?3 END,
                CASE WHEN ?4 THEN 'reason ' || value % 3 END, 0, ?2 + value, 0, 0, 1, ?2 + value, NULL, NULL, NULL
            FROM series
            """,
            (ENDPOINTS, FIRST, state, shape == "dead"),
        )
        connection.execute(
            """
            INSERT INTO job (tenant, id, state, job_type, parent, root, created_at, updated_at, snapshot)
            SELECT 'acme', 'j' || value, 'succeeded', 'load', NULL, 'j', ?1 + value, ?1 + value, x'7b7d'
            FROM series
            """,
            (FIRST,),
        )
        connection.execute(
            """
            INSERT INTO replay (id, tenant, endpoint, state, filters, only_these, new_webhook_ids, position, last, total, made, created_at)
            VALUES ('rpl_1', 'acme', 1, 'running', x'5b5d', 'all', 0, 0, ?1, ?1, ?1, 0)
            """,
            (ROWS,),
        )
    migrate(connection)
    connection.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Path]:
    """Made once for all test processes, of which each has a folder in the one that they share."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent
    folder = folder / "million"
    folder.mkdir(exist_ok=True)
    made = {shape: folder / f"{shape}.db" for shape in SHAPES}
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (done := folder / "done").exists():
            for shape, path in made.items():
                filled(path, shape)
            done.touch()
    return made


@pytest.fixture(params=SHAPES)
def connection(files: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[apsw.Connection]:
    opened = open_connection(files[request.param], read_only=True)
    yield opened
    opened.close()


def costing(connection: apsw.Connection, query: Callable[[apsw.Connection], T]) -> tuple[T, int]:
    """What the query gives, and how many steps of SQLite's machine it took, to a hundred."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 100
        return False

    connection.set_progress_handler(count, 100)
    try:
        return query(connection), steps
    finally:
        connection.set_progress_handler(None)


@pytest.mark.parametrize("name", [*NAMED, None])
@pytest.mark.parametrize(
    ("tenant", "endpoint"), [(None, None), ("acme", None), ("acme", 1), ("acme", 2), ("none", None)]
)
def test_numbers_cost_the_same_however_much_there_is(
    connection: apsw.Connection, name: str | None, tenant: str | None, endpoint: int | None
) -> None:
    asked = range_of(NOW - NAMED[name or "1h"] * MINUTE_MS, NOW, NOW)
    query = StatsQuery(
        tenant=tenant, endpoint=endpoint, minutes=asked.minutes if name else range(0), step=asked.step, failing=10
    )
    view, steps = costing(connection, lambda c: read_stats(c, query))
    assert steps < 200_000
    where = "WHERE state = 'pending'" + (f" AND tenant = '{tenant}'" if tenant else "")
    where += f" AND endpoint = {endpoint}" if endpoint else ""
    counted = connection.execute(f"SELECT count(*), min(created_at) FROM delivery {where}").fetchone()
    assert counted == (view.now.pending, view.now.oldest_at)


def test_the_largest_backlogs_cost_one_look_at_each_endpoint(connection: apsw.Connection) -> None:
    found, steps = costing(connection, lambda c: read_backlogs(c, 50))
    assert steps < 50_000
    assert found[0][2].pending >= found[-1][2].pending


RANGES: tuple[dict[str, int | None], ...] = (
    {},
    {"since": NOW - 1000},
    {"until": FIRST + 1000},
    {"since": FIRST + 10, "until": FIRST + 500},
    {"before": ROWS // 2},
)
WHOSE = (None, "acme", "globex", "none")


@pytest.mark.parametrize(
    "asked",
    [
        *({"state": state} for state in DeliveryState),
        *(
            {"state": state, "endpoint": end}
            for state in DeliveryState
            for end in ("end_1", "end_2", "end_1000", "end_x")
        ),
        {"endpoint": "end_1"},
        {"endpoint": "end_1000"},
        {"event": "evt_1"},
        {"event_type": "rare.first"},
        {"event_type": "never.was", "endpoint": "end_1"},
        {"event_type": "rare.*"},
        {"event_type": "*.never", "state": "pending"},
        {"subject_type": "rare"},
        {"subject_id": "o1", "subject_type": "rare"},
        {"subject_id": "same"},
        {"subject_id": "same", "state": "dead"},
        {"reason": "never", "state": "dead", "endpoint": "end_1"},
        {"reason": "reason 1", "state": "dead"},
        {"reason": "never"},
        {"batch": "bat_1"},
        {"replay": "rpl_1"},
        {"replay": "rpl_1", "state": "dead"},
        {"replay": "rpl_1", "state": "dead", "endpoint": "end_1"},
        {"replay": "rpl_1", "state": "delivered"},
        {},
    ],
)
def test_a_page_of_deliveries_looks_at_few(connection: apsw.Connection, asked: dict[str, str]) -> None:
    fields = {name: make(asked[name]) for name, make in _MAKES.items() if name in asked}
    stands_alone = "replay" in asked or "batch" in asked
    for tenant, span in itertools.product(WHOSE, RANGES):
        if stands_alone and ("since" in span or "until" in span):
            continue
        query = msgspec.convert({"tenant": tenant, "limit": 51} | fields | span, DeliveryQuery)
        rows, steps = costing(connection, partial(list_deliveries, query=query))
        assert steps < STEPS, query
        numbers = [row.number for row in rows]
        assert numbers == sorted(numbers, reverse=True)
        assert rows.rest is None or all(number >= rows.rest for number in numbers)


_MAKES: dict[str, Callable[[str], object]] = {
    "state": DeliveryState,
    "endpoint": EndpointId,
    "event": EventId,
    "batch": BatchId,
    "replay": ReplayId,
    **dict.fromkeys(("event_type", "subject_type", "subject_id", "reason"), str),
}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        *({"state": state} for state in DeliveryState),
        {"event_type": "order.*"},
        {"event_type": "never.*"},
        {"subject_id": "same"},
    ],
)
@pytest.mark.parametrize("endpoint", [None, "end_1", "end_2"])
def test_a_count_looks_at_a_bounded_number(
    connection: apsw.Connection, asked: dict[str, str], endpoint: str | None
) -> None:
    for tenant in WHOSE:
        query = msgspec.convert({"tenant": tenant, "limit": 10_000, "endpoint": endpoint} | asked, DeliveryQuery)
        count, steps = costing(connection, partial(count_deliveries, query=query))
        assert steps < 5 * STEPS, query
        where = " AND ".join(f"{name} = '{value}'" for name, value in (asked | {"tenant": tenant}).items() if value)
        if "event_type" in asked or "subject_id" in asked:
            continue
        where = f"WHERE {where or 'true'}" + (f" AND endpoint = {endpoint[4:]}" if endpoint else "")
        (counted,) = connection.execute(f"SELECT count(*) FROM delivery {where}").fetchone()
        assert count.count == counted if count.complete else count.count <= counted
        assert count.complete or query.state not in {"pending", "dead"}, "tallies say it"


def test_what_is_dead_is_told_by_endpoint_and_reason(files: dict[str, Path]) -> None:
    connection = open_connection(files["dead"], read_only=True)
    for query in (
        DeadQuery(tenant="acme", most=20, looked=500),
        DeadQuery(tenant=None, most=20, looked=500),
        DeadQuery(tenant="acme", endpoint=EndpointId("end_1"), most=1, looked=5000),
    ):
        found, steps = costing(connection, partial(read_dead, query=query))
        assert steps < 2 * STEPS
        assert (found[0].endpoint.id, found[0].dead, found[0].looked) == ("end_1", ROWS // 2 - 1, query.looked)
        assert sum(reason.count for reason in found[0].reasons) == query.looked
    assert read_dead(connection, DeadQuery(tenant="globex", endpoint=EndpointId("end_1"), most=1, looked=9)) == []
    connection.close()


def test_the_one_that_is_dead_below_all_that_were_delivered_is_found_at_once(files: dict[str, Path]) -> None:
    connection = open_connection(files["settled"], read_only=True)
    (found,), steps = costing(connection, lambda c: read_dead(c, DeadQuery(tenant=None, most=20, looked=500)))
    assert steps < 10_000
    assert [(reason.reason, reason.count) for reason in found.reasons] == [("unknown", 1)]
    connection.close()


@pytest.mark.parametrize("reason", [None, "reason 1", "never"])
def test_a_replay_of_what_is_dead_goes_from_one_to_the_next(connection: apsw.Connection, reason: str | None) -> None:
    """What lies between two dead deliveries costs nothing."""
    words = frozenset({"dead"} if reason is None else {"dead", "reason"})
    values = {"tenant": "acme", "endpoint": 2, "after": 0, "last": ROWS, "limit": 512, "reason": reason}
    text = statement_with("replay_candidates", words)
    rows, steps = costing(connection, lambda c: c.execute(text, values).fetchall())
    assert steps < STEPS
    (dead,) = connection.execute(
        "SELECT count(*) FROM delivery WHERE endpoint = 2 AND state = 'dead' AND (?1 IS NULL OR reason = ?1)", (reason,)
    ).fetchone()
    assert len(rows) == min(dead, 512)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"type": "rare.first"},
        {"type": "never.was"},
        {"subject_type": "rare"},
        {"subject_id": "o1"},
        {"subject_id": "never"},
        {"subject_type": "rare", "subject_id": "o1"},
        {"subject_type": "never", "subject_id": "o2"},
    ],
)
def test_a_page_of_events_looks_at_few(connection: apsw.Connection, asked: dict[str, str]) -> None:
    for tenant, span in itertools.product(WHOSE, RANGES):
        query = msgspec.convert({"tenant": tenant, "limit": 51} | asked | span, EventQuery)
        rows, steps = costing(connection, partial(list_events, query=query))
        assert steps < STEPS, query
        assert rows.rest is None or len(rows) < 51


@pytest.mark.parametrize(
    "asked",
    [{"state": "failed"}, {"job_type": "never"}, {"parent": "never"}, {"mode": "realtime"}, {"search": "never"}],
)
def test_a_page_of_jobs_looks_at_few(connection: apsw.Connection, asked: dict[str, str]) -> None:
    for tenant, span in itertools.product(WHOSE, RANGES):
        query = msgspec.convert({"tenant": tenant, "limit": 51} | asked | span, JobQuery)
        _, steps = costing(connection, partial(list_jobs, query=query))
        assert steps < STEPS, query


def test_what_is_rare_is_found_by_going_on(connection: apsw.Connection) -> None:
    """A page that looked at enough says where to go on, and nothing is left out between two pages."""
    found: list[int] = []
    before: int | None = None
    pages = 0
    while True:
        query = DeliveryQuery(tenant="acme", limit=3, event_type="rare.first", before=before)
        rows = list_deliveries(connection, query)
        found += [row.number for row in rows]
        pages += 1
        if rows.rest is None:
            break
        before = rows.rest
    assert found == [1]
    assert 2 <= pages <= ROWS // BUDGET + 1


def test_the_one_that_waits_below_all_others_is_found_at_once(files: dict[str, Path]) -> None:
    connection = open_connection(files["settled"], read_only=True)
    for asked in ({"tenant": None}, {"tenant": "acme"}, {"tenant": "acme", "endpoint": EndpointId("end_2")}):
        rows = list_deliveries(connection, DeliveryQuery(limit=51, state=DeliveryState.PENDING, **asked))
        assert [row.number for row in rows] == [1]
        assert rows.rest is None
    connection.close()


def test_progress_of_replays_is_read_from_their_rows(connection: apsw.Connection) -> None:
    for query in (
        lambda c: read_page(c, "replays", {"tenant": "acme", "limit": 51}),
        lambda c: read_one(c, "replay_pending", (1,)),
    ):
        _, steps = costing(connection, query)
        assert steps < 10_000
    for name in ("replays", "end_replay", "replay_pending"):
        assert "count(" not in statement(name)


@pytest.mark.parametrize("tenant", WHOSE)
def test_what_happened_to_endpoints_lately_costs_little(connection: apsw.Connection, tenant: str | None) -> None:
    asked = range_of(NOW - NAMED["24h"] * MINUTE_MS, NOW, NOW)
    minutes = range(asked.last // 60 * 60 - 1440, asked.last // 60 * 60 + 1, 60)
    strips = StripQuery(tenant=tenant, endpoints=tuple(range(1, 51)), minutes=minutes, step=60)
    found, steps = costing(connection, lambda c: read_strips(c, strips))
    assert steps < 50_000
    assert set(found) == (set() if tenant in {"none", "globex"} else {1, *range(2, 51, 2)})
    for endpoint in (1, 2, 1000):
        query = AttemptsQuery(tenant=tenant, endpoint=endpoint, limit=100)
        attempts, steps = costing(connection, lambda c, q=query: read_attempts(c, q))
        assert attempts == []
        assert steps < STEPS
