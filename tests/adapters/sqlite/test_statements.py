"""The statements: repeated row groups, optional lines, and the tenant in every statement that serves a request."""

from __future__ import annotations

from importlib.resources import files

import apsw
import apsw.ext
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.tenantless import WITHOUT_TENANT

from tocsin.adapters.sqlite.statements import read_among, statement, statement_for, statement_with, write_rows

SQL = sorted(
    item.name.removesuffix(".sql")
    for item in files("tocsin.adapters.sqlite").joinpath("sql").iterdir()
    if item.name.endswith(".sql")
)


def empty_database() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    for item in sorted(files("tocsin.adapters.sqlite").joinpath("migrations").iterdir(), key=lambda i: i.name):
        if item.name.endswith(".sql"):
            connection.execute(item.read_text(encoding="utf-8"))
    return connection


def is_bound(name: str) -> bool:
    """Whether the statement compares or writes the tenant."""
    text = statement(name).lower()
    inserts = text.startswith("insert") and "tenant" in text.partition("values")[0]
    return inserts or "tenant = ?" in text or "tenant = :tenant" in text


@pytest.mark.parametrize("name", SQL)
def test_every_statement_binds_the_tenant_or_is_listed_with_its_reason(name: str) -> None:
    assert is_bound(name) or name in WITHOUT_TENANT


def test_the_list_of_exemptions_has_nothing_that_needs_none() -> None:
    assert [name for name in WITHOUT_TENANT if name in SQL and is_bound(name)] == []


@pytest.mark.parametrize("name", SQL)
def test_every_statement_is_one_that_sqlite_takes(name: str) -> None:
    connection = empty_database()
    text = statement(name)
    words = frozenset(word.lstrip("!") for line in text.splitlines() for word in line.partition("--?")[2].split())
    forms = (
        [statement_for(name, 3)]
        if "/*row*/" in text
        else [statement_with(name, words), statement_with(name, frozenset())]
    )
    for form in forms:
        assert len(list(_statements(connection, form))) == 1


def _statements(connection: apsw.Connection, text: str) -> list[str]:
    found: list[str] = []
    rest = text
    while rest.strip():
        info = apsw.ext.query_info(connection, rest)
        found.append(info.first_query)
        rest = info.query_remaining or ""
    return found


def test_optional_lines_are_left_out_unless_their_words_are_given() -> None:
    assert ":tenant" not in statement_with("endpoints", frozenset())
    assert "tenant = :tenant" in statement_with("endpoints", frozenset({"tenant"}))
    by_tenant = statement_with("deliveries", frozenset({"tenant"}))
    assert "d.tenant = :tenant" in by_tenant.replace("+d.tenant", "")
    narrowed = statement_with("deliveries", frozenset({"tenant", "event", "by_position"}))
    assert "+d.tenant = :tenant" in narrowed
    assert "d.tenant = :tenant" not in narrowed.replace("+d.tenant = :tenant", "")


@given(st.integers(0, 700))
def test_any_number_of_rows_is_written(count: int) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE seen (tenant, hash, event_id, at)")
    write_rows(connection, "add_seen", [("t", b"%d" % n, "e", n) for n in range(count)])
    assert connection.execute("SELECT count(*), count(DISTINCT at) FROM seen").fetchall() == [(count, count)]


@pytest.mark.parametrize("among", [["a", "b"], []])
def test_a_list_is_one_parameter(among: list[str]) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE job (tenant, id, snapshot)")
    connection.execute("INSERT INTO job VALUES ('t', 'a', x'01'), ('t', 'c', x'02'), ('u', 'b', x'03')")
    assert read_among(connection, "jobs_by_id", ("t",), among) == ([("a", b"\x01")] if among else [])


def test_what_moved_among_many_endpoints_is_found_by_an_index() -> None:
    plan = empty_database().execute(f"EXPLAIN QUERY PLAN {statement('endpoints_since')}", (7, 7)).fetchall()
    assert "USING INDEX endpoint_by_move" in str(plan[0])
