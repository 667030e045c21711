"""SQL from files: one statement each, found by name.

A statement for many rows marks its row group: `VALUES /*row*/ (?, ?) /*row*/` is repeated for as many rows as are given.
Each step gives up the interpreter lock, which costs 250-fold row by row beside a busy loop (measured): so a group is
one statement, up to a number of rows for which the statement cache holds every text.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain

import apsw

from tocsin.adapters.storing.optional_lines import with_lines
from tocsin.adapters.storing.values import Row, SqlValue, Values

_MARK = "/*row*/"
_CHUNK = 64


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return files("tocsin.adapters.sqlite").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8").strip()


@cache
def statement_for(name: str, rows: int) -> str:
    """The statement with its row group repeated."""
    before, group, after = statement(name).split(_MARK)
    return f"{before}{','.join([group.strip().replace(', ', ',')] * rows)}{after}"


@cache
def statement_with(name: str, given: frozenset[str]) -> str:
    """The statement without its optional lines that are not asked for. Such a line ends in `--? word`, where the word must
    be given; `!word` after it must not be."""
    return with_lines(statement(name), given)


def write_rows(connection: apsw.Connection, name: str, rows: Sequence[Row]) -> int:
    """Execute a statement for many rows; gives the number of rows it changed."""
    changed = 0
    for at in range(0, len(rows), _CHUNK):
        chunk = rows[at : at + _CHUNK]
        connection.execute(statement_for(name, len(chunk)), tuple(chain.from_iterable(chunk)))
        changed += connection.changes()
    return changed


def write(connection: apsw.Connection, name: str, values: Row = ()) -> int:
    """Execute a statement once; gives the number of rows it changed."""
    connection.execute(statement(name), values)
    return connection.changes()


def read(connection: apsw.Connection, name: str, values: Row = ()) -> list[Row]:
    """All rows of a query."""
    return connection.execute(statement(name), values).fetchall()


def read_one(connection: apsw.Connection, name: str, values: Row = ()) -> Row | None:
    """The first row of a query."""
    return connection.execute(statement(name), values).fetchone()


def listed(values: Iterable[int]) -> apsw.CArrayBinding:
    """Whole numbers as one parameter: `IN (SELECT value FROM carray(?))`. None at all: an empty array may lie where SQLite refuses
    it, so it is a number that nothing has."""
    return apsw.carray(array("q", values) or array("q", (-1,)))


def read_among(
    connection: apsw.Connection, name: str, before: Row, among: Iterable[str] | Iterable[bytes] | Iterable[int]
) -> list[Row]:
    """All rows of a query whose last parameter is a list: `... IN (SELECT value FROM carray(?))`."""
    values = list(among)
    if not values:
        return []
    texts = [value for value in values if isinstance(value, str | bytes)]
    parameter = apsw.carray(tuple(texts)) if texts else listed(value for value in values if isinstance(value, int))
    return connection.execute(statement(name), (*before, parameter)).fetchall()


def write_among(
    connection: apsw.Connection, name: str, before: Row, among: Iterable[str] | Iterable[bytes] | Iterable[int]
) -> int:
    """The same for a statement that changes rows; gives how many. Nothing is done for an empty list."""
    earlier = connection.total_changes()
    read_among(connection, name, before, among)
    return connection.total_changes() - earlier


def read_page(
    connection: apsw.Connection, name: str, values: Values, *words: str, among: Iterable[int] | None = None
) -> list[Row]:
    """All rows of a query with optional lines; a value that is None leaves the lines of its name out. `among` is a list, as one
    parameter of that name."""
    bindings: dict[str, SqlValue | apsw.CArrayBinding] = {
        name: value for name, value in values.items() if value is not None
    }
    if among is not None:
        bindings["among"] = listed(among)
    given = frozenset(bindings).union(words)
    return connection.execute(statement_with(name, given), bindings).fetchall()
