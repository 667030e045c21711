"""The live page: rows as they come, pause, filters, who sees what, and a server that stops."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.api.callers import Caller
from tests.kit.browser import Visitor
from tests.kit.pages import Pages
from tests.kit.program import Program
from tests.kit.server import Server
from tests.kit.tails import Watching
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

from tocsin.operations.tails import WATCHERS_OF_ONE

pytestmark = pytest.mark.asyncio(loop_scope="session")
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]
ROWS = "[data-tail] tbody tr"
STATE = "[data-tail-state]"
HARM = "<img src=x onerror='window.hurt = 1; // longer'>"


def emit(caller: Caller, number: int, kind: str = "order.made", **fields: Any) -> str:
    event = {"specversion": "1.0", "id": str(number), "source": "/ui", "type": kind, "subject": f"o-{number}"} | fields
    done = caller.post("/v1/events", event, headers={"Content-Type": "application/cloudevents+json"})
    assert done.status == 202, done
    event_id: str = done.json["results"][0]["event_id"]
    return event_id


async def watch(visitor: Visitor, caller: Caller, query: str = "", role: str = "viewer") -> Page:
    """The page, once it is live."""
    await visitor.sign_in(caller.key(role))
    await visitor.go(f"/ui/tail{query}")
    await expect(visitor.page.locator(STATE)).to_have_text("● live")
    return visitor.page


async def test_rows_come_newest_first_and_lead_on(shared_server: Server, visit: Visit) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(200)) as web:
        endpoint = caller.endpoint(url=web.url, name="CRM", retry={"schedule_seconds": [3600]})
        async with visit(shared_server) as visitor:
            page = await watch(visitor, caller)
            await expect(page.locator("[data-tail-empty]")).to_be_visible()
            event_id = emit(caller, 1)
            await expect(page.locator(ROWS)).to_have_count(2)
            await expect(page.locator("[data-tail-empty]")).to_be_hidden()
            made, event = await page.locator(ROWS).all()
            assert await event.locator("a").get_attribute("href") == f"/ui/events/{event_id}"
            assert (await event.inner_text()).split()[1:] == ["event", "order.made", "o-1"]
            (delivery,) = caller.get(f"/v1/deliveries?endpoint={endpoint['id']}").json["items"]
            assert await made.locator("a").get_attribute("href") == f"/ui/deliveries/{delivery['id']}"
            words = (await made.inner_text()).split()
            assert words[1:8] == ["attempt", "order.made", "o-1", "CRM", "●", "delivered", "200"]
            await expect(page.locator("footer")).to_contain_text("GET /v1/tail")


async def test_pause_keys_and_what_is_lost(shared_server: Server, visit: Visit) -> None:
    caller = Caller(shared_server)
    async with visit(shared_server) as visitor:
        page = await watch(visitor, caller, "?kind=event")
        emit(caller, 0)
        await expect(page.locator(ROWS)).to_have_count(1)
        await page.keyboard.press("p")
        batch = [
            {"specversion": "1.0", "id": f"b{n}", "source": "/ui", "type": "order.made", "subject": f"b-{n}"}
            for n in range(510)
        ]
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        assert caller.post("/v1/events", batch, headers=headers).status == 202
        pause = page.locator("[data-tail-pause]")
        await expect(pause).to_have_text("Resume (500 new)")
        await expect(page.locator("[data-tail-lost]")).to_have_text("10")
        assert await page.locator(ROWS).count() == 1
        await page.keyboard.press("p")
        await expect(pause).to_have_text("Pause")
        await expect(page.locator(ROWS)).to_have_count(500)
        await expect(page.locator(ROWS).first).to_contain_text("b-509")
        await page.keyboard.press("j")
        await expect(page.locator(ROWS).first.locator("a")).to_be_focused()
        await page.keyboard.press("c")
        await expect(page.locator(ROWS)).to_have_count(0)


async def test_filters_are_in_the_address(shared_server: Server, visit: Visit) -> None:
    caller = Caller(shared_server)
    async with visit(shared_server) as visitor:
        page = await watch(visitor, caller)
        await page.fill("input[name=event_type]", "order.*,other.made")
        await page.select_option("select[name=kind]", "event")
        await page.click("button:has-text('Filter')")
        await page.wait_for_url("**/ui/tail?kind=event&event_type=order.*")
        await expect(page.locator(STATE)).to_have_text("● live")
        assert await page.input_value("input[name=event_type]") == "order.*,other.made"
        await expect(page.locator("footer")).to_contain_text(
            "tocsin tail --kind event --event-type 'order.*,other.made'"
        )
        for number, kind in enumerate(("none.made", "order.made", "other.made")):
            emit(caller, number, kind)
        await expect(page.locator(ROWS)).to_have_count(2)
        await visitor.go("/ui/tail?event_type=,")
        await expect(page.locator("[data-tail-problem]")).to_contain_text("A field of the request is not right.")
        await expect(page.locator("[data-tail-problem] a")).to_have_text("Load the page again")


async def test_each_sees_only_their_own(shared_server: Server, visit: Visit) -> None:
    mine, theirs = Caller(shared_server), Caller(shared_server)
    async with visit(shared_server) as me, visit(shared_server) as them, visit(shared_server) as operator:
        pages = [await watch(me, mine), await watch(them, theirs, role="admin")]
        await operator.sign_in()
        await operator.go(f"/ui/tail?kind=event&tenant={theirs.tenant}")
        await expect(operator.page.locator(STATE)).to_have_text("● live")
        for number, whose in enumerate((mine, theirs, mine)):
            emit(whose, number)
        for page, subjects in zip((*pages, operator.page), (["o-2", "o-0"], ["o-1"], ["o-1"]), strict=True):
            await expect(page.locator(f"{ROWS} td:nth-child(4)")).to_have_text(subjects)


async def test_what_comes_is_text(shared_server: Server, visit: Visit) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(200)) as web:
        caller.endpoint(url=web.url, name=HARM)
        async with visit(shared_server) as visitor:
            page = await watch(visitor, caller)
            emit(caller, 1, f"{HARM}.made", subject=HARM)
            await expect(page.locator(ROWS)).to_have_count(2)
            assert await page.locator(f"{ROWS} img").count() == 0
            assert await page.evaluate("window.hurt") is None
            cells = await page.locator(ROWS).first.locator("td").all_text_contents()
            assert cells[2:5] == [f"{HARM}.made", HARM, HARM[:39] + "…"]


async def test_too_many_tails_are_refused_in_words(shared_server: Server, visit: Visit) -> None:
    caller = Caller(shared_server)
    async with contextlib.AsyncExitStack() as opened, visit(shared_server) as visitor:
        for _ in range(WATCHERS_OF_ONE):
            await opened.enter_async_context(Watching(shared_server, key=caller.key("viewer")))
        await visitor.sign_in(caller.key("viewer"))
        await visitor.go("/ui/tail")
        await expect(visitor.page.locator("[data-tail-problem]")).to_contain_text("Too many tails are open.")


async def test_a_server_that_stops_and_is_back(tmp_path: Path, visit: Visit) -> None:
    server = Server(tmp_path / "stops.db")
    try:
        caller = Caller(server)
        async with visit(server) as visitor:
            page = await watch(visitor, caller)
            await asyncio.to_thread(server.stop)
            await expect(page.locator(STATE)).to_contain_text("ended: the server is stopping")
            server = Server(tmp_path / "stops.db", listen=server.url.removeprefix("http://"))
            # Sessions outlive the server: the page goes on by itself.
            await expect(page.locator(STATE)).to_have_text("● live")
            visitor.faults.clear()  # The browser says of each try that there was no server.
    finally:
        await asyncio.to_thread(server.stop)


async def test_sigterm_with_a_tail_open_ends_it_first_and_loses_nothing(tmp_path: Path, visit: Visit) -> None:
    """In this order: the page is told, what is out is waited for, the process ends, though the tab stays open."""
    go, program = threading.Event(), Program(tmp_path / "ends.db")

    def answer(asked: Asked) -> Say:
        if b'"held"' in asked.body:
            go.wait(20)
        return Say(200)

    try:
        with WebServer(answer) as web:
            caller = Caller(program)
            caller.endpoint(url=web.url)
            async with visit(program) as visitor:
                page = await watch(visitor, caller)
                for number in range(20):
                    emit(caller, number)
                await expect(page.locator(ROWS)).to_have_count(40)
                emit(caller, 20, subject="held")
                await until(lambda: len(web.asked) == 21)
                ending = asyncio.create_task(asyncio.to_thread(program.stop))
                await expect(page.locator(STATE)).to_contain_text("ended: the server is stopping")
                assert not ending.done()
                go.set()
                assert await ending == 0
                visitor.faults.clear()  # The browser says of each try that there was no server.
            program.start()
            (only,) = {one["attempt_count"] for one in caller.get("/v1/deliveries?state=delivered").json["items"]}
            assert (len(caller.get("/v1/deliveries?state=delivered").json["items"]), only) == (21, 1)
            assert len(web.asked) == 21
    finally:
        go.set()
        await asyncio.to_thread(program.stop)


async def test_who_signs_out_sees_nothing_more(shared_server: Server) -> None:
    caller = Caller(shared_server)
    pages = await asyncio.to_thread(Pages, shared_server, caller.key("viewer"))
    cookies = "; ".join(f"{name}={value}" for name, value in pages.cookies.items())
    connection = http.client.HTTPConnection(shared_server.url.removeprefix("http://"), timeout=20)
    connection.request("GET", "/ui/tail/stream", headers={"Cookie": cookies, "Accept": "text/event-stream"})
    stream = connection.getresponse()
    assert (stream.status, stream.getheader("x-accel-buffering")) == (200, "no")
    assert b"retry" in stream.readline()
    assert pages.post("/ui/sign-out").status == 303
    emit(caller, 1, subject="not-for-them")
    rest = await asyncio.to_thread(stream.read)
    assert b"not-for-them" not in rest
    connection.request("GET", "/ui/tail/stream", headers={"Cookie": cookies, "Accept": "text/event-stream"})
    assert connection.getresponse().status == 401
    connection.close()


async def test_a_stream_that_is_only_asked_about_ends_at_once(shared_server: Server) -> None:
    pages = Pages(shared_server, Caller(shared_server).key("viewer"))
    cookies = "; ".join(f"{name}={value}" for name, value in pages.cookies.items())
    connection = http.client.HTTPConnection(shared_server.url.removeprefix("http://"), timeout=20)
    for method in ("HEAD", "HEAD", "GET"):
        connection.request(method, "/ui/tail/stream", headers={"Cookie": cookies, "Accept": "text/event-stream"})
        stream = connection.getresponse()
        assert (stream.status, stream.getheader("content-type")) == (200, "text/event-stream")
        assert method == "GET" or stream.read() == b""
    connection.close()
