"""Every test of the sender runs on the plain event loop and on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop
from tests.adapters.http.sending import Sending


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def sending() -> AsyncIterator[Callable[..., Sending]]:
    """Makes senders, and closes them at the end; then none may have a connection left."""
    made: list[Sending] = []

    def make(**settings: object) -> Sending:
        made.append(Sending(**settings))
        return made[-1]

    yield make
    for one in made:
        await one.sender.close()
        assert one.sender.connection_counts == (0, 0)
