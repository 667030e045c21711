"""Deliveries in a real browser: found, opened beside the list, sent again and given up, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from playwright.async_api import expect
from tests.api.callers import Caller
from tests.kit.browser import Visitor
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer
from tests.ui.deliveries import CLOSED, LATER, NEVER, XSS, answer_by_type, emit, listed, settle

pytestmark = pytest.mark.asyncio(loop_scope="session")
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]


async def test_a_delivery_is_found_opened_beside_the_list_and_resent_by_keyboard(
    shared_server: Server, visit: Visit
) -> None:
    caller = Caller(shared_server)
    with WebServer(answer_by_type) as web:
        caller.endpoint(name="Shop", url=web.url, retry=LATER)
        emit(caller, "order.created", "o/1")
        emit(caller, "order.paid", "o/1")
        emit(caller, "order.created", "o/2")
        await settle(caller, delivered=2, pending=1)
        async with visit(shared_server) as visitor:
            page = visitor.page
            await visitor.sign_in(caller.key("admin"))
            await visitor.go("/ui/deliveries")
            await expect(page.locator("tr[data-row]")).to_have_count(3)
            retrying = page.locator("tr[data-row]", has_text="order.paid")
            assert "◐ retrying (1), next in" in " ".join((await retrying.inner_text()).split())
            assert "503" in await retrying.inner_text()
            await page.select_option("select[name=state]", "pending")
            await page.fill("input[name=event_type]", "order.p*")
            await page.click("button:has-text('Filter')")
            await expect(page).to_have_url(re.compile("state=pending.*event_type=order.p"))
            await expect(page.locator("tr[data-row]")).to_have_count(1)
            await page.click("text=Clear")
            await page.wait_for_url("**/ui/deliveries")
            for key in "jj":
                await page.keyboard.press(key)
            await page.keyboard.press("Enter")
            await page.wait_for_selector("#detail h2:has-text('Attempt 1: 503')")
            assert "open=dlv_" in page.url
            detail = await page.inner_text("#detail")
            for told in ("webhook-signature", "try later", "<script>alert('body')</script>", "127.0.0.1", "40 B"):
                assert told in detail
            await expect(page.locator("tr[data-row]")).to_have_count(3)
            await page.reload()
            await page.wait_for_selector("#detail h2:has-text('Attempt 1: 503')")
            await page.keyboard.press("Escape")
            await expect(page.locator("#detail")).to_be_hidden()
            await page.keyboard.press("j")
            await page.keyboard.press("r")
            await expect(page.locator(".toast")).to_contain_text("Resent, as dlv_")
            assert page.url.endswith("/ui/deliveries")
            await until(lambda: len(listed(caller, "")) == 4)
            assert [one["resend_of"] is not None for one in listed(caller, "")] == [True, False, False, False]


async def test_those_that_are_ticked_and_all_that_match_are_asked_about_with_their_number(
    shared_server: Server, visit: Visit
) -> None:
    caller = Caller(shared_server)
    is_ill = True
    with WebServer(lambda _: Say(500 if is_ill else 200)) as web:
        caller.endpoint(name="First", url=web.url, retry=NEVER, circuit=CLOSED)
        caller.endpoint(name="Second", url=web.url, retry=LATER, circuit=CLOSED)
        for number in range(60):
            emit(caller, "order.created", f"o/{number}")
        await settle(caller, dead=60, pending=60)
        is_ill = False
        async with visit(shared_server) as visitor:
            page = visitor.page
            await visitor.sign_in(caller.key("admin"))
            await visitor.go("/ui/deliveries?state=dead")
            await expect(page.locator("tr[data-row]")).to_have_count(50)
            await expect(page.locator("#many")).to_contain_text("All 60 that match:")
            for key in "jxjx":
                await page.keyboard.press(key)
            await expect(page.locator("#many")).to_contain_text("2 selected:")
            await page.click("#many button:has-text('Resend') >> nth=0")
            await expect(page.locator("main")).to_contain_text("2 new deliveries are made")
            await page.click("button:has-text('Resend 2')")
            await expect(page.locator(".toast")).to_contain_text("2 deliveries resent.")
            assert "state=dead" in page.url
            await page.click("#many button:has-text('Resend what is dead')")
            await expect(page.locator("main")).to_contain_text(
                "58 events that were given up go to 1 endpoint again (First: 58)"
            )
            await page.click("text=No, go back")
            await expect(page).to_have_url(re.compile("state=dead"))
            assert len(listed(caller, "state=delivered")) == 2
            await page.click("#many button:has-text('Resend what is dead')")
            await page.click("button:has-text('Send 58 again')")
            await page.wait_for_selector("h1:has-text('Replay to First')")
            await page.wait_for_selector(".verdict:has-text('finished')")
            await expect(page.locator("svg.whole")).to_have_attribute(
                "aria-label", re.compile(re.escape("58 done, 0 failed, 0 left of 58"))
            )
            await visitor.go("/ui/deliveries?state=pending&subject_id=o/1")
            await page.click("#many button:has-text('Cancel what is pending')")
            await expect(page.locator("main")).to_contain_text("1 pending deliveries match the filter")
            await page.click("button:has-text('Cancel 1')")
            await expect(page.locator(".toast")).to_contain_text("1 delivery cancelled.")
            await visitor.go("/ui/deliveries?state=pending")
            await page.locator("tr[data-row] [data-open]").first.click()
            await page.click("#detail button:has-text('Cancel')")
            await page.click("button:has-text('Cancel it')")
            await expect(page.locator(".toast")).to_contain_text("The delivery is cancelled.")
            assert "/ui/deliveries?state=pending&open=dlv_" in page.url
            assert [len(listed(caller, f"state={state}")) for state in ("pending", "cancelled")] == [58, 2]


async def test_the_detail_follows_the_keys_and_what_is_pending_is_looked_at_anew(
    shared_server: Server, visit: Visit
) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(500)) as web:
        made = caller.endpoint(name="Shop", url=web.url, retry=LATER)
        for number in range(3):
            emit(caller, "order.created", f"o/{number}")
        await settle(caller, pending=3)
        async with visit(shared_server) as visitor:
            page = visitor.page
            await visitor.enter(caller.key("admin"))
            await visitor.go("/ui/deliveries")
            for key in ("j", "Enter"):
                await page.keyboard.press(key)
            await expect(page.locator("#detail h2").first).to_contain_text("o/2 → Shop")
            await expect(page.locator("#detail .verdict")).to_contain_text("retrying (1), next in")
            await page.locator("tr.here [data-open]").focus()
            for subject in ("o/1", "o/0"):
                await page.keyboard.press("j")
                await expect(page.locator("#detail h2").first).to_contain_text(subject)
                await expect(page.locator("tr.here")).to_contain_text(subject)
            await page.keyboard.press("Escape")
            await expect(page).to_have_url(re.compile("/ui/deliveries$"))
            await page.check("[data-all]")
            await expect(page.locator("#many")).to_contain_text("3 selected:")
            await page.locator("input[name=id]").first.uncheck()
            await expect(page.locator("#many")).to_contain_text("2 selected:")
            assert await page.evaluate("document.querySelector('[data-all]').indeterminate")
            (one, *_) = listed(caller, "subject_id=o/1")
            await page.clock.install()
            await visitor.go(f"/ui/deliveries/{one['id']}")
            await expect(page.locator("main button:has-text('Cancel')")).to_be_visible()
            caller.post(f"/v1/deliveries/{one['id']}/cancel")
            await page.clock.fast_forward(16_000)
            # By itself: what it says, and what can be done.
            await expect(page.locator(".verdict")).to_contain_text("■ cancelled")
            await expect(page.locator("main button:has-text('Cancel')")).to_have_count(0)
            await visitor.go(f"/ui/deliveries?endpoint={made['id']}&state=pending")
            await expect(page.locator("tr[data-row]")).to_have_count(2)
            (one, *_) = listed(caller, "subject_id=o/2")
            caller.post(f"/v1/deliveries/{one['id']}/cancel")
            await page.clock.fast_forward(11_000)
            await expect(page.locator("tr[data-row]")).to_have_count(1)


async def test_on_a_telephone_the_state_is_seen_at_once(shared_server: Server, visit: Visit) -> None:
    caller = Caller(shared_server)
    with WebServer(answer_by_type) as web:
        caller.endpoint(name="Shop", url=web.url, retry=LATER)
        emit(caller, "order.paid", "o/1")
        await settle(caller, pending=1)
        async with visit(shared_server, viewport={"width": 400, "height": 800}) as visitor:
            page = visitor.page
            await visitor.enter(caller.key("admin"))
            await visitor.go("/ui/deliveries")
            for words in ("retrying (1), next in", "503", "order.paid", "o/1", "Shop"):
                box = await page.locator("tr[data-row] td", has_text=words).bounding_box()
                assert box is not None
                assert box["width"] > 0
                assert box["x"] + box["width"] <= 400, words
            await page.locator("[data-open]").click()
            detail = await page.locator("#detail .verdict").bounding_box()
            assert detail is not None
            assert detail["y"] < 300
            await expect(page.locator(".filters")).to_be_hidden()


async def test_what_is_dead_is_grouped_by_cause_and_a_group_is_sent_again(shared_server: Server, visit: Visit) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda asked: Say(503 if b".paid" in asked.body and len(web.asked) < 7 else 500)) as web:
        caller.endpoint(name="Only", url=web.url, retry=NEVER)
        for number in range(3):
            emit(caller, "order.paid", f"o/{number}")
            emit(caller, "parcel.lost", f"p/{number}")
        await settle(caller, dead=6)
        async with visit(shared_server) as visitor:
            page = visitor.page
            await visitor.sign_in(caller.key("admin"))
            await visitor.go("/ui/deliveries")
            await page.click("text=Dead, by cause")
            await expect(page.locator("main")).to_contain_text("Only 6 dead")
            await expect(page.locator("main")).to_contain_text("The receiver answered 500.")
            row = page.locator("tr[data-row]", has_text="status 503")
            assert "3" in await row.inner_text()
            await row.locator("a").click()
            await expect(page.locator("tr[data-row]")).to_have_count(3)
            await page.go_back()
            await row.locator("button").click()
            await expect(page.locator("main")).to_contain_text("3 events that were given up go to 1 endpoint again")
            await page.click("button:has-text('Send 3 again')")
            await page.wait_for_selector(".verdict:has-text('finished')")
            await expect(page.locator("svg.whole")).to_have_attribute(
                "aria-label", re.compile(re.escape("0 done, 3 failed, 0 left of 3"))
            )
            await page.click("text=What failed")
            await expect(page.locator("tr[data-row]")).to_have_count(3)


async def test_nothing_that_comes_from_outside_is_run(shared_server: Server, visit: Visit) -> None:
    """In every field that is shown: type, subject, endpoint's name and URL, headers, bodies, reasons, names in addresses."""
    caller = Caller(shared_server)
    hostile = (("X-Evil", XSS), ("Content-Type", "text/html"))
    with WebServer(lambda _: Say(500, XSS.encode(), hostile)) as web:
        made = caller.endpoint(
            name=XSS[:100],
            url=f"{web.url}?q='onload='alert(1)",
            retry=NEVER,
            headers=[{"name": "X-Own", "value": XSS}],
        )
        event = emit(caller, "<script>.<b>x</b>", XSS, b'{"x": "<script>alert(3)</script>"}')
        await settle(caller, dead=1)
        (dead,) = listed(caller, "")
        replay = caller.post(
            "/v1/replays", {"endpoint_id": made["id"], "filters": [{"subject_ids": [XSS], "where": "type != '<b>'"}]}
        ).json
        async with visit(shared_server) as visitor:
            page = visitor.page
            await page.add_init_script("window.alert = () => { window.hit = true; }")
            page.on("dialog", lambda dialog: visitor.faults.append(f"dialog {dialog.message}"))
            await visitor.sign_in(caller.key("admin"))
            for path in (
                "/ui/deliveries",
                "/ui/deliveries?reason=<script>alert(1)</script>&state=dead&event_type='%22><img src=x onerror=alert(1)>",
                f"/ui/deliveries?open={dead['id']}",
                f"/ui/deliveries/{dead['id']}",
                "/ui/deliveries/<script>alert(1)<%2Fscript>",
                "/ui/deliveries/dead",
                "/ui/events",
                f"/ui/events/{event}",
                f"/ui/replays/{replay['id']}",
                "/ui/replays?endpoint='%22><script>alert(1)</script>",
                "/ui/replays/new?where='%22><script>alert(1)</script>&subject_id=<b>&reason=<i>",
            ):
                await visitor.go(path)
                if "open=" in path:
                    await page.wait_for_selector("#detail h2:has-text('Attempt 1')")
                hit, scripts, images = await page.evaluate(
                    "[window.hit, document.querySelectorAll('script:not([src])').length, document.images.length]"
                )
                assert (hit, scripts, images) == (None, 0, 0), path
            saved = partial(
                page.request.get, f"{shared_server.url}/ui/deliveries/{dead['id']}/attempts/1/response-body"
            )
            answer = await saved()
            assert await answer.body() == XSS.encode()
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["content-disposition"].startswith("attachment")
            assert answer.headers["x-content-type-options"] == "nosniff"
