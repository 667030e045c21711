"""The statements: PostgreSQL takes them, they are those of the embedded store, and bind the tenant where they serve a request."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from importlib.resources import files

import asyncpg
import pytest
from tests.adapters.tenantless import WITHOUT_TENANT
from tests.kit.postgres import PostgresServer

from tocsin.adapters.postgres.database import prepare_database
from tocsin.adapters.postgres.statements import statement, statement_with


def names_of(package: str) -> list[str]:
    folder = files(package).joinpath("sql")
    return sorted(item.name.removesuffix(".sql") for item in folder.iterdir() if item.name.endswith(".sql"))


SQL = names_of("tocsin.adapters.postgres")
WITH_AN_INTAKE = "the embedded store has no replicated intake before it"
ONE_BY_ONE = {
    "add_receipts": WITH_AN_INTAKE,
    "adopt_intake": WITH_AN_INTAKE,
    "erase_receipts": WITH_AN_INTAKE,
    "intake_cursors": WITH_AN_INTAKE,
    "move_intake": WITH_AN_INTAKE,
    "receipt": WITH_AN_INTAKE,
    "remove_receipts": WITH_AN_INTAKE,
    "renew_intake": WITH_AN_INTAKE,
    "add_ordered_deliveries": "their numbers are drawn before, while their lines are locked",
    "add_events": "positions are given where the head of the log is locked",
    "answers_among": "the embedded store asks one by one",
    "behind_in_lines": "the embedded store asks line by line",
    "draw_delivery_numbers": "a sequence gives them, for all nodes",
    "endpoints_in_lines": "their slots are locked first",
    **{name: "the embedded store has no eras" for name in SQL if name.startswith("era_")},
    "last_bodies": "the embedded store asks one by one",
    "leave_lines": "the embedded store goes line by line",
    "leave_key": "nobody else has the embedded store open",
    "take_key": "likewise",
    "lock_database": "the embedded store has a lock file",
    "lock_slots": "the embedded store has one writer",
    "occupied_lines": "the embedded store asks line by line",
    "oldest_migration": "the embedded store asks when it opens its file",
    "shared_facts": "a file tells its facts otherwise",
    "oldest_blocks": "the embedded store asks one by one",
    "fold_pending_blocks": "the embedded store has no shards",
    "remove_tally": "likewise",
    "remove_tally_history": "likewise",
    "tallies_in_shards": "likewise",
    "tally_history_of": "likewise",
    "take_shard": "the embedded store has one writer",
    "tallies_of_shard": "the embedded store asks one by one",
    "store_facts": "a file tells its facts otherwise",
    "number_commit": "the embedded store numbers its commit groups",
    "commit_number": "likewise",
    "forget_commits": "likewise",
    "transfer_analyze": "the planner of the embedded store needs no numbers",
    "transfer_set_log_head": "the embedded store finds the head in the log",
    "beat": "nobody else uses the embedded store",
    "ended_endpoints": "the embedded store asks about all of them, when it is opened",
    "free_partitions": "nobody else uses the embedded store",
    "give_back": "likewise",
    "give_back_all": "likewise",
    "leave": "likewise",
    "mark_all_lines": "the embedded store looks through all lines, when it is opened",
    "mark_lines": "likewise",
    "move_revision": "nobody else has to notice a change",
    "notify": "nobody is told",
    "remove_node": "nobody else uses the embedded store",
    "share_database": "the embedded store has a lock file",
    "stretch": "the embedded store has one partition",
    "take": "likewise",
    "add_wish": "nobody else uses the embedded store",
    "lock_data_keys": "the embedded store has one writer",
    "remove_wishes": "nobody else uses the embedded store",
    "remove_wishes_of_endpoint": "likewise",
    "standings_revision": "likewise",
    "standings_since": "likewise",
    "watched_attempts": "likewise",
    "watched_batch_attempts": "likewise",
    "watched_members": "likewise",
    "wishes": "likewise",
    "transfer_cursor": "the embedded store has one cursor",
    "transfer_set_cursors": "likewise",
    "subject_beyond": "the embedded store looks for a subject in blocks of the log",
}
"""What the embedded store has no statement of, or another one, and why."""


@pytest.fixture
async def connection(postgres_server: PostgresServer) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    made = await asyncpg.connect(postgres_server.fresh("store", prepare_database))
    yield made
    await made.close()


def words_of(name: str) -> list[str]:
    lines = [line.partition("--?")[2].split() for line in statement(name).splitlines()]
    return sorted({word.lstrip("!") for line in lines for word in line})


async def test_every_statement_is_one_that_postgresql_takes(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """With each pair of its optional lines, and with none and all."""
    for name in SQL:
        words = words_of(name)
        chosen = [*itertools.combinations(words, 2), (), tuple(words)]
        for given in chosen:
            await connection.prepare(statement_with(name, frozenset(given))[0])


def test_both_stores_have_the_same_statements() -> None:
    others = set(names_of("tocsin.adapters.sqlite"))
    assert set(SQL) - others == set(ONE_BY_ONE) - {"add_events"}


def is_bound(name: str) -> bool:
    """Whether the statement compares or writes the tenant."""
    text = statement(name).lower()
    writes = "insert into" in text and "tenant" in text.partition("insert into")[2].partition(")")[0]
    compared = (
        "tenant = $",
        "tenant = :tenant",
        "tenant = scope.tenant",
        "tenant = old.tenant",
        "tenant = any($",
        "tenant = asked.tenant",
        "tenant = over.tenant",
        "using (tenant, route, key)",
        "as scope (tenant, endpoint) using (tenant, endpoint)",
    )
    return writes or any(one in text for one in compared)


@pytest.mark.parametrize("name", SQL)
def test_every_statement_binds_the_tenant_or_is_listed_with_its_reason(name: str) -> None:
    assert is_bound(name) or name in WITHOUT_TENANT


def test_the_list_of_exemptions_has_nothing_that_needs_none() -> None:
    both = {*SQL, *names_of("tocsin.adapters.sqlite")}
    assert [name for name in WITHOUT_TENANT if name not in both or (name in SQL and is_bound(name))] == []
