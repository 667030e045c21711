"""Which store there is."""

from __future__ import annotations

import sys

import pytest

from tocsin.config import load_settings
from tocsin.errors import Misconfigured
from tocsin.wiring.stores import migrate_store, open_store

SHARED = load_settings({"database": "postgresql://127.0.0.1:1/tocsin"}, {})


async def test_without_its_part_postgresql_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("store", "database"):
        monkeypatch.setitem(sys.modules, f"tocsin.adapters.postgres.{name}", None)
    with pytest.raises(Misconfigured, match=r"tocsin\[postgres\]"):
        async with open_store(SHARED, lambda: 1):
            pass
    with pytest.raises(Misconfigured, match=r"tocsin\[postgres\]"):
        migrate_store(SHARED)


async def test_a_database_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(Misconfigured, match="cannot be reached"):
        async with open_store(SHARED, lambda: 1):
            pass
