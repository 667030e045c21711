"""A browser and a world for all tests of a session, and people who visit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from tests.kit.browser import Visitor, chromium, visiting
from tests.kit.server import Server
from tests.kit.ui_world import World


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser; each visitor has a context of its own. Tests that use it run in the loop of the session:
    `pytestmark = pytest.mark.asyncio(loop_scope="session")`."""
    async with chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Browser) -> Callable[..., AbstractAsyncContextManager[Visitor]]:
    """`async with visit(server, color_scheme="dark") as visitor:`"""

    def start(server: Server, **options: object) -> AbstractAsyncContextManager[Visitor]:
        return visiting(browser, server, **options)

    return start


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server with something of everything in it. Tests only look at it."""
    with World(tmp_path_factory.mktemp("world")) as made:
        yield made
