"""The pages of an endpoint in a real browser: the strip of its last attempts, and what is told while an old secret still signs."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.kit.browser import Visitor
from tests.kit.server import OPERATOR_KEY, Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.ui.endpoint_forms import enter, given_job

from tocsin.cli.main import main

pytestmark = pytest.mark.asyncio(loop_scope="session")
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]


def refuse_first(asked: Asked) -> Say:
    return Say(503 if asked.headers["webhook-attempt"] == "1" else 204)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer(refuse_first) as server:
        yield server


def made(server: Server, tenant: str, url: str, **fields: object) -> str:
    answer = server.post(f"/v1/endpoints?tenant={tenant}", {"name": "CRM", "url": url} | fields)
    assert answer.status == 201, answer
    name: str = answer.json["id"]
    return name


async def test_a_cell_of_the_strip_leads_to_its_attempt(shared_server: Server, visit: Visit, web: WebServer) -> None:
    retry = {"schedule_seconds": [0.1]}
    name = made(shared_server, "strip", web.url, retry=retry, filters=[{"event_types": ["job.failed"]}])
    given_job(shared_server, "strip")
    attempts = f"/v1/endpoints/{name}/attempts"
    await until(lambda: len(shared_server.get(attempts).json["items"]) == 2)
    delivery = shared_server.get(attempts).json["items"][0]["delivery_id"]
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go(f"/ui/endpoints/{name}")
        strip = page.locator("[data-strip]")
        await expect(strip).to_contain_text("Last 2 attempts: ● 1 delivered ◐ 1 to be retried ✕ 0 rejected")
        await strip.locator("a").last.focus()
        await expect(strip.locator("[data-strip-said]")).to_contain_text("delivered 204")
        await page.keyboard.press("ArrowLeft")
        await expect(strip.locator("[data-strip-said]")).to_contain_text("retry 503")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/ui/deliveries/{delivery}~1")
        await expect(page.locator("h2 >> text=Attempt 1: 503")).to_be_visible()
        await page.go_back()
        await strip.locator("rect").last.click()
        await page.wait_for_url(f"**/ui/deliveries/{delivery}~2")


async def test_a_rotation_counts_down_and_its_secret_is_shown_once(
    shared_server: Server, visit: Visit, web: WebServer
) -> None:
    name = made(shared_server, "rotating", web.url)
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await page.clock.install()
        await visitor.go(f"/ui/endpoints/{name}")
        await page.click("text=Rotate the secret")
        await page.select_option("[name=overlap]", "1h")
        await page.click("text=Replace the secret")
        secret = await page.locator(".code code").inner_text()
        assert secret.startswith("whsec_")
        left = page.locator("main time[data-time]")
        await expect(left).to_have_text(re.compile("in (1 h|59 min)"))
        await page.clock.fast_forward(10 * 60_000)
        await expect(left).to_have_text(re.compile("in (50|49) min"))
        await page.click("text=I have kept it")
        await expect(page.locator("main")).to_contain_text("The old signing secret signs as well until")
        assert secret not in await page.content()


async def test_as_code_is_what_apply_takes(shared_server: Server, visit: Visit, web: WebServer, tmp_path: Path) -> None:
    settings: dict[str, object] = {
        "headers": [{"name": "X-Key", "value": "hush-hush", "sensitive": True}],
        "authorization": {"kind": "basic", "username": "me", "password": "hush-hush"},
        "filters": [{"event_types": ["job.*"], "where": "data.state == 'failed'"}],
        "delivery": {"mode": "batch", "max_events": 7},
    }
    name = made(shared_server, "as-code", web.url, **settings)
    before = shared_server.get(f"/v1/endpoints/{name}").body
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go(f"/ui/endpoints/{name}/code")
        text = await page.locator(".code code").inner_text()
    file = tmp_path / "endpoints.yaml"
    file.write_text(text)
    said = [applied(shared_server, "apply", str(file), *more) for more in (["--dry-run"], [])]
    assert shared_server.get(f"/v1/endpoints/{name}").body == before, said
    file.write_text(text.replace("max_events: 7", "max_events: 8"))
    applied(shared_server, "apply", str(file), "--yes")
    assert shared_server.get(f"/v1/endpoints/{name}").json["delivery"]["max_events"] == 8


def applied(server: Server, *arguments: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as problems:
        code = main([*arguments, "--url", server.url, "--api-key", OPERATOR_KEY])
    assert code == 0, problems.getvalue()
    return out.getvalue()
