"""The overview: what needs somebody, the button that helps, and numbers that stay new."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import expect
from tests.kit.browser import Visitor
from tests.kit.pages import Pages
from tests.kit.server import Server
from tests.kit.ui_world import World
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer

Visit = Callable[..., AbstractAsyncContextManager[Visitor]]


def report(server: Server, job_id: str) -> None:
    answer = server.post("/v1/jobs/reports", {"job_id": job_id, "job_type": "load", "state": "running"})
    assert answer.status == 202, answer


async def test_an_endpoint_that_was_disabled_is_enabled_with_one_button(server: Server) -> None:
    statuses = [410]
    with WebServer(lambda asked: Say(statuses[0])) as web:
        endpoint = server.endpoint(web.url, name="Old warehouse", retry={"schedule_seconds": [0.1] * 50})
        report(server, "j1")
        await until(lambda: server.get(f"/v1/endpoints/{endpoint['id']}").json["state"] == "disabled")
        viewer = server.post("/v1/api-keys", {"name": "v", "role": "viewer", "tenant": "default"}).json["value"]
        place = f"/ui/endpoints/{endpoint['id']}/enable"
        seen = Pages(server, viewer)
        assert "The receiver answered 410" in seen.get("/ui/").words
        assert place not in seen.get("/ui/").text
        refused = seen.post(place, {"name": "Old warehouse"})
        assert (refused.status, "The role viewer may not do this" in refused.words) == (403, True)
        operator = Pages(server)
        page = operator.get("/ui/?range=24h")
        assert f'action="{place}"' in page.text
        statuses[0] = 204
        answer = operator.post(place, {"name": "Old warehouse", "back": "/ui/?range=24h"})
        assert answer.location == "/ui/?range=24h"
        page = operator.follow(answer)
        assert "Old warehouse is enabled: what it held is delivered." in page.words
        assert "None: no endpoint fails" in page.words
        await until(lambda: server.get("/v1/deliveries?state=delivered").json["items"] or None)
        assert "is enabled" not in operator.get("/ui/").words
    actor = server.get("/v1/audit?action=endpoint.enabled").json["items"][0]["actor"]
    assert actor["key_name"] == "bootstrap"


async def test_one_that_is_paused_is_resumed_with_one_button_and_its_failures_are_counted(server: Server) -> None:
    statuses = [503]
    with WebServer(lambda asked: Say(statuses[0])) as web:
        circuit = {"failures": 2, "deliveries": 1, "cool_down_seconds": 600}
        endpoint = server.endpoint(web.url, name="ERP", circuit=circuit, retry={"schedule_seconds": [600]})
        for number in range(2):
            report(server, f"j{number}")
        await until(lambda: server.get(f"/v1/endpoints/{endpoint['id']}").json["state"] == "paused")
        await until(lambda: server.get("/v1/stats").json["failing"] or None)
        operator = Pages(server)
        for span in ("1h", "24h", "7d", "30d"):
            assert operator.get(f"/ui/?range={span}").status == 200
        page = operator.get("/ui/")
        assert (
            "The circuit is open after 2 failures in a row. The receiver answered 503. Next try in 9 min" in page.words
        )
        assert "Attempts that failed, 1 hour By kind: status" in page.words
        place = f"/ui/endpoints/{endpoint['id']}/resume"
        assert f'action="{place}"' in page.text
        statuses[0] = 204
        page = operator.follow(operator.post(place, {"back": "/ui/"}))
        assert "ERP is sent to again." in page.words
        assert f'action="{place}"' not in page.text


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("width", [1280, 640, 400])
async def test_reasons_have_room_to_be_read(world: World, visit: Visit, width: int) -> None:
    """Whatever else stands in a row, and also at 200 %."""
    async with visit(world.server, viewport={"width": width, "height": 800}) as visitor:
        await visitor.enter()
        for path in ("/ui/", "/ui/endpoints"):
            await visitor.go(path)
            reasons = visitor.page.locator("td.wrap:has(div.hint)")
            assert await reasons.count()
            for one in await reasons.all():
                box = await one.bounding_box()
                assert box
                assert box["width"] >= 150, path
                assert await one.evaluate(
                    "(e, width) => e.closest('.scroll').getBoundingClientRect().right <= width", width
                )


@pytest.mark.asyncio(loop_scope="session")
async def test_the_numbers_stay_new(server: Server, visit: Visit) -> None:
    async with visit(server) as visitor:
        page = visitor.page
        await visitor.enter()
        await page.clock.install()
        await visitor.go("/ui/")
        accepted, live = page.locator(".figure").first, page.locator("[data-live]")
        await expect(live).to_have_text("● live")
        await expect(live).to_be_visible()
        assert "0 in 1 hour" in await accepted.inner_text()
        assert "No job runs" in await page.inner_text("section:has(#jobs)")
        report(server, "j1")
        await page.clock.fast_forward(11_000)
        await page.wait_for_selector("section:has(#jobs) >> text=j1")
        assert "2 in 1 hour" in await accepted.inner_text()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.focus("a[data-open]")
        await page.clock.fast_forward(25_000)
        async with page.expect_response("**/ui/tenants"):
            await page.click("summary:has-text('all tenants')")
        assert asked == [f"{server.url}/ui/tenants"], "a row that has the focus is not taken away"
        await expect(live).to_have_text("‖ held while you work in it")
        await page.focus("[data-search]")
        await visitor.context.set_offline(True)
        await page.clock.fast_forward(25_000)
        await expect(live).to_contain_text("✕ no answer since")
        await visitor.context.set_offline(False)
        await page.clock.fast_forward(11_000)
        await expect(live).to_have_text("● live")
        visitor.faults.clear()


def test_numbers_of_one_tenant_are_its_own(server: Server) -> None:
    for tenant in ("acme", "beta"):
        job = {"job_id": f"{tenant}-job", "job_type": "load", "state": "running", "tenant": tenant}
        assert server.post("/v1/jobs/reports", job).status == 202
    operator = Pages(server)
    both = operator.get("/ui/").words
    assert "4 in 1 hour" in both
    assert "acme-job" in both
    assert "beta-job" in both
    acme = operator.get("/ui/?tenant=acme").words
    assert "2 in 1 hour" in acme
    assert "beta-job" not in acme
    key = server.post("/v1/api-keys", {"name": "v", "role": "viewer", "tenant": "beta"}).json["value"]
    viewer = Pages(server, key)
    own = viewer.get("/ui/?tenant=acme").words
    assert "acme-job" not in own
    assert "beta-job" in own
    assert viewer.get("/ui/tenants").status == 403
    assert viewer.get("/ui/api-keys").status == 403
