"""Chromium for tests of the web interface: the system's, else the one that playwright installed. Without one, tests fail."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dev import BROWSERS
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright
from tests.kit.pages import Pages
from tests.kit.server import OPERATOR_KEY, Server

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


def system_browser() -> str | None:
    """The browser of this machine: `TOCSIN_TEST_BROWSER`, or by one of its usual names. None: playwright's own."""
    named = os.environ.get("TOCSIN_TEST_BROWSER")
    return named or next((found for name in BROWSERS if (found := shutil.which(name))), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser. Fails when there is none: `python3 dev.py test` gets one."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=system_browser(), args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


class Visitor:
    """Somebody at a browser: a context of its own (cookies, theme, size), one page, and what went wrong in it."""

    def __init__(self, server: Server, context: BrowserContext, page: Page) -> None:
        self.server = server
        self.context = context
        self.page = page
        self.faults: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "status of 4" not in message.text:
            self.faults.append(message.text)

    async def go(self, path: str) -> int:
        """Open a page of the server; gives the status."""
        response = await self.page.goto(self.server.url + path)
        assert response is not None
        return response.status

    async def sign_in(self, key: str = OPERATOR_KEY) -> None:
        """By the form, as people do."""
        await self.go("/ui/sign-in")
        await self.page.fill("input[name=key]", key)
        await self.page.click("button:has-text('Sign in')")
        await self.page.wait_for_selector("nav.sections")
        await self.page.wait_for_load_state()

    async def enter(self, key: str = OPERATOR_KEY) -> None:
        """Signed in without the form, by the cookie: for tests that are about something else."""
        somebody = await asyncio.to_thread(Pages, self.server, key)
        cookies = [{"name": name, "value": value, "url": self.server.url} for name, value in somebody.cookies.items()]
        await self.context.add_cookies(cookies)

    async def picture(self, path: Path | str) -> None:
        """The whole page as PNG."""
        await self.page.screenshot(path=path, full_page=True)


@asynccontextmanager
async def visiting(browser: Browser, server: Server, **options: Any) -> AsyncIterator[Visitor]:
    """A visitor who is not signed in. `options` are those of a browser context: `color_scheme`, `viewport`,
    `java_script_enabled`, ... At the end nothing may have gone wrong in the page (scripts, policy)."""
    context = await browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
    context.set_default_timeout(30_000)
    visitor = Visitor(server, context, await context.new_page())
    try:
        yield visitor
        assert visitor.faults == []
    finally:
        await context.close()
