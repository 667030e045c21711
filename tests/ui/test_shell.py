"""The shell in a real browser: sign-in, keys, themes, copying, the search box; and without scripts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

import pytest
from tests.kit.browser import Visitor
from tests.kit.pages import Pages
from tests.kit.ui_world import TENANT, World

pytestmark = pytest.mark.asyncio(loop_scope="session")
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]


async def path_of(visitor: Visitor) -> str:
    return visitor.page.url.removeprefix(visitor.server.url)


async def test_signing_in_and_out(world: World, visit: Visit) -> None:
    async with visit(world.server) as visitor:
        page = visitor.page
        await visitor.go("/")
        await page.fill("input[name=key]", "wrong-key-wrong-key")
        await page.press("input[name=key]", "Enter")
        assert "unknown, expired or revoked" in await page.inner_text("[role=alert]")
        await visitor.sign_in()
        assert await page.inner_text("h1") == "Overview"
        await page.click("summary:has-text('key:')")
        await page.click("text=Sign out")
        await page.wait_for_url("**/ui/sign-in")
        await visitor.go("/ui/")
        assert await path_of(visitor) == "/ui/sign-in"


async def test_the_link_of_the_terminal(world: World, visit: Visit) -> None:
    async with visit(world.server) as visitor:
        await visitor.page.goto(world.server.sign_in_link)
        await visitor.page.click("button:has-text('Sign in')")
        await visitor.page.wait_for_url("**/ui/")
        assert "one-time link" in await visitor.page.inner_text("header")


async def test_keys_of_the_keyboard(world: World, visit: Visit) -> None:
    async with visit(world.server) as visitor:
        await visitor.sign_in()
        page = visitor.page
        await page.keyboard.press("/")
        assert await page.evaluate("document.activeElement.name") == "q"
        await page.keyboard.type("g?j")
        assert await page.input_value("[data-search]") == "g?j"
        await page.keyboard.press("Tab")
        await page.keyboard.press("?")
        assert await page.is_visible("dialog#keys")
        await page.keyboard.press("Escape")
        assert not await page.is_visible("dialog#keys")
        await page.keyboard.press("g")
        await page.keyboard.press("a")
        await page.wait_for_url("**/ui/audit")
        rows = page.locator("tr[data-row]")
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        assert "here" in (await rows.nth(1).get_attribute("class") or "")
        await page.keyboard.press("k")
        assert "here" in (await rows.nth(0).get_attribute("class") or "")
        assert await page.locator("tr.here").count() == 1
        await page.keyboard.press("g")
        await page.keyboard.press("o")
        await page.wait_for_url("**/ui/")


async def test_enter_opens_the_row(world: World, visit: Visit) -> None:
    async with visit(world.server) as visitor:
        await visitor.sign_in()
        await visitor.go("/ui/tenants")
        await visitor.page.keyboard.press("j")
        await visitor.page.keyboard.press("Enter")
        await visitor.page.wait_for_url(f"**/ui/?tenant={TENANT}")
        assert TENANT in await visitor.page.inner_text("header")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_theme_is_the_systems_until_it_is_switched_and_then_remembered(
    world: World, visit: Visit, scheme: str
) -> None:
    async with visit(world.server, color_scheme=scheme) as visitor:
        await visitor.sign_in()
        page = visitor.page
        paper = "getComputedStyle(document.body).backgroundColor"
        first = await page.evaluate(paper)
        async with page.expect_response("**/ui/theme"):
            await page.click("[data-theme-switch] button")
        second = await page.evaluate(paper)
        assert first != second
        await page.reload()
        assert await page.evaluate(paper) == second
        await page.click("summary:has-text('key:')")
        await page.click("text=Sign out")
        await page.wait_for_url("**/ui/sign-in")
        assert await page.evaluate(paper) == second


async def test_ids_are_copied_whole(world: World, visit: Visit) -> None:
    async with visit(world.server) as visitor:
        await visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await visitor.sign_in()
        await visitor.go("/ui/api-keys")
        button = visitor.page.locator("table button.copy").first
        whole = await button.get_attribute("data-copy")
        await button.click()
        assert await visitor.page.inner_text(".toast") == "Copied"
        assert await visitor.page.evaluate("navigator.clipboard.readText()") == whole
        assert whole is not None
        assert len(whole) == 40


async def test_times_go_on(world: World, visit: Visit) -> None:
    async with visit(world.server) as visitor:
        await visitor.sign_in()
        await visitor.page.clock.install()
        await visitor.go("/ui/audit")
        shown = visitor.page.locator("time[data-time]").first
        assert "UTC" in (await shown.get_attribute("title") or "")
        await visitor.page.clock.fast_forward("03:00:00")
        assert (await shown.inner_text()).startswith("3 h ago")


async def test_a_keyboard_is_told_the_exact_time(world: World, visit: Visit) -> None:
    """Of the row that it is at, and of a time outside of rows by Tab."""
    shown = "one => getComputedStyle(one, '::after').content"
    async with visit(world.server) as visitor:
        await visitor.enter()
        page = visitor.page
        await visitor.go("/ui/audit")
        times = page.locator("tr[data-row] time")
        assert await times.nth(1).evaluate(shown) == "none"
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        assert (await times.nth(1).evaluate(shown)).strip('"') == await times.nth(1).get_attribute("title")
        assert await times.nth(0).evaluate(shown) == "none"
        await visitor.go("/ui/system")
        started = page.locator("section:has(#process) time")
        await page.locator("section:has(#store) time").focus()
        await page.keyboard.press("Tab")
        assert (await started.evaluate(shown)).strip('"') == await started.get_attribute("title")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/ui/", "Overview"),
        ("/ui/endpoints/new", "Endpoints"),
        ("/ui/deliveries/dead", "Deliveries"),
        ("/ui/replays/new", "Replays"),
        ("/ui/catalogue/job.failed", "Catalogue"),
        ("/ui/erasures", "System"),
        ("/ui/retention", "System"),
        ("/ui/audit", "Audit log"),
        ("/ui/api-keys", "API keys"),
    ],
)
async def test_the_section_of_a_page_is_marked(world: World, path: str, name: str) -> None:
    page = await asyncio.to_thread(lambda: Pages(world.server).get(path))
    assert re.findall(r'data-go="." aria-current="page">([^<]+)<', page.text) == [name]


async def test_focus_can_be_seen_and_the_content_reached_at_once(world: World, visit: Visit) -> None:
    async with visit(world.server) as visitor:
        await visitor.sign_in()
        page = visitor.page
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "content"


async def test_the_search_box_jumps(world: World, visit: Visit) -> None:
    places = {
        world.ids["delivery_id"]: f"/ui/deliveries/{world.ids['delivery_id']}",
        world.ids["event_id"]: f"/ui/events/{world.ids['event_id']}",
        world.ids["endpoint_id"]: f"/ui/endpoints/{world.ids['endpoint_id']}",
        world.ids["replay_id"]: f"/ui/replays/{world.ids['replay_id']}",
        "child": "/ui/jobs/child",
        world.gone.url.removeprefix("http://"): "/ui/endpoints/end_",
        world.ids["key_id"]: "/ui/api-keys",
        world.ids["erasure_id"]: f"/ui/erasures/{world.ids['erasure_id']}",
        f"{world.table}/{world.ids['record_id']}": world.path("/ui/records/{table}/{record_id}"),
        "bat_1": "/ui/deliveries?batch=bat_1",
    }
    async with visit(world.server) as visitor:
        await visitor.sign_in()
        for text, place in places.items():
            await visitor.go("/ui/api-keys")
            await visitor.page.fill("[data-search]", text)
            await visitor.page.press("[data-search]", "Enter")
            await visitor.page.wait_for_url(lambda url, place=place: place in url)
        await visitor.go(f"/ui/search?q={quote(world.job)}")
        await visitor.go("/ui/search?q=nothing-like-it")
        assert "Nothing by this name" in await visitor.page.inner_text("main")


async def test_it_works_without_scripts(world: World, visit: Visit) -> None:
    async with visit(world.server, java_script_enabled=False) as visitor:
        await visitor.sign_in()
        page = visitor.page
        before = await page.get_attribute("html", "data-theme")
        await page.click("[data-theme-switch] button")
        assert await page.get_attribute("html", "data-theme") != before
        await visitor.go("/ui/api-keys")
        await page.fill("#f-name", "x" * 300)
        await page.click("text=Make the key")
        assert await page.input_value("#f-name") == "x" * 300
        assert await page.is_visible("#n-name .detail")
        await page.fill("#f-name", "Nightly")
        await page.select_option("#f-role", "producer")
        await page.click("text=Make the key")
        assert (await page.inner_text(".code code")).startswith("tok_")
        await page.click("text=I have kept it")
        await page.click("tr:has-text('Nightly') >> text=Revoke")
        assert "1 key" in await page.inner_text("main")
        await page.click("text=No, go back")
        await page.click("tr:has-text('Nightly') >> text=Revoke")
        await page.click("text=Revoke it")
        assert "Nightly is revoked" in await page.inner_text(".toast")
        assert await page.locator("tr:has-text('Nightly')").count() == 0


async def test_the_tenant_in_view_stays(world: World, visit: Visit) -> None:
    async with visit(world.server) as visitor:
        await visitor.sign_in()
        page = visitor.page
        await page.click("summary:has-text('all tenants')")
        await page.wait_for_selector("datalist option", state="attached")
        assert await page.locator("datalist option").all_inner_texts() == [TENANT]
        await page.fill("input[name=tenant]", TENANT)
        await page.click("text=Show")
        await page.wait_for_url(f"**/ui/?tenant={TENANT}")
        assert f"GET /v1/stats?tenant={TENANT}" in await page.inner_text("footer")
        await page.click("summary:has-text('key:')")
        await page.click("text=Audit log")
        await page.wait_for_url(f"**/ui/audit?tenant={TENANT}")


async def test_the_overview_says_the_numbers(world: World, visit: Visit) -> None:
    async with visit(world.server) as visitor:
        await visitor.sign_in()
        page = visitor.page
        await visitor.go(f"/ui/?tenant={TENANT}&range=24h")
        stats = world.server.get(f"/v1/stats?tenant={TENANT}&range=24h").json
        figures = await page.locator(".figure").all_inner_texts()
        assert len(figures) == 5
        assert f"{stats['events']} in 24 hours" in figures[0]
        assert f"{stats['deliveries']['delivered']} in 24 hours, {stats['deliveries']['dead']} dead" in figures[1]
        assert str(stats["pending_deliveries"]) in figures[4]
        assert await page.locator(".figure svg").count() == 5
        rows = await page.locator("section:has(#chart) tbody tr").count()
        assert rows == len(stats["series"])
        trouble = await page.inner_text("section:has(#trouble)")
        assert "disabled" in trouble
        assert "answered 410" in trouble
        assert await page.get_attribute(".head .tabs [aria-current]", "href") == f"/ui/?tenant={TENANT}&range=24h"
        assert "failed" in await page.inner_text("section:has(#jobs)")
        assert await visitor.go("/ui/?range=2h") == 422
