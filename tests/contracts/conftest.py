"""The contract of the store ports, held against every real store. A second store adds a parameter here, nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.model.ids import IdMint


class Clock:
    """A wall clock that tests set, in milliseconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


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
