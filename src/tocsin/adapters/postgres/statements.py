"""SQL from files: one statement each, found by name, the same names as on the embedded store.

A statement for many rows takes one array for each column (`unnest`). Arrays of numbers and texts go as text (`$1::text::bigint[]`):
to write them so costs a fifth of what the driver needs for its own. Names (`:name`) become numbers when a text is first used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final, Protocol, cast

import msgspec

from tocsin.adapters.storing.optional_lines import with_lines
from tocsin.adapters.storing.values import Row, SqlValue

_NAME: Final = re.compile(r"(?<!:):([a-z_]+)")
_AS_TEXT: Final = re.compile(r"\$(\d+)::text::\w+\[\]")


class Connection(Protocol):
    """What we use of asyncpg's, which has no types of its own."""

    async def execute(self, query: str, *args: object) -> str: ...

    async def fetch(self, query: str, *args: object) -> list[Iterable[SqlValue]]: ...

    async def fetchrow(self, query: str, *args: object) -> Iterable[SqlValue] | None: ...

    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[Sequence[object]], columns: Sequence[str]
    ) -> str: ...

    async def close(self) -> None: ...

    def terminate(self) -> None: ...

    def is_closed(self) -> bool: ...

    def get_server_pid(self) -> int: ...

    async def add_listener(self, channel: str, callback: Callable[[Connection, int, str, object], None]) -> None: ...

    def add_termination_listener(self, callback: Callable[[Connection], None]) -> None: ...


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return files("tocsin.adapters.postgres").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8").strip()


@cache
def statement_with(name: str, given: frozenset[str]) -> tuple[str, tuple[str, ...]]:
    """The statement without its optional lines that are not asked for, and the names of its parameters in their order."""
    text = with_lines(statement(name), given)
    names = tuple(dict.fromkeys(_NAME.findall(text)))
    return _NAME.sub(lambda found: f"${names.index(found[1]) + 1}", text), names


@cache
def as_text(name: str) -> tuple[int, ...]:
    """The places of the arrays that the statement takes as text."""
    return tuple(sorted({int(number) - 1 for number in _AS_TEXT.findall(statement(name))}))


def array_text(values: Iterable[object]) -> str:
    """As PostgreSQL writes an array: numbers, texts and nulls as in JSON, which escapes control characters in another way."""
    written = msgspec.json.encode(values if isinstance(values, (list, tuple)) else list(values)).decode()
    if "\\" in written:
        written = f"[{','.join(map(_quoted, values))}]"
    return f"{{{written[1:-1]}}}"


def _quoted(value: object) -> str:
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def bound(name: str, values: Sequence[object]) -> Sequence[object]:
    """The values as they are given to the statement."""
    places = as_text(name)
    if not places:
        return values
    changed = list(values)
    for place in places:
        changed[place] = array_text(cast("Sequence[object]", changed[place]))
    return changed


async def write_rows(connection: Connection, name: str, rows: Sequence[Row]) -> int:
    """Execute a statement for many rows; gives the number of rows it changed."""
    if not rows:
        return 0
    return _changed(await connection.execute(statement(name), *bound(name, list(map(list, zip(*rows, strict=True))))))


async def write(connection: Connection, name: str, values: Sequence[object] = ()) -> int:
    """Execute a statement once; gives the number of rows it changed."""
    return _changed(await connection.execute(statement(name), *bound(name, values)))


async def read(connection: Connection, name: str, values: Sequence[object] = ()) -> list[Row]:
    """All rows of a query, or of a statement that gives what it changed."""
    return list(map(tuple, await connection.fetch(statement(name), *bound(name, values))))


async def read_one(connection: Connection, name: str, values: Sequence[object] = ()) -> Row | None:
    """The first row of a query."""
    row = await connection.fetchrow(statement(name), *bound(name, values))
    return None if row is None else tuple(row)


async def read_among(
    connection: Connection, name: str, before: Row, among: Iterable[str] | Iterable[bytes] | Iterable[int]
) -> list[Row]:
    """All rows of a query whose last parameter is a list. Nothing is asked for an empty list."""
    values = list(among)
    return await read(connection, name, (*before, values)) if values else []


async def write_among(
    connection: Connection, name: str, before: Row, among: Iterable[str] | Iterable[bytes] | Iterable[int]
) -> int:
    """The same for a statement that changes rows; gives how many."""
    values = list(among)
    return await write(connection, name, (*before, values)) if values else 0


async def read_page(connection: Connection, name: str, values: Mapping[str, object], *words: str) -> list[Row]:
    """All rows of a query with optional lines; a value that is None leaves the lines of its name out."""
    given = frozenset(name for name, value in values.items() if value is not None).union(words)
    text, names = statement_with(name, given)
    return list(map(tuple, await connection.fetch(text, *(values[name] for name in names))))


def _changed(status: str) -> int:
    return int(status.rpartition(" ")[2])
