"""What the form of an endpoint shows while it is filled in: each format, what is wrong beside its field, rows that are added; and what
else can be set in it, in force."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import expect
from tests.kit.browser import Visitor
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer
from tests.ui.endpoint_forms import arrived, enter, field, fill, given_job

from tocsin.formats import KINDS

pytestmark = pytest.mark.asyncio(loop_scope="session")
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]
MOMENT = r"\d{4}-\d\d-\d\dT[\d:.]+Z|\d{13}|[0-9a-f]{8}-[0-9a-f-]{27}"
NEEDED = {"template": {"program": "{id, state: .data.state}"}}


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer(lambda _: Say(204)) as server:
        yield server


async def test_every_format_is_shown_as_it_would_be_sent(start_server: Callable[..., Server], visit: Visit) -> None:
    tenant, server = "formats", start_server(smtp="smtp://127.0.0.1:9", mail_from="tocsin@example.com")
    async with visit(server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go(f"/ui/endpoints/new?tenant={tenant}")
        for kind in (*KINDS, "template"):
            url = "mailto:ann@example.com" if kind == "email" else "https://receiver.example/hooks"
            draft = {"name": "new", "url": url, "format": {"kind": kind, **NEEDED.get(kind, {})}}
            wanted = server.post(f"/v1/endpoints/preview?tenant={tenant}", {"endpoint": draft})
            await page.fill(field("url"), url)
            await page.select_option(field("format.kind"), kind)
            for name, text in NEEDED.get(kind, {}).items():
                await page.fill(field(f"format.{kind}.{name}"), text)
            panel = page.locator("#panel")
            assert wanted.status == 200, wanted
            request = wanted.json["request"]
            await expect(panel).to_contain_text(f"POST {request['url']}")
            await expect(panel.locator("details code")).to_have_text(same_shape(request["body"]))
            shown = await panel.inner_text()
            assert all(name in shown for name in request["headers"]), kind


def same_shape(body: str) -> re.Pattern[str]:
    """The body, but for the moment at which it was made, and the ids of that. In a page lines end in one character."""
    pieces = re.split(f"({MOMENT})", body.replace("\r\n", "\n"))
    return re.compile("^" + "".join(".+?" if index % 2 else re.escape(text) for index, text in enumerate(pieces)) + "$")


async def test_what_is_wrong_with_an_expression_stands_beside_it(shared_server: Server, visit: Visit) -> None:
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go("/ui/endpoints/new?tenant=wrong")
        where = page.locator(".field", has=page.locator(field("filters.0.where")))
        await page.fill(field("filters.0.where"), "data.state ==")
        await expect(where.locator(".detail")).to_contain_text("CEL")
        await expect(page.locator(".field.wrong")).to_have_count(1)
        await page.fill(field("filters.0.where"), "data.state == 'failed'")
        await expect(page.locator(".field.wrong")).to_have_count(0)
        await fill(page, {"name": "n", "url": "http://127.0.0.1:9/", "filters.0.where": "data.state ="})
        await page.click("text=Make the endpoint")
        await expect(page.locator(".blocks > .problem")).to_contain_text("Nothing was saved")
        assert await page.input_value(field("filters.0.where")) == "data.state ="
        assert await page.evaluate("document.activeElement.name") == "filters.0.where"
        await expect(where.locator(".detail")).to_be_visible()
    assert shared_server.get("/v1/endpoints?tenant=wrong").json["items"] == []


async def test_all_that_is_wrong_is_told_at_once(shared_server: Server, visit: Visit) -> None:
    """Also where the API tells only the first of them, for the shape of the document."""
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go("/ui/endpoints/new?tenant=at-once")
        fields = {
            "name": "n", "url": "ftp://x/", "authorization.kind": "oauth2", "authorization.oauth2.token_url": "https://x/",
            "authorization.oauth2.assertion.use": "grant", "authorization.oauth2.assertion.ttl_seconds": "soon",
            "filters.0.where": "data.state =", "delivery.mode": "batch", "delivery.batch.max_events": "many",
        }  # fmt: skip
        await fill(page, fields)
        await expect(page.locator(".field.wrong")).to_have_count(4)
        await expect(page.locator("#panel .problem")).to_contain_text("client id This is needed.")
        await page.click("text=Make the endpoint")
        await expect(page.locator(".blocks > .problem")).to_contain_text("Nothing was saved")
        wrong = page.locator(".field.wrong [name]")
        oauth2 = "authorization.oauth2."
        assert {await one.get_attribute("name") for one in await wrong.all()} == {
            "url", "filters.0.where", "delivery.batch.max_events", oauth2 + "client_id",
            oauth2 + "assertion.ttl_seconds", oauth2 + "assertion.private_key", oauth2 + "assertion.audience",
        }  # fmt: skip
        for name, text in fields.items():
            assert await page.input_value(field(name)) == text, name
        await page.click(".blocks > .problem >> text=audience")
        assert page.url.endswith("#f-authorization.oauth2.assertion.audience")
        # What is only missing does not take the preview away.
        await visitor.go("/ui/endpoints/new?tenant=at-once")
        await page.select_option(field("authorization.kind"), "basic")
        panel = page.locator("#panel")
        await expect(panel.locator(".problem")).to_contain_text("password This is needed.")
        await expect(panel).to_contain_text("Authorization")
        await expect(panel).to_contain_text("job.succeeded")


async def test_who_was_signed_out_loses_nothing(shared_server: Server, visit: Visit, web: WebServer) -> None:
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go("/ui/endpoints/new?tenant=signed-out")
        await visitor.context.clear_cookies()
        await fill(page, {"name": "kept", "url": web.url, "headers.0.name": "X-A", "headers.0.value": "1"})
        await expect(page.locator("#panel")).to_contain_text("You are signed out.")
        await page.click("text=Make the endpoint")
        await expect(page.locator("#panel [data-out]")).to_be_visible()
        assert await page.input_value(field("name")) == "kept"
        assert shared_server.get("/v1/endpoints?tenant=signed-out").json["items"] == []
        await enter(visitor)
        await page.fill(field("headers.0.value"), "2")
        await expect(page.locator("#panel")).to_contain_text("X-A")
        assert await page.locator("#panel [data-out]").count() == 0
        await page.click("text=Make the endpoint")
        await expect(page.locator("h1")).to_have_text("Endpoint made")
    (made,) = shared_server.get("/v1/endpoints?tenant=signed-out").json["items"]
    assert made["name"] == "kept"


@pytest.mark.parametrize("has_scripts", [True, False])
async def test_a_filter_is_added_and_taken_out(
    shared_server: Server, visit: Visit, web: WebServer, *, has_scripts: bool
) -> None:
    made = shared_server.post(
        f"/v1/endpoints?tenant=rows-{has_scripts}", {"name": "n", "url": web.url, "filters": [{"event_types": ["a.*"]}]}
    ).json
    async with visit(shared_server, java_script_enabled=has_scripts) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go(f"/ui/endpoints/{made['id']}/settings")
        assert await page.locator("details.filter").count() == 1, "the one that is there, and no empty one"
        await page.click("text=Another filter")
        await expect(page.locator("details.filter")).to_have_count(2)
        await page.fill(field("filters.1.event_types"), "b.*")
        await page.click("button.main >> text=Save")
        await expect(page.locator(".toast")).to_have_text("The settings are saved.")
        assert await page.locator("details.filter").count() == 2
        await page.check(field("filters.0.out"))
        await page.click("button.main >> text=Save")
        await expect(page.locator("details.filter")).to_have_count(1)
    (kept,) = shared_server.get(f"/v1/endpoints/{made['id']}").json["filters"]
    assert kept["event_types"] == ["b.*"]


async def test_batches_order_and_limits_are_in_force(shared_server: Server, visit: Visit, web: WebServer) -> None:
    tenant = "batched"
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go(f"/ui/endpoints/new?tenant={tenant}")
        await page.click("summary >> text=Retries, limits and consent")
        fields = {
            "name": "n", "url": web.url, "delivery.mode": "batch", "delivery.batch.max_events": "3",
            "delivery.batch.max_wait_seconds": "1h", "ordering": "subject", "filters.0.event_types": "job.failed",
            "timeout_seconds": "3s", "max_in_flight": "2", "rate_limit.requests": "5", "rate_limit.per_seconds": "2s",
            "retry.schedule_seconds": "5s 1m", "circuit.failures": "7",
        }  # fmt: skip
        await fill(page, fields)
        await page.click("text=Make the endpoint")
        await expect(page.locator("h1")).to_have_text("Endpoint made")
    (made,) = shared_server.get(f"/v1/endpoints?tenant={tenant}").json["items"]
    whole = shared_server.get(f"/v1/endpoints/{made['id']}").json
    assert (whole["ordering"], whole["timeout_seconds"], whole["max_in_flight"]) == ("subject", 3, 2)
    assert whole["rate_limit"] == {"requests": 5, "per_seconds": 2}
    assert (whole["retry"]["schedule_seconds"], whole["circuit"]["failures"]) == ([5, 60], 7)
    failed = [{"job_id": f"b-{n}", "job_type": "load", "state": "failed", "tenant": tenant} for n in range(3)]
    assert shared_server.post("/v1/jobs/reports", failed).status == 202
    (request, *more) = await arrived(web)
    assert more == []
    assert [event["subject"] for event in json.loads(request.body)] == ["b-0", "b-1", "b-2"]


async def test_a_token_is_asked_for_in_json(shared_server: Server, visit: Visit, web: WebServer) -> None:
    def token(_: Asked) -> Say:
        return Say(200, b'{"access_token": "by-json", "token_type": "Bearer"}', (("Content-Type", "application/json"),))

    with WebServer(token) as tokens:
        async with visit(shared_server) as visitor:
            page = visitor.page
            await enter(visitor)
            await visitor.go("/ui/endpoints/new?tenant=by-json")
            oauth2 = {
                "token_url": tokens.url, "content_type": "application/json", "credentials_in": "body", "client_id": "me",
                "client_secret": "hush-hush", "parameters.0.name": "audience", "parameters.0.value": "crm",
            }  # fmt: skip
            let_in = {f"authorization.oauth2.{name}": text for name, text in oauth2.items()}
            await fill(page, {"name": "n", "url": web.url, "authorization.kind": "oauth2"} | let_in)
            await page.click("section.live >> text=Send a test")
            await expect(page.locator("#panel")).to_contain_text("delivered")
            await page.click("text=Make the endpoint")
            await expect(page.locator("h1")).to_have_text("Endpoint made")
        given_job(shared_server, "by-json")
        await until(lambda: len(web.asked) > 1)
        assert {request.headers["authorization"] for request in web.asked} == {"Bearer by-json"}
        for asked in tokens.asked:
            assert asked.headers["content-type"] == "application/json"
            assert json.loads(asked.body) == {
                "grant_type": "client_credentials", "client_id": "me", "client_secret": "hush-hush", "audience": "crm",
            }  # fmt: skip
