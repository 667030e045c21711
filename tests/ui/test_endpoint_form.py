"""The form of an endpoint in a real browser: whatever is entered arrives at a real receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from playwright.async_api import expect
from tests.kit.browser import Visitor
from tests.kit.server import Server
from tests.kit.token_servers import AUDIENCE, AuthlibServer, RegisteredClient, key_pair
from tests.kit.web import Asked, Say, WebServer
from tests.ui.endpoint_forms import Fields, arrived, enter, field, fill, given_job

pytestmark = pytest.mark.asyncio(loop_scope="session")
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]
SECRET = "hush\"<b>&amp;'hush"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer(lambda _: Say(200, b'{"thanks": "<i>you</i>"}')) as server:
        yield server


def basic(arrived: Asked, _: AuthlibServer) -> bool:
    return arrived.headers["authorization"] == "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()


def bearer(arrived: Asked, _: AuthlibServer) -> bool:
    return arrived.headers["authorization"] == "Bearer hush-hush"


def by_token(arrived: Asked, tokens: AuthlibServer) -> bool:
    return arrived.headers["authorization"] == f"Bearer {tokens.issued[-1]['access_token']}"


OAUTH2 = "authorization.oauth2."
ASSERTION = OAUTH2 + "assertion."
KINDS: dict[str, tuple[Fields, Callable[[Asked, AuthlibServer], bool]]] = {
    "none": ({}, lambda asked, _: "authorization" not in asked.headers),
    "basic": ({"authorization.basic.username": "me", "authorization.basic.password": SECRET}, basic),
    "bearer": ({"authorization.bearer.token": "hush-hush"}, bearer),
    "api_key": (
        {"authorization.api_key.header": "X-My-Key", "authorization.api_key.value": "hush-hush"},
        lambda asked, _: asked.headers["x-my-key"] == "hush-hush",
    ),
    "oauth2": (
        {OAUTH2 + "client_id": "by-secret", OAUTH2 + "client_secret": SECRET, OAUTH2 + "credentials_in": "body",
         OAUTH2 + "scope": "hooks", OAUTH2 + "parameters.0.name": "audience", OAUTH2 + "parameters.0.value": "crm"},
        lambda asked, tokens: by_token(asked, tokens) and tokens.asked[-1]["audience"] == "crm",
    ),
    "oauth2 in the header": (
        {OAUTH2 + "client_id": "by-header", OAUTH2 + "client_secret": "hush-hush", OAUTH2 + "grant_type": "client_credentials",
         OAUTH2 + "scope": "hooks"},
        lambda asked, tokens: by_token(asked, tokens) and not {"client_id", "client_secret"} & set(tokens.asked[-1]),
    ),
    "oauth2 by grant": (
        {OAUTH2 + "client_id": "by-key", ASSERTION + "use": "grant", ASSERTION + "private_key": key_pair().pem,
         ASSERTION + "audience": AUDIENCE, ASSERTION + "subject": "ann@example.com", OAUTH2 + "scope": "hooks"},
        lambda asked, tokens: by_token(asked, tokens) and tokens.asked[-1]["grant_type"].endswith("jwt-bearer"),
    ),
    "oauth2 by assertion": (
        {OAUTH2 + "client_id": "by-key", OAUTH2 + "scope": "hooks", ASSERTION + "use": "client_assertion", ASSERTION + "private_key": key_pair().pem,
         ASSERTION + "audience": AUDIENCE, ASSERTION + "ttl_seconds": "60", ASSERTION + "algorithm": "RSA_256"},
        by_token,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def tokens() -> Iterator[AuthlibServer]:
    clients = (
        RegisteredClient("by-secret", SECRET, "client_secret_post"),
        RegisteredClient("by-header", "hush-hush", "client_secret_basic"),
        RegisteredClient("by-key", "", "client_assertion_jwt"),
    )
    with AuthlibServer(*clients) as server:
        yield server


@pytest.mark.parametrize("kind", KINDS)
async def test_an_endpoint_is_made_and_delivers(
    shared_server: Server, visit: Visit, web: WebServer, tokens: AuthlibServer, kind: str
) -> None:
    fields, is_let_in = KINDS[kind]
    tenant = f"form-{kind.replace(' ', '-')}"
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go(f"/ui/endpoints/new?tenant={tenant}")
        assert not await page.locator(field("authorization.basic.username")).is_visible()
        where = {
            "name": f"CRM {kind}",
            "url": f"{web.url}hooks?a=1",
            "headers.0.name": "X-Team",
            "headers.0.value": "mdm",
        }
        let_in = {"authorization.kind": kind.partition(" ")[0]} | fields
        if "oauth2" in kind:
            let_in[OAUTH2 + "token_url"] = tokens.url
        what = {
            "format.kind": "tamr",
            "signing.kind": "hmac",
            "signing.hmac.header": "X-Sig",
            "filters.0.event_types": "job.*",
        }
        await fill(page, where | let_in | what)
        await page.click("text=Make the endpoint")
        await expect(page.locator("h1")).to_have_text("Endpoint made")
        secret = await page.locator(".code code").inner_text()
        await page.click("text=I have kept it")
        await expect(page.locator("h1")).to_have_text(f"CRM {kind}")
        # What is secret is shown once, or never: no page of the endpoint has it again.
        for part in ("Settings", "As code"):
            await page.click(f"nav.tabs >> text={part}")
            await expect(page.locator("nav.tabs [aria-current]")).to_have_text(part)
            source = await page.content()
            assert not any(hidden in source for hidden in (secret, "hush", key_pair().pem.splitlines()[1])), part
    given_job(shared_server, tenant)
    (request, *_) = await arrived(web)
    assert is_let_in(request, tokens)
    assert (request.path, request.headers["x-team"]) == ("/hooks?a=1", "mdm")
    assert json.loads(request.body)["data"]["jobId"] == "job-failed"
    assert request.headers["x-sig"] == hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()


async def test_what_is_refused_keeps_what_was_typed(shared_server: Server, visit: Visit, web: WebServer) -> None:
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go("/ui/endpoints/new?tenant=refused")
        fields = {
            "name": SECRET, "url": "ftp://x/", "headers.0.name": "X-Key", "headers.0.value": "header-hush",
            "authorization.kind": "basic", "authorization.basic.username": "a:b", "authorization.basic.password": "password-hush",
            "filters.0.where": "data.x == '<i>'",
        }  # fmt: skip
        await fill(page, fields)
        await page.check(field("headers.0.sensitive"))
        await page.click("text=Make the endpoint")
        await expect(page.locator(".blocks > .problem")).to_contain_text("Nothing was saved")
        await expect(page.locator(".field.wrong")).to_have_count(2)
        for name in ("name", "url", "authorization.basic.username", "filters.0.where"):
            assert await page.input_value(field(name)) == fields[name]
        source = await page.content()
        assert "-hush" not in source
        assert "hush-" not in source
        assert await page.input_value(field("authorization.basic.password")) == ""
        await fill(page, {"url": web.url, "authorization.basic.username": "ab"})
        await page.click("text=Make the endpoint")
        await expect(page.locator("h1")).to_have_text("Endpoint made")
    given_job(shared_server, "refused")
    (made,) = shared_server.get("/v1/endpoints?tenant=refused").json["items"]
    assert made["name"] == SECRET
    assert shared_server.call("PATCH", f"/v1/endpoints/{made['id']}", {"filters": []}).status == 200
    given_job(shared_server, "refused", "succeeded")
    (request, *_) = await arrived(web)
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"ab:password-hush").decode()
    assert request.headers["x-key"] == "header-hush"


async def test_it_is_shown_while_it_is_typed(shared_server: Server, visit: Visit, web: WebServer) -> None:
    tenant = "shown"
    for state in ("running", "failed", "succeeded"):
        given_job(shared_server, tenant, state)
    (event,) = shared_server.get(f"/v1/events?tenant={tenant}&type=job.failed").json["items"]
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go(f"/ui/endpoints/new?tenant={tenant}")
        panel = page.locator("#panel")
        await expect(panel).to_contain_text("Matched 6 of the last 6 events.")
        await page.fill(field("filters.0.event_types"), "job.failed")
        await expect(panel).to_contain_text("Matched 1 of the last 6 events.")
        await expect(panel).to_contain_text("A sample: job.failed")
        await page.fill(field("url"), "http://x y/")
        await expect(page.locator(".field.wrong")).to_contain_text("URL")
        await page.fill(field("url"), web.url + "hooks")
        await page.fill(field("name"), "<b>n</b>")
        await expect(page.locator(".field.wrong")).to_have_count(0)
        await page.select_option(field("format.kind"), "visier")
        await expect(panel).to_contain_text("x-visier-signature")
        await page.select_option(field("format.kind"), "template")
        await page.fill(field("format.template.program"), "{id, a: .data.state")
        await expect(page.locator(".field.wrong")).to_contain_text("does not compile")
        await page.fill(field("format.template.program"), '{id, a: .data.state, h: "<i>x</i>"}')
        await page.fill(field("event"), event["id"])
        await expect(panel).to_contain_text("The event: job.failed")
        await panel.locator("text=Exact bytes").click()
        body = await panel.locator("details code").inner_text()
        await page.click("text=Make the endpoint")
        await expect(page.locator("h1")).to_have_text("Endpoint made")
    (made,) = shared_server.get(f"/v1/endpoints?tenant={tenant}").json["items"]
    assert shared_server.post("/v1/replays", {"endpoint_id": made["id"]}).status == 202
    (request, *_) = await arrived(web)
    assert request.body.decode() == body


async def test_a_draft_is_tried(shared_server: Server, visit: Visit, web: WebServer) -> None:
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go("/ui/endpoints/new?tenant=tried")
        await fill(
            page,
            {"name": "n", "url": web.url, "authorization.kind": "bearer", "authorization.bearer.token": "hush-hush"},
        )
        await page.select_option(field("sample"), "record.deleted")
        await page.click("section.live >> text=Send a test")
        await expect(page.locator("#panel")).to_contain_text("<i>you</i>")
        await expect(page.locator("#panel")).to_contain_text("delivered")
        assert "hush" not in await page.content()
    (request,) = web.asked
    assert request.headers["authorization"] == "Bearer hush-hush"
    assert json.loads(request.body)["type"] == "record.deleted"
    assert shared_server.get("/v1/endpoints?tenant=tried").json["items"] == []


async def test_it_works_without_scripts(
    shared_server: Server, visit: Visit, web: WebServer, tokens: AuthlibServer
) -> None:
    async with visit(shared_server, java_script_enabled=False) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go("/ui/endpoints/new?tenant=plain")
        await fill(page, {"name": "Plain", "headers.0.name": "X-A", "headers.0.value": "1"})
        await page.click("text=Another header")
        assert await page.input_value(field("headers.0.value")) == "1"
        fields = {"url": web.url, "headers.1.name": "X-B", "headers.1.value": "2", "authorization.kind": "oauth2"}
        oauth2 = KINDS["oauth2"][0] | {OAUTH2 + "token_url": tokens.url}
        await fill(page, fields | oauth2)
        await page.click("section.live >> text=Show")
        assert "***" in await page.inner_text("#panel")
        assert SECRET not in await page.content()
        await page.click("section.live >> text=Send a test")
        assert "delivered" in await page.inner_text("#panel")
        await page.click("text=Make the endpoint")
        assert await page.inner_text("h1") == "Endpoint made"
    given_job(shared_server, "plain")
    request = (await arrived(web, 2))[1]
    assert by_token(request, tokens)
    assert (request.headers["x-a"], request.headers["x-b"]) == ("1", "2")


async def test_settings_are_changed_and_nothing_else(shared_server: Server, visit: Visit, web: WebServer) -> None:
    headers = [
        {"name": "X-A", "value": "1"},
        {"name": "X-Key", "value": "hush-hush", "sensitive": True},
        {"name": "X-B", "value": "2"},
    ]
    made = shared_server.post(
        "/v1/endpoints?tenant=settings",
        {"name": "n", "url": web.url, "headers": headers, "filters": [{"labels": {"team": "mdm"}}, {"states": ["failed"]}],
         "authorization": {"kind": "basic", "username": "me", "password": "hush-hush"}, "timeout_seconds": 7.5},
    ).json  # fmt: skip
    path = f"/v1/endpoints/{made['id']}"
    before = shared_server.get(path).json
    async with visit(shared_server) as visitor:
        page = visitor.page
        await enter(visitor)
        await visitor.go(f"/ui/endpoints/{made['id']}/settings")
        assert "hush" not in await page.content()
        await page.click("button.main >> text=Save")
        await expect(page.locator(".toast")).to_have_text("Nothing was changed.")
        assert shared_server.get(path).json == before
        await page.fill(field("name"), "renamed")
        await page.check(field("headers.0.out"))
        await page.click("text=Another header")
        await page.fill(field("headers.4.name"), "X-C")
        await page.fill(field("headers.4.value"), "3")
        await page.fill(field("authorization.basic.password"), "hush-again")
        # Somebody else changes something in between: it stays.
        assert shared_server.call("PATCH", path, {"max_in_flight": 3}).status == 200
        await page.click("button.main >> text=Save")
        await expect(page.locator(".toast")).to_have_text("The settings are saved.")
        await expect(page.locator("h1")).to_have_text("renamed")
    after = shared_server.get(path).json
    changed: dict[str, Any] = {name: after[name] for name in after if after[name] != before[name]}
    assert set(changed) == {"name", "headers", "authorization", "max_in_flight"}
    assert [row["name"] for row in after["headers"]] == ["X-Key", "X-B", "X-C"]
    assert after["headers"][0]["value"] == before["headers"][1]["value"]
    assert after["max_in_flight"] == 3
    given_job(shared_server, "settings")
    (request, *_) = await arrived(web)
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"me:hush-again").decode()
    assert request.headers["x-key"] == "hush-hush"
