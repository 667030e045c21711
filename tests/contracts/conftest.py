"""The contract of the store ports, held against every real store. A second store adds a parameter here, nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contracts.given import Clock

from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.model.ids import IdMint


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mint(clock: Clock) -> IdMint:
    return IdMint(clock, os.urandom)


@pytest.fixture(params=["sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.db", clock, time.monotonic)
    yield opened
    opened.close()
