"""The shell in a real browser."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from tests.kit.browser import Visitor
from tests.kit.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]


async def test_sign_in_shows_the_overview(shared_server: Server, visit: Visit) -> None:
    async with visit(shared_server) as visitor:
        await visitor.go("/")
        assert "/ui/sign-in" in visitor.page.url
        await visitor.sign_in()
        assert await visitor.page.inner_text("h1") == "Overview"
        if folder := os.environ.get("PICTURES"):
            await visitor.picture(f"{folder}/overview.png")
            await visitor.go("/ui/nothing")
            await visitor.picture(f"{folder}/nothing.png")


async def test_api_keys_in_pictures(shared_server: Server, visit: Visit) -> None:
    folder = os.environ.get("PICTURES")
    for scheme in ("light", "dark"):
        async with visit(shared_server, color_scheme=scheme) as visitor:
            await visitor.sign_in()
            assert await visitor.go("/ui/api-keys") == 200
            if folder:
                await visitor.picture(f"{folder}/keys-{scheme}.png")
            assert await visitor.go("/ui/search?q=abc") == 200
            await visitor.go("/ui/api-keys")
            await visitor.page.fill("#f-name", "x" * 300)
            await visitor.page.click("text=Make the key")
            if folder:
                await visitor.picture(f"{folder}/keys-problem-{scheme}.png")
            await visitor.page.fill("#f-name", "One")
            await visitor.page.click("text=Make the key")
            assert await visitor.page.inner_text("h1") == "API key made"
            await visitor.page.click("text=I have kept it")
            await visitor.page.click("tr:has-text('One') >> text=Revoke")
            if folder:
                await visitor.picture(f"{folder}/keys-confirm-{scheme}.png")
            await visitor.page.click("text=Revoke it")
            assert "is revoked" in await visitor.page.inner_text(".toast")
