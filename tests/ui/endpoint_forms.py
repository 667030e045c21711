"""Filling in the form of an endpoint in a browser, and waiting for what arrives."""

from __future__ import annotations

from playwright.async_api import Page
from tests.kit.browser import Visitor
from tests.kit.pages import Pages
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, WebServer

Fields = dict[str, str]


async def enter(visitor: Visitor) -> None:
    """Signed in already: the form for that has tests of its own."""
    cookies = Pages(visitor.server).cookies
    await visitor.context.add_cookies(
        [{"name": name, "value": value, "url": visitor.server.url} for name, value in cookies.items()]
    )


def field(name: str) -> str:
    return f'[name="{name}"]'


async def fill(page: Page, fields: Fields) -> None:
    """Choices first: they show the parts that the rest is in."""
    names = list(fields)
    tags = await page.evaluate("names => names.map((n) => document.querySelector(`[name='${n}']`).tagName)", names)
    for name, tag in sorted(zip(names, tags, strict=True), key=lambda one: one[1] != "SELECT"):
        if tag == "SELECT":
            await page.select_option(field(name), fields[name])
        else:
            await page.fill(field(name), fields[name])


def given_job(server: Server, tenant: str, state: str = "failed") -> None:
    report = {"job_id": f"job-{state}", "job_type": "load", "state": state, "tenant": tenant}
    assert server.post("/v1/jobs/reports", report).status == 202


async def arrived(web: WebServer, count: int = 1) -> list[Asked]:
    await until(lambda: len(web.asked) >= count)
    return web.asked
