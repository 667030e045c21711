"""Arrays that go as text come to the server as they were; and what writes finds its rows by their keys, however old its plans are."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kit.postgres import PostgresServer

from tocsin.adapters.postgres.database import connect, prepare_database
from tocsin.adapters.postgres.statements import Connection, array_text, statement

ODD = [
    "",
    "NULL",
    "null",
    "a,b",
    "{a}",
    '"',
    "\\",
    '\\"',
    "\n\t\r\b\f\x01\x7f",
    "\u2028 \U0001f600 ä",
    " a ",
    "'",
    None,
]
BY_NUMBER = (
    "settle",
    "claims_by_number",
    "claims_of_followers",
    "cancel",
    "give_up",
    "free_members",
    "attempts_made",
    "add_events",
)


@pytest.fixture
async def connection(postgres_server: PostgresServer) -> AsyncIterator[Connection]:
    made = await connect(postgres_server.fresh("store", prepare_database), seconds=30, is_keyed=True)
    yield made
    await made.close()


async def test_texts_come_as_they_are(connection: Connection) -> None:
    for texts in (ODD, [text for text in ODD if text is None or "\\" not in text], [], [None]):
        row = await connection.fetchrow("SELECT $1::text::text[]", array_text(texts))
        assert row is not None
        assert next(iter(row)) == texts


async def test_numbers_come_as_they_are(connection: Connection) -> None:
    numbers = [0, -1, (1 << 63) - 1, -(1 << 63), None]
    row = await connection.fetchrow("SELECT $1::text::bigint[]", array_text(numbers))
    assert row is not None
    assert next(iter(row)) == numbers


@given(st.lists(st.none() | st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)))))
def test_any_text_reads_back(texts: list[str | None]) -> None:
    """By the rules of the server's manual: quoted elements, a backslash takes the next character as it is."""
    assert read_back(array_text(texts)) == texts


def read_back(written: str) -> list[str | None]:
    found: list[str | None] = []
    at = 1
    while written[at] != "}":
        if written[at] == '"':
            at, text = at + 1, ""
            while written[at] != '"':
                at += written[at] == "\\"
                text, at = text + written[at], at + 1
            found.append(text)
            at += 1
        else:
            assert written[at : at + 4] == "null"
            found.append(None)
            at += 4
        at += written[at] == ","
    return found


@pytest.mark.parametrize("name", BY_NUMBER)
async def test_plans_made_for_empty_tables_go_by_keys(connection: Connection, name: str) -> None:
    """Neither a table nor the index of what is pending is read as a whole."""
    text = statement(name)
    parameters = ", ".join("NULL" for _ in range(max(map(int, re.findall(r"\$(\d+)", text)))))
    await connection.execute(f"PREPARE one AS {text}")
    rows = await connection.fetch(f"EXPLAIN EXECUTE one ({parameters})")
    plan = "\n".join(str(next(iter(row))) for row in rows)
    assert "Scan" in plan or "Subplans Removed" in plan
    assert "Seq Scan" not in plan
    assert "endpoint_lane_blocked_due_at" not in plan, "an era's index of what is pending"
