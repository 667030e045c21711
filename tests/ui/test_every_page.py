"""Every page of the table, over a world full of harmful text: nothing runs, axe finds nothing serious, it fits, it is light."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from axe_playwright_python.async_playwright import Axe
from tests.kit.browser import Visitor
from tests.kit.pages import Pages
from tests.kit.ui_world import HARM, TENANT, World

from tocsin.api.app import API_ROUTES
from tocsin.cli.main import make_app
from tocsin.ui.assets import assets, stylesheet
from tocsin.ui.routes import ROUTES

Visit = Callable[..., AbstractAsyncContextManager[Visitor]]
PAGES = [route.path for route in ROUTES if route.method == "GET" and route.is_whole]
CALLS = {(route.method, route.path) for route in API_ROUTES}
MAX_ASSETS = 50 * 1024
in_browser = pytest.mark.asyncio(loop_scope="session")


async def assert_nothing_serious(visitor: Visitor, *, where: str, rules: list[str] | None = None) -> None:
    """By axe: all of its rules, or some; what is minor or moderate is told of in its report only."""
    only = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    results = await Axe().run(visitor.page, options={"resultTypes": ["violations"]} | only)
    serious = [
        (where, found["id"], [node["html"][:200] for node in found["nodes"]][:3])
        for found in results.response["violations"]
        if found["impact"] in {"serious", "critical"}
    ]
    assert serious == []


@in_browser
@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_whole(world: World, visit: Visit, path: str) -> None:
    address = world.path(path)
    async with visit(world.server, color_scheme="light", viewport={"width": 1280, "height": 800}) as visitor:
        await visitor.enter()
        asked: set[str] = set()
        visitor.page.on("request", lambda request: asked.add(request.url))
        response = await visitor.page.goto(world.server.url + address)
        assert response is not None
        assert response.status == 200, await response.text()
        await visitor.page.wait_for_load_state()
        assert await visitor.page.evaluate("window.hurt") is None
        assert await visitor.page.evaluate("document.querySelectorAll('img[src=x]').length") == 0
        await assert_nothing_serious(visitor, where=f"{address} light")
        await visitor.page.emulate_media(color_scheme="dark")
        await assert_nothing_serious(visitor, where=f"{address} dark", rules=["color-contrast"])
        await visitor.page.set_viewport_size({"width": 400, "height": 800})
        wide = await visitor.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 400, f"{address} is {wide} px wide on a screen of 400"
        sizes = {
            name: len(asset.body)
            for name, asset in assets().by_name.items()
            if f"{world.server.url}{assets().url(name)}" in asked
        }
        assert {"app.js", "times.js"} <= set(sizes)
        assert sum(sizes.values()) <= MAX_ASSETS, sizes


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_its_answers_in_the_html(world: World, path: str) -> None:
    """No script that data could end is in it, and no style; and it can be asked for without the shell."""
    somebody = Pages(world.server)
    whole = somebody.get(world.path(path))
    assert whole.status == 200, whole
    assert HARM not in whole.text
    assert " style=" not in whole.text
    assert "<script>" not in whole.text
    assert "onclick" not in whole.text.lower()
    assert "default-src 'none'" in whole.headers["content-security-policy"]
    assert whole.headers["cache-control"] == "no-store"
    piece = somebody.get(world.path(path), headers={"X-Fragment": "1"})
    assert piece.status == 200
    assert "<html" not in piece.text


@pytest.mark.parametrize("role", ["admin", "producer", "viewer"])
def test_pages_of_a_role_show_or_refuse(world: World, role: str) -> None:
    """A page is there for a role, or the API's refusal is: never a fault. Who may not change anything gets no form that does."""
    somebody = Pages(world.server, world.keys[role])
    for path in PAGES:
        answer = somebody.get(world.path(path))
        assert answer.status in {200, 403, 404}, (path, answer)
        if role != "admin":
            actions = set(re.findall(r'<form method="post" action="([^"]+)"', answer.text))
            assert actions <= {"/ui/sign-out", "/ui/theme"}, path


def test_the_stylesheet_is_small() -> None:
    assert len(stylesheet()) <= 20 * 1024


@pytest.mark.parametrize("path", PAGES)
def test_the_footer_gives_calls_and_commands_that_work(world: World, path: str) -> None:
    """The API call answers what the page shows, or is there for what its form sends; the command line is one that there is."""
    somebody = Pages(world.server)
    page = somebody.get(f"{world.path(path)}{'&' if '?' in world.path(path) else '?'}tenant={TENANT}")
    footer = page.text.partition("<footer>")[2]
    given = [html.unescape(text) for text in re.findall(r'<code data-copy="([^"]+)"', footer)]
    assert given
    for text in given:
        method, _, rest = text.partition(" ")
        if method == "GET":
            # What has no end is asked for its head.
            asked = "HEAD" if rest.startswith("/v1/tail") else "GET"
            assert world.server.call(asked, rest).status in {200, 404}, text
        elif method in {"POST", "PATCH"}:
            path = rest.partition("?")[0].replace(world.ids["endpoint_id"], "{endpoint_id}")
            assert (method, path) in CALLS, text
        else:
            command, bound, _ = make_app(is_whole=True).parse_args(shlex.split(text)[1:], exit_on_error=False)
            assert command.__module__.startswith("tocsin.cli"), text
            assert bound is not None
