"""The contract of the store ports, held against every real store. Each is a parameter of `places`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import pytest
from tests.contracts.given import Clock
from tests.kit.postgres import PostgresServer
from tests.kit.stores import Place, PostgresPlace, SqlitePlace, Store, close

from tocsin.adapters.postgres.database import prepare_database
from tocsin.model.ids import IdMint

FEWER = {
    "test_no_batch_ever_overtakes": 12,
    "test_exactly_what_is_old_and_not_needed_goes": 3,
    "test_tallies_agree_with_the_rows_in_every_history": 3,
}
"""Seeds that the shared store is tried with: there a random history takes seconds."""

OTHERWISE = {"test_space_is_given_back": "by eras: tests/adapters/postgres/test_eras.py"}
"""What the shared store does in another way, which has tests of its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if not _is_one_too_many(item)]


def _is_one_too_many(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or item.originalname not in {*FEWER, *OTHERWISE}:
        return False
    chosen = item.callspec.params
    if item.originalname in OTHERWISE:
        return chosen["places"] == "postgres"
    return chosen["places"] == "postgres" and int(chosen["seed"]) >= FEWER[item.originalname]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mint(clock: Clock) -> IdMint:
    return IdMint(clock, os.urandom)


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    """Gives places for stores, each an empty one."""
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return lambda: PostgresPlace(server.fresh("store", prepare_database))
    numbers = count()
    return lambda: SqlitePlace(tmp_path / f"store{next(numbers)}.db")


@pytest.fixture
def place(places: Callable[[], Place]) -> Place:
    return places()


@pytest.fixture
async def store(place: Place, clock: Clock) -> AsyncIterator[Store]:
    opened = await place.open(clock)
    yield opened
    await close(opened)
