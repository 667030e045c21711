"""Fixtures for tests over several nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import MASTER_KEY
from tests.kit.pair import Pair
from tests.kit.postgres import PostgresServer

from tocsin.adapters.postgres.database import prepare_database


@pytest.fixture(scope="module")
def pair(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two nodes for the tests of a module, which keep apart by tenant."""
    made = Pair(
        postgres_server.fresh("store", prepare_database), tmp_path_factory.mktemp("pair"), TOCSIN_MASTER_KEY=MASTER_KEY
    )
    yield made
    made.close()
