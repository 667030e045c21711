"""A browser for all tests of a session, and people who visit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from tests.kit.browser import Visitor, chromium, visiting
from tests.kit.server import Server


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
