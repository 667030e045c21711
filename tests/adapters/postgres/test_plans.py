"""How PostgreSQL finds rows: no statement reads the whole of a table that grows, but for those that are listed with a reason."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.adapters.postgres.test_statements import SQL, words_of
from tests.kit.postgres import PostgresServer

from tocsin.adapters.postgres.database import BY_INDEX, prepare_database
from tocsin.adapters.postgres.statements import statement_with

FILLED = (Path(__file__).parents[2] / "kit" / "filled.sql").read_text(encoding="utf-8")
NO_PLANS = (
    "transfer_", "lock_data_keys", "era_open", "era_take_out", "era_drop", "era_rename", "era_wait", "era_short_wait",
)  # fmt: skip
"""They change tables, or read all of one on purpose."""
AT_START = "once, when a server starts"
FEW = "the table has few rows"
WHOLE = {
    "beat": FEW,
    "data_keys": FEW,
    "ended_endpoints": "indexes of what has ended and stays in its lines, and of pending batches only",
    "endpoints": AT_START,
    "era_dead": "an era that was taken out, which nobody else reads",
    "era_fanned": FEW,
    "forget_commits": "once, when a server connects; one row for each of them",
    "intake_cursors": "one row for each partition",
    "move_intake": "one row for each partition",
    "remove_key": FEW,
    "remove_wishes": FEW,
    "renew_intake": "one row for each partition",
    "session": FEW,
    "wishes": FEW,
    "sweep_links": FEW,
    "era_heads": "one row of a sequence",
    "keys": FEW,
    "mark_all_lines": "once, when a transfer ends",
    "notices": "what waits to be told; a page",
    "oldest_migration": FEW,
    "removed_endpoints": AT_START,
    "retention_cursors": FEW,
    "retention_needed": "the cursors, of which there are few",
    "retention_remove_cursors": FEW,
    "retention_rules": FEW,
    "shared_facts": "the catalog, for doctor",
    "standings": AT_START,
    "store_facts": FEW,
    "take": FEW,
}
LISTS = [
    {"tenant"}, {"tenant", "before"}, {"tenant", "id"}, {"tenant", "endpoint", "before"}, {"tenant", "state", "given_up", "before"},
    {"tenant", "endpoint", "state", "given_up"}, {"state", "given_up"}, {"tenant", "event", "by_position"},
    {"tenant", "by_position", "by_subject", "subject_id"}, {"tenant", "by_position", "from_position", "to_position"},
    {"tenant", "pending", "before", "floor"}, {"tenant", "pending", "endpoint", "floor"}, {"pending", "floor"},
    {"tenant", "batch"}, {"tenant", "replay", "by_lane"}, {"tenant", "replay", "by_lane", "before"},
    {"tenant", "state", "floor", "before"}, {"tenant", "event_type", "floor"}, {"tenant", "endpoint", "reason", "floor"},
]  # fmt: skip
"""The lines of `deliveries` that are chosen together (adapters/postgres/lists.py)."""
GIVEN = {
    "tenant": "tenant7", "scope": "tenant7", "endpoint": "end_7", "event": "evt_7", "batch": "b7", "replay": "r7", "id": "x", "subject_id": "s7",
    "parent": "j7", "target": "t7", "state": "dead", "key": b"k",
    "limit": 50, "budget": 5000, "most": 50, "deliveries": 500, "each": 5, "below": 1058576, "before": 1058576, "low": 1058000,
    "after": 1050000, "floor": 1050000, "first": 1050000, "end": 1052048, "from_position": 1050000, "to_position": 1050100, "last": 1051000,
    "delivery": 1050000, "until": 100, "since": 10, "step": 1, "minutes": [5, 6], "endpoints": [7, 8],
}  # fmt: skip
SCANS = {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}
LIMITED = {"Sort", "Aggregate", "Hash", "WindowAgg", "Unique", "Materialize"}


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> str:
    async def fill(url: str) -> None:
        await prepare_database(url)
        connection = await asyncpg.connect(url)
        await connection.execute(FILLED)
        await connection.execute("ANALYZE")
        await connection.close()

    return postgres_server.fresh("filled", fill)


@pytest.fixture
async def connection(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    made = await asyncpg.connect(url, server_settings={"jit": "off", **BY_INDEX})
    yield made
    await made.close()


def nodes(
    node: dict[str, object], above: tuple[dict[str, object], ...] = ()
) -> Iterator[tuple[dict, tuple[dict, ...]]]:
    yield node, above
    for part in node.get("Plans", []):  # type: ignore[attr-defined]  # JSON
        yield from nodes(part, (*above, node))


def is_limited(above: tuple[dict, ...]) -> bool:
    """Whether it is read only until there are enough rows."""
    types = [one["Node Type"] for one in above]
    return "Limit" in types and not LIMITED.intersection(types[len(types) - types[::-1].index("Limit") :])


def faults_of(plan: dict) -> set[str]:
    """What it reads the whole of, by an index or without one."""
    found = set()
    for node, above in nodes(plan):
        if node["Node Type"] == "Seq Scan":
            found.add(f"all of {node['Relation Name']}")
        elif node["Node Type"] in SCANS and "Index Cond" not in node and not is_limited(above):
            found.add(f"all of index {node['Index Name']}")
    return found


def fitting(kind: str, value: object) -> object:
    """A value of this type: the given one, if it is."""
    some: object = {"int8": 7, "text": "x", "bytea": b"k"}.get(kind)
    return some if some is not None and not isinstance(value, type(some)) else value


async def plan_of(connection: asyncpg.Connection[asyncpg.Record], name: str, given: frozenset[str]) -> dict:
    """As the server would run it: with the values of a request, or for whatever values come."""
    text, names = statement_with(name, given)
    how = "FORMAT JSON" if names else "GENERIC_PLAN, FORMAT JSON"
    prepared = await connection.prepare(f"EXPLAIN ({how}) {text}")
    kinds = [parameter.name for parameter in prepared.get_parameters()]
    values = (
        [fitting(kind, GIVEN.get(one)) for kind, one in zip(kinds, names, strict=True)]
        if names
        else [None] * len(kinds)
    )
    row = await prepared.fetchrow(*values)
    return json.loads(row[0])[0]["Plan"]


def chosen_of(name: str) -> list[frozenset[str]]:
    if name == "deliveries":
        return [frozenset(words) | shape for words in LISTS for shape in (frozenset(), frozenset({"numbers", "bare"}))]
    words = words_of(name)
    return [frozenset(some) for some in [(), *((one,) for one in words), *itertools.combinations(words, 2)]]


async def test_no_statement_reads_the_whole_of_a_table(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    found: dict[str, dict[str, str]] = {}
    for name in SQL:
        if name.startswith(NO_PLANS):
            continue
        for given in chosen_of(name):
            for fault in faults_of(await plan_of(connection, name, given)):
                found.setdefault(name, {}).setdefault(fault, " ".join(sorted(given)))
    assert {name: faults for name, faults in found.items() if name not in WHOLE} == {}
    assert set(WHOLE) - set(found) == set(), "listed, and needs not be"
