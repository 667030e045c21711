"""Jobs in the web interface: the list, and one of them with its tree on a timeline."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

import pytest
from tests.api.callers import Caller
from tests.kit.browser import Visitor
from tests.kit.pages import Pages
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer
from tests.ui.jobs_given import NASTY, family, reported

pytestmark = pytest.mark.asyncio(loop_scope="session")
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]


@pytest.fixture(scope="module")
def caller(shared_server: Server) -> Iterator[Caller]:
    """A tenant whose nightly load goes on, and whose CRM hears of it."""
    with WebServer(lambda _: Say(200)) as web:
        caller = Caller(shared_server)
        filters = [{"subject_types": ["job"]}]
        crm = {"name": "CRM", "url": f"{web.url}crm", "filters": filters}
        assert caller.post("/v1/endpoints", crm).status == 201
        family(shared_server, caller.tenant, time.time_ns() // 1_000_000)
        asyncio.run(until(lambda: all_delivered(caller)))
        yield caller


def all_delivered(caller: Caller) -> bool:
    states = [delivery["state"] for delivery in caller.get("/v1/deliveries?limit=500").json["items"]]
    return len(states) == 17 and set(states) == {"delivered"}


@pytest.fixture
def pages(shared_server: Server, caller: Caller) -> Pages:
    return Pages(shared_server, caller.key("viewer"))


async def test_the_list_is_filtered_by_its_address(pages: Pages) -> None:
    assert "Nightly load night" in pages.get("/ui/jobs").words
    for query, found in (
        ("state=failed", ["Match records"]),
        ("state=running", ["Publish", "Nightly load"]),
        ("search=CUST", ["Extract customers"]),
        ("parent_job_id=match", ["Score pairs"]),
        ("job_type=load&mode=batch&age=1h", ["Publish", "Score pairs", "Match records", "Extract customers", "Nightly load"]),
        ("mode=realtime", []),
    ):  # fmt: skip
        page = pages.get(f"/ui/jobs?{query}")
        assert re.findall(r'data-open href="[^"]+">([^<]+)<', page.text) == found, query
        assert page.status == 200
    assert "No job matches." in pages.get("/ui/jobs?mode=realtime").words
    assert pages.get("/ui/jobs?state=nonsense").status == 422


async def test_pages_of_the_list(pages: Pages, shared_server: Server) -> None:
    other = Caller(shared_server)
    for number in range(60):
        reported(shared_server, other.tenant, {"job_id": f"j{number}", "state": "running"})
    page = Pages(shared_server, other.key("viewer")).get("/ui/jobs")
    assert "j10" in page.words
    assert "j9 " not in page.words
    older = page.text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "j9 " in Pages(shared_server, other.key("viewer")).get(older).words
    assert "Nightly" not in page.words


async def test_a_job_with_its_tree_its_states_and_what_they_caused(pages: Pages) -> None:
    page = pages.get("/ui/jobs/match")
    assert page.status == 200
    for words in (
        "Match records",
        "MATCH_FAILED No such table: customers",
        "✕ failed",
        "Waiting for a slot",
        "job.waiting ● delivered CRM",
        "Nightly load ◐ running",
        "· · Score pairs ■ stopped",
        "● delivered 6",
    ):
        assert words in page.words, words
    statuses = page.words.partition("Statuses")[2].partition("Tree")[0]
    order = [statuses.index(state) for state in ("✕ failed", "◐ running", "‖ waiting", "○ pending")]
    assert order == sorted(order)
    assert page.text.count('class="mark"') >= 5
    known = pages.get("/ui/jobs/night").words
    for words in ("Label team mdm", "source src-1 Customers", '"data_version" : "7"', "Root itself", "Step 1 of 3"):
        assert words.replace(" :", ":") in known.replace(" :", ":"), words


async def test_what_a_role_may_not_see_is_not_there(shared_server: Server, caller: Caller) -> None:
    page = Pages(shared_server, caller.key("producer")).get("/ui/jobs/match")
    assert page.status == 200
    assert "✕ failed" in page.words
    assert "CRM" not in page.words
    assert "not sent to anyone" not in page.words


async def test_another_tenant_has_no_such_job(shared_server: Server, caller: Caller) -> None:
    other = Pages(shared_server, Caller(shared_server).key("admin"))
    assert other.get("/ui/jobs/match").status == 404
    assert "Nightly" not in other.get("/ui/jobs").text
    operator = Pages(shared_server)
    assert operator.get(f"/ui/jobs/match?tenant={caller.tenant}").status == 200
    assert caller.tenant in operator.get("/ui/jobs?search=Match%20rec").words


async def test_an_old_job_is_found_by_its_whole_id(shared_server: Server) -> None:
    caller = Caller(shared_server)
    reported(shared_server, caller.tenant, {"job_id": "a/b c", "state": "running"})
    page = Pages(shared_server, caller.key("viewer")).get("/ui/jobs?search=a/b%20c")
    assert "a/b c" in page.words
    assert f"/ui/jobs/{quote('a/b c', safe='')}" in page.text
    assert Pages(shared_server, caller.key("viewer")).get("/ui/jobs/a%2Fb%20c").status == 200


async def test_a_deep_and_a_wide_tree_are_bounded(shared_server: Server) -> None:
    caller = Caller(shared_server)
    chain = [{"job_id": f"d{n}", "state": "running"} | ({"parent_job_id": f"d{n - 1}"} if n else {}) for n in range(80)]
    crowd = [{"job_id": f"c{n}", "state": "running", "parent_job_id": "d0"} for n in range(400)]
    for some in (chain, crowd):
        body = [{"job_type": "t"} | report for report in some]
        assert caller.post("/v1/jobs/reports", body).status == 202
    pages = Pages(shared_server, caller.key("viewer"))
    for job_id in ("d0", "d60", "d79", "c7"):
        page = pages.get(f"/ui/jobs/{job_id}")
        assert page.status == 200
        assert "The tree has more jobs than are shown here" in page.words
        assert page.text.count('class="job') <= 100
        assert len(page.body) < 400_000


async def test_hover_and_focus_name_a_mark_and_a_running_bar_grows(
    shared_server: Server, caller: Caller, visit: Visit
) -> None:
    async with visit(shared_server) as visitor:
        await visitor.sign_in(caller.key("viewer"))
        await visitor.go("/ui/jobs/night")
        mark = visitor.page.locator("a.mark").first
        words = mark.locator("text")
        assert await words.is_hidden()
        await mark.locator("rect").hover()
        assert "job.preparing → CRM delivered" in (await words.text_content() or "")
        assert await words.is_visible()
        await visitor.page.mouse.move(0, 0)
        await mark.focus()
        assert await words.is_visible()
        await visitor.page.evaluate("document.activeElement.blur()")
        grown = visitor.page.locator(".current [data-grows] rect")
        before = await grown.get_attribute("width")
        await visitor.page.wait_for_selector(f".current [data-grows] rect:not([width='{before}'])")
        assert float(await grown.get_attribute("width") or 0) > float(before or 0)


async def test_what_is_new_shows_up_by_itself(shared_server: Server, visit: Visit) -> None:
    caller = Caller(shared_server)
    reported(shared_server, caller.tenant, {"job_id": "j", "state": "running", "name": "Live"})
    async with visit(shared_server) as visitor:
        await visitor.sign_in(caller.key("viewer"))
        await visitor.go("/ui/jobs/j")
        assert "running" in await visitor.page.inner_text(".head")
        reported(shared_server, caller.tenant, {"job_id": "j", "state": "succeeded"})
        await visitor.page.wait_for_selector(".head :text('succeeded')")
        assert "job.succeeded" in await visitor.page.inner_text("#job-live")


async def test_without_scripts_all_of_it_is_there(shared_server: Server, caller: Caller, visit: Visit) -> None:
    async with visit(shared_server, java_script_enabled=False) as visitor:
        await visitor.sign_in(caller.key("viewer"))
        await visitor.go("/ui/jobs")
        await visitor.page.select_option("select[name=state]", "failed")
        await visitor.page.click("text=Filter")
        await visitor.page.click("a[data-open]")
        assert await visitor.page.inner_text("h1") == "Match records"
        await visitor.page.click("svg.timeline a:has-text('Nightly load')")
        assert await visitor.page.inner_text("h1") == "Nightly load"


@pytest.mark.parametrize("width", [400, 1280])
async def test_nothing_sticks_out(shared_server: Server, visit: Visit, width: int) -> None:
    caller, long = Caller(shared_server), "x" * 500
    family(shared_server, caller.tenant, time.time_ns() // 1_000_000)
    reported(
        shared_server,
        caller.tenant,
        {"job_id": long, "name": long, "job_type": long, "state": "failed", "details": long, "labels": {long: long},
         "resources": [{"kind": long, "id": long, "name": long}], "error": {"reason": "x" * 63, "message": long}},
    )  # fmt: skip
    async with visit(shared_server, viewport={"width": width, "height": 800}) as visitor:
        await visitor.sign_in(caller.key("viewer"))
        for path in ("/ui/jobs", "/ui/jobs/match", f"/ui/jobs/{long}"):
            assert await visitor.go(path) == 200
            assert await visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def test_what_producers_send_is_never_markup(shared_server: Server, visit: Visit) -> None:
    caller = Caller(shared_server)
    assert caller.endpoint(name=NASTY[:120], filters=[{"subject_types": ["job"]}])
    reported(
        shared_server,
        caller.tenant,
        {"job_id": NASTY, "name": NASTY, "job_type": NASTY, "state": "running", "details": NASTY},
        {"job_id": NASTY, "job_type": NASTY, "state": "failed", "details": NASTY, "error": {"reason": NASTY[:60], "message": NASTY},
         "labels": {NASTY: NASTY}, "attributes": {NASTY: [NASTY]}, "parent_job_id": NASTY + "p", "root_job_id": NASTY + "r",
         "resources": [{"kind": NASTY, "id": NASTY, "name": NASTY}]},
        {"job_id": NASTY + "child", "name": NASTY, "state": "running", "parent_job_id": NASTY},
    )  # fmt: skip
    await until(lambda: len(caller.get("/v1/deliveries").json["items"]) == 5)
    async with visit(shared_server) as visitor:
        await visitor.sign_in(caller.key("viewer"))
        for path in (
            "/ui/jobs",
            f"/ui/jobs?search={quote(NASTY)}&job_type={quote(NASTY)}",
            f"/ui/jobs/{quote(NASTY, safe='')}",
        ):
            assert await visitor.go(path) == 200
            await visitor.page.wait_for_timeout(50)
            assert await visitor.page.title() != "owned"
            assert await visitor.page.locator("img[src=x], main script").count() == 0
            assert NASTY[:40] in await visitor.page.inner_text("main")
            assert "49" not in (await visitor.page.inner_text("h1"))
