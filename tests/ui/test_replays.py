"""A replay in a real browser: filled in, counted, begun, watched over a restart of the server, paused and gone on with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import expect
from tests.kit.browser import Visitor
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer
from tests.pipeline.test_replays import given_events, numbers, of_replay, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]
COUNT = 60


async def test_a_replay_goes_on_over_a_restart_and_its_page_shows_it(server: Server, visit: Visit) -> None:
    with WebServer(lambda _: Say()) as web:
        endpoint = server.endpoint(web.url, name="Shop")
        given_events(server, COUNT)
        await settled(server, endpoint, "delivered", COUNT)
        async with visit(server) as visitor:
            page = visitor.page
            await visitor.sign_in()
            await visitor.go(f"/ui/replays/new?endpoint={endpoint['id']}")
            await page.fill("#f-rate", "8")
            await page.fill("#f-event_type", "order.*")
            await page.click("button:has-text('Count')")
            await expect(page.locator("main")).to_contain_text(f"{COUNT} events to Shop")
            await page.click("button:has-text('Change it')")
            assert await page.input_value("#f-event_type") == "order.*"
            await page.click("button:has-text('Count')")
            await page.click(f"button:has-text('Begin: send {COUNT}')")
            await page.wait_for_selector(".verdict:has-text('running')")
            address = page.url.removeprefix(server.url)
            replay = {"id": address.rpartition("/")[2]}
            # Without loading the page anew: its figures move, and say how fast it goes.
            await page.wait_for_selector(".figure:has-text('Done') .value:not(:text-is('0'))")
            await page.wait_for_selector(".figure:has-text('Rate') .value:has-text('/s')")
            await page.goto("about:blank")
            await asyncio.to_thread(server.stop)
            done = len(of_replay(web, replay))
            assert 0 < done < COUNT
            await asyncio.to_thread(server.start)
            await until(lambda: len(of_replay(web, replay)) > done)
            # Who was signed in still is.
            await visitor.go(address)
            await page.click("button:has-text('Pause')")
            await page.wait_for_selector(".verdict:has-text('paused')")
            assert 0 < server.get(f"/v1/replays/{replay['id']}").json["left"] < COUNT
            await page.goto("about:blank")
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            await visitor.go(address)
            await expect(page.locator(".verdict")).to_contain_text("‖ paused")
            await page.click("button:has-text('Resume')")
            await page.wait_for_selector(".verdict:has-text('finished')", timeout=30_000)
            await expect(page.locator("svg.whole")).to_have_attribute(
                "aria-label", re.compile(re.escape(f"{COUNT} done, 0 failed, 0 left of {COUNT}"))
            )
            await expect(page.locator("button:has-text('Pause')")).to_have_count(0)
            await page.click("text=Its deliveries")
            await expect(page.locator("tr[data-row]")).to_have_count(50)
            await page.click("text=Older")
            await expect(page.locator("tr[data-row]")).to_have_count(COUNT - 50)
        await until(lambda: sorted(set(numbers(of_replay(web, replay)))) == list(range(COUNT)))


async def test_pages_read_well_without_scripts_and_in_the_dark(server: Server, visit: Visit) -> None:
    """A click on a delivery leads to its page where there is no script to open it beside the list."""
    with WebServer(lambda _: Say(500)) as web:
        server.endpoint(web.url, name="Shop", retry={"schedule_seconds": []})
        given_events(server, 2)
        async with visit(server, java_script_enabled=False, color_scheme="dark") as visitor:
            page = visitor.page
            await visitor.go("/ui/sign-in")
            await page.fill("input[name=key]", "operator-key-for-tests")
            await page.click("button:has-text('Sign in')")
            await until(lambda: len(server.get("/v1/deliveries?state=dead").json["items"]) == 2)
            await visitor.go("/ui/deliveries?state=dead")
            await page.locator("tr[data-row] [data-open]").first.click()
            await expect(page).to_have_url(re.compile("/ui/deliveries/dlv_"))
            await expect(page.locator("main")).to_contain_text("Attempt 1: 500")
            await page.click("button:has-text('Resend')")
            await expect(page.locator(".toast")).to_contain_text("Resent, as dlv_")
            await visitor.go("/ui/deliveries?state=dead")
            for box in await page.locator("input[name=id]").all():
                await box.check()
            await page.click("#many button:has-text('Resend') >> nth=0")
            await page.click("main button:has-text('Resend')")
            await expect(page.locator(".toast")).to_contain_text("deliveries resent.")
