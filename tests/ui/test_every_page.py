"""Every page of the table, over a world full of harmful text: nothing runs, axe finds nothing serious, it fits, it is light."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import quote

import pytest
from axe_playwright_python.async_playwright import Axe
from tests.kit.browser import Visitor
from tests.kit.harmless import WATCH, faults_of
from tests.kit.pages import Pages
from tests.kit.server import Server
from tests.kit.ui_world import HARM, TENANT, World, harm

from tocsin.api.app import API_ROUTES
from tocsin.cli.main import make_app
from tocsin.ui.assets import assets, stylesheet
from tocsin.ui.routes import ROUTES

Visit = Callable[..., AbstractAsyncContextManager[Visitor]]
PAGES = [route.path for route in ROUTES if route.method == "GET" and route.is_whole]
CALLS = {(route.method, route.path) for route in API_ROUTES}
MAX_ASSETS = 50 * 1024
in_browser = pytest.mark.asyncio(loop_scope="session")


async def assert_nothing_serious(visitor: Visitor, where: str) -> None:
    """By axe: all of its rules with light colours, then what colours decide with dark ones. What is minor or moderate is told of in
    its report only."""
    judged: tuple[tuple[Literal["dark", "light"], list[str]], ...] = (("dark", ["color-contrast"]), ("light", []))
    for scheme, rules in judged:
        await visitor.page.emulate_media(color_scheme=scheme)
        only = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
        results = await Axe().run(visitor.page, options={"resultTypes": ["violations"]} | only)
        serious = [
            (where, scheme, found["id"], [node["html"][:200] for node in found["nodes"]][:3])
            for found in results.response["violations"]
            if found["impact"] in {"serious", "critical"}
        ]
        assert serious == []


class Skeleton(HTMLParser):
    """The elements of a page with their attributes, without what data may change."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_ours = tag not in {"img", "iframe", "object", "embed", "base", "style"} and (
            tag != "script" or given.get("src")
        )
        addresses = [value or "" for name, value in attrs if name in {"href", "src", "action", "formaction"}]
        is_led = all(not value or value[0] in "/?#" for value in addresses)
        if not is_ours or not is_led or any(name.startswith("on") or name == "style" for name in given):
            self.faults.append(self.get_starttag_text() or tag)


@in_browser
@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_whole(world: World, visit: Visit, path: str) -> None:
    address = world.path(path)
    async with visit(world.server) as visitor:
        await visitor.enter()
        page = visitor.page
        await page.add_init_script(WATCH)
        asked: set[str] = set()
        page.on("request", lambda request: asked.add(request.url))
        page.on("dialog", lambda dialog: visitor.faults.append(dialog.message))
        response = await page.goto(world.server.url + address)
        assert response is not None
        assert response.status == 200, await response.text()
        await page.wait_for_load_state()
        assert await faults_of(page) == []
        await assert_nothing_serious(visitor, address)
        await page.evaluate("document.querySelectorAll('main details').forEach((one) => (one.open = true))")
        assert await faults_of(page) == []
        sizes = {
            name: len(asset.body)
            for name, asset in assets().by_name.items()
            if f"{world.server.url}{assets().url(name)}" in asked
        }
        assert {"app.js", "times.js"} <= set(sizes)
        assert sum(sizes.values()) <= MAX_ASSETS, sizes


@in_browser
async def test_what_opens_over_a_page_is_whole(world: World, visit: Visit) -> None:
    """The list of keys, the menus, and a delivery beside the list."""
    async with visit(world.server) as visitor:
        await visitor.enter()
        page = visitor.page
        await page.add_init_script(WATCH)
        await visitor.go(f"/ui/deliveries?open={world.ids['delivery_id']}")
        await page.wait_for_selector("#detail h2")
        assert await faults_of(page) == []
        await assert_nothing_serious(visitor, "a delivery beside the list")
        for menu in await page.locator("details[data-menu] > summary").all():
            await menu.click()
            assert await faults_of(page) == []
            await assert_nothing_serious(visitor, await menu.inner_text())
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        assert await page.is_visible("dialog#keys")
        assert await faults_of(page) == []
        await assert_nothing_serious(visitor, "the keys")


FORMS = {
    "/ui/api-keys": "", "/ui/endpoints/new": "", "/ui/replays/new": "", "/ui/erasures": "subject_type", f"/ui/retention?tenant={TENANT}": "",
}  # fmt: skip
"""Forms, and the field that is left empty where any text will do."""
FILL = """
([text, left]) => {
  const form = [...document.querySelectorAll("main form[method=post]")].at(-1);
  form.noValidate = true;
  for (const one of form.querySelectorAll("input:not([type=hidden]):not([type=checkbox]):not([type=radio]), textarea")) {
    one.removeAttribute("maxlength");
    one.value = one.name === left ? "" : text;
  }
  form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "confirmed", value: "yes" }));
  form.requestSubmit(form.querySelector("button[value=save], button:not([type=button])"));
}
"""


@in_browser
@pytest.mark.parametrize(("path", "left"), FORMS.items())
async def test_a_form_that_was_refused_is_whole(world: World, visit: Visit, path: str, left: str) -> None:
    """With harmful text in each of its fields, and what is wrong beside them."""
    text = harm("typed", 700)
    async with visit(world.server) as visitor:
        await visitor.enter()
        page = visitor.page
        await page.add_init_script(WATCH)
        await visitor.go(path)
        async with page.expect_navigation() as going:
            await page.evaluate(FILL, [text, left])
        answer = await going.value
        assert answer.status == 422, (answer.status, await page.inner_text("main"))
        assert await page.locator("[role=alert]").count() > 0
        values = await page.evaluate(
            "[...document.querySelectorAll('main input, main textarea')].map((one) => one.value)"
        )
        assert text in values
        assert await faults_of(page) == []
        await assert_nothing_serious(visitor, f"{path} refused")


@in_browser
async def test_pages_with_nothing_to_show_say_what_to_do(start_server: Callable[..., Server], visit: Visit) -> None:
    """Each page that needs nothing, of a server that nobody has used: axe finds nothing, and what is empty gives a command that there is."""
    server = start_server()
    async with visit(server) as visitor:
        await visitor.enter()
        page = visitor.page
        await page.add_init_script(WATCH)
        commands = set()
        for path in PAGES:
            if "{" in path:
                continue
            assert await visitor.go(path + ("?q=nothing" if path == "/ui/search" else "")) == 200
            assert await faults_of(page) == [], path
            await assert_nothing_serious(visitor, f"{path} empty")
            commands |= set(await page.locator(".empty .command code").all_inner_texts())
        assert len(commands) > 5
        for text in commands:
            _, bound, _ = make_app(is_whole=True).parse_args(shlex.split(text)[1:], exit_on_error=False)
            assert bound is not None, text


def test_every_harmful_field_is_shown_somewhere(world: World) -> None:
    """So that the pages above are really full of them."""
    somebody = Pages(world.server)
    addresses = [*map(world.path, PAGES), *world.others.values(), f"/ui/?tenant={TENANT}"]
    words = " ".join(html.unescape(somebody.get(address).text) for address in addresses)
    assert {mark for mark in world.marks if mark not in words} == set()


ASKED = re.compile(r'<(?:input|select)[^>]*? name="([a-z_]+)"|[?&](?:amp;)?([a-z_]+)=')


@pytest.mark.parametrize("path", PAGES)
def test_a_page_asked_with_harmful_words_is_what_it_was(world: World, path: str) -> None:
    """In each parameter that the page or its links name, one after the other; most are refused, and told back."""
    somebody = Pages(world.server)
    text = quote(harm("asked"), safe="")
    own = {name or other for name, other in ASKED.findall(somebody.get(world.path(path)).text.partition("<main")[2])}
    for name in sorted((own | {"q", "cursor", "open", "range", "tenant", "back", "next", "link"}) - {"csrf"}):
        answer = somebody.get(f"{world.path(path)}{'&' if '?' in world.path(path) else '?'}{name}={text}")
        assert answer.status in {200, 303, 400, 404, 422}, (name, answer)
        assert HARM not in answer.text, name
        assert Skeleton(answer.text).faults == [], name
        assert answer.headers.get("location", "/ui/").startswith("/ui/")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_its_answers_in_the_html(world: World, path: str) -> None:
    """No script that data could end is in it, and no style; and it can be asked for without the shell."""
    somebody = Pages(world.server)
    whole = somebody.get(world.path(path))
    assert whole.status == 200, whole
    assert HARM not in whole.text
    assert Skeleton(whole.text).faults == []
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
