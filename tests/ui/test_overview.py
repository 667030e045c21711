"""The overview: what needs somebody, the button that helps, and numbers that stay new."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from tests.kit.browser import Visitor
from tests.kit.pages import Pages
from tests.kit.server import Server
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
        place = f"/ui/overview/enable/{endpoint['id']}"
        seen = Pages(server, viewer)
        assert "answered 410" in seen.get("/ui/").words
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
        assert "Old warehouse is enabled again" in page.words
        assert "None: no endpoint fails" in page.words
        await until(lambda: server.get("/v1/deliveries?state=delivered").json["items"] or None)
        assert "enabled again" not in operator.get("/ui/").words
    actor = server.get("/v1/audit?action=endpoint.enabled").json["items"][0]["actor"]
    assert actor["key_name"] == "bootstrap"


@pytest.mark.asyncio(loop_scope="session")
async def test_the_numbers_stay_new(server: Server, visit: Visit) -> None:
    async with visit(server) as visitor:
        page = visitor.page
        await visitor.enter()
        await page.clock.install()
        await visitor.go("/ui/")
        accepted = page.locator(".figure").first
        assert "0 in 1 hour" in await accepted.inner_text()
        assert "No job runs" in await page.inner_text("section:has(#jobs)")
        report(server, "j1")
        await page.clock.fast_forward(11_000)
        await page.wait_for_selector("section:has(#jobs) >> text=j1")
        assert "2 in 1 hour" in await accepted.inner_text()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.focus("a[data-open]")
        await page.clock.fast_forward(11_000)
        async with page.expect_response("**/ui/tenants"):
            await page.click("summary:has-text('all tenants')")
        assert asked == [f"{server.url}/ui/tenants"], "a row that has the focus is not taken away"


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
