"""The benchmark of pages runs: over little, and every page of the table is in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.pages import NAMES, fill, measure, table_of

from tocsin.ui.routes import ROUTES


def test_it_measures_every_page(tmp_path: Path) -> None:
    file = tmp_path / "pages.db"
    asyncio.run(fill(file, 100 * len(NAMES), minutes=20))
    measured = asyncio.run(measure(file, 1, []))
    assert {one.page for one in measured} >= {
        route.path for route in ROUTES if route.method == "GET" and route.is_whole
    }
    assert all(one.size > 1000 for one in measured)
    assert len(table_of(measured).splitlines()) == len(measured) + 1
