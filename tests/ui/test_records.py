"""Records in the web interface: what changed last, and the history of one of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

import pytest
from tests.api.callers import Caller
from tests.kit.browser import Visitor
from tests.kit.pages import Pages
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.ui.jobs_given import NASTY, changed, history

pytestmark = pytest.mark.asyncio(loop_scope="session")
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]


@pytest.fixture(scope="module")
def caller(shared_server: Server) -> Caller:
    caller = Caller(shared_server)
    history(shared_server, caller.tenant)
    return caller


@pytest.fixture
def pages(shared_server: Server, caller: Caller) -> Pages:
    return Pages(shared_server, caller.key("viewer"))


async def test_what_changed_last_and_the_way_to_one_record(pages: Pages, shared_server: Server) -> None:
    page = pages.get("/ui/records")
    rows = re.findall(r"customers/(r\d \w+ \w+ \d \d)", page.words)
    assert rows[:3] == ["r1 updated unmerge 8 0", "r3 created unmerge 8 1", "r1 updated enrich 7 0"]
    found = pages.get("/ui/records?table=customers&record=r1")
    assert (found.status, found.location) == (303, "/ui/records/customers/r1")
    assert pages.get("/ui/records?record=a/b").location == "/ui/records/default/a%2Fb"
    assert pages.get("/ui/records/customers/nobody").status == 404
    empty = Pages(shared_server, Caller(shared_server).key("viewer")).get("/ui/records").words
    assert "Changes of golden records show up here." in empty


async def test_versions_newest_first_with_what_each_changed(pages: Pages) -> None:
    page = pages.get("/ui/records/customers/r1")
    order = [page.words.index(f"Version {number} ·") for number in (8, 7, 6, 5, 4, 1)]
    assert order == sorted(order)
    for words in (
        "Version 8 · unmerge",
        "0 customers/r1 updated ; 1 customers/r3 created",
        "0 customers/r1 updated ; 1 customers/r2 deleted",
        '± changed address.street "Hill 1" "Hill 2"',
        '± changed city "Bern" "Basel"',
        '+ added phone "+41"',
        '\N{MINUS SIGN} removed phone "+41"',
        '+ added tags ["a"]',
        "customers/r3 was separated from customers/r1",
        "customers/r2 was merged into customers/r1",
    ):
        assert words.replace(" ;", ";") in page.words.replace(" ;", ";"), words
    assert 'href="/ui/records/customers/r2"' in page.text


async def test_the_record_that_was_merged_and_came_back(pages: Pages) -> None:
    page = pages.get("/ui/records/customers/r3")
    for words in (
        "customers/r3 was merged into customers/r1",
        "customers/r3 was separated from customers/r1",
        '\N{MINUS SIGN} removed name "A. Smith"',
        '+ added name "A. Smith"',
    ):
        assert words in page.words, words


async def test_a_page_knows_what_its_oldest_version_changed(shared_server: Server) -> None:
    caller = Caller(shared_server)
    for number in range(30):
        changed(shared_server, caller.tenant, {"action": "update", "record": {"id": "r", "data": {"n": number}}})
    pages = Pages(shared_server, caller.key("viewer"))
    page = pages.get("/ui/records/customers/r")
    assert "Version 6 · update" in page.words
    assert "± changed n 4 5" in page.words
    assert "Version 5 ·" not in page.words
    older = page.text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "+ added n 0" in pages.get(older).words


async def test_another_tenant_has_no_such_record(shared_server: Server, caller: Caller) -> None:
    other = Caller(shared_server)
    changed(shared_server, other.tenant, {"action": "create", "record": {"id": "r1", "data": {"secret": "of another"}}})
    pages = Pages(shared_server, other.key("viewer"))
    assert "Anna" not in pages.get("/ui/records/customers/r1").text
    assert pages.get("/ui/records/customers/r2").status == 404
    operator = Pages(shared_server)
    shown = operator.get(f"/ui/records/customers/r1?tenant={caller.tenant}").text
    assert "Anna" in shown
    assert "of another" not in shown
    both = operator.get("/ui/records/customers/r1").text
    assert ("Anna" in both) is not ("of another" in both)


async def test_an_erased_record_leaves_its_place(shared_server: Server) -> None:
    caller = Caller(shared_server)
    history(shared_server, caller.tenant)
    asked = caller.post("/v1/erasures", {"subject_type": "record", "subject_id": "customers/r2"})
    assert asked.status == 202
    await until(lambda: caller.get(f"/v1/erasures/{asked.json['id']}").json["state"] == "finished")
    pages = Pages(shared_server, caller.key("viewer"))
    assert pages.get("/ui/records").status == 200
    page = pages.get("/ui/records/customers/r1")
    assert page.status == 200
    assert "customers/r2" not in page.text
    assert "Version 5 · merge" in page.words


async def test_what_is_too_large_is_left_to_the_event(shared_server: Server) -> None:
    caller = Caller(shared_server)
    for text in ("a", "b" * 100_000, "c"):
        changed(shared_server, caller.tenant, {"action": "update", "record": {"id": "r", "data": {"n": text}}})
    page = Pages(shared_server, caller.key("viewer")).get("/ui/records/customers/r")
    assert page.words.count("Too large to be compared here") == 2
    assert '+ added n "a"' in page.words
    assert "bbbb" not in page.text


async def test_lines_that_meet_lead_to_the_other_record(shared_server: Server, caller: Caller, visit: Visit) -> None:
    async with visit(shared_server) as visitor:
        await visitor.sign_in(caller.key("viewer"))
        await visitor.go("/ui/records/customers/r1")
        await visitor.page.click("svg.graph a:has-text('customers/r2')")
        assert await visitor.page.inner_text("h1") == "customers/r2"
        await visitor.page.click("svg.graph a[href='#v5'] circle")
        assert visitor.page.url.endswith("#v5")


@pytest.mark.parametrize("width", [400, 1280])
async def test_nothing_sticks_out(shared_server: Server, visit: Visit, width: int) -> None:
    caller, long = Caller(shared_server), "x" * 400
    data = {long: long, "b": {long: [long]}}
    changed(
        shared_server,
        caller.tenant,
        {"action": "create", "table": "t", "record": {"id": long, "data": data}},
        {"action": "merge", "table": "t", "record": {"id": "r", "data": data}, "retired": {"id": long}},
    )
    async with visit(shared_server, viewport={"width": width, "height": 800}) as visitor:
        await visitor.sign_in(caller.key("viewer"))
        for path in ("/ui/records", "/ui/records/t/r", f"/ui/records/t/{long}"):
            assert await visitor.go(path) == 200
            assert await visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def test_what_producers_send_is_never_markup(shared_server: Server, visit: Visit) -> None:
    caller, table = Caller(shared_server), NASTY.replace("/", "")
    data = {NASTY: NASTY, "list": [NASTY], "inner": {NASTY: {NASTY: NASTY}}}
    changed(
        shared_server,
        caller.tenant,
        {"action": "create", "table": table, "record": {"id": NASTY, "data": data}},
        {
            "action": "merge",
            "table": table,
            "record": {"id": NASTY, "data": {NASTY: 1}},
            "retired": {"id": NASTY + "2"},
        },
    )
    async with visit(shared_server) as visitor:
        await visitor.sign_in(caller.key("viewer"))
        names = [f"{quote(table, safe='')}/{quote(NASTY + more, safe='')}" for more in ("", "2")]
        for path in ("/ui/records", *(f"/ui/records/{name}" for name in names)):
            assert await visitor.go(path) == 200
            await visitor.page.wait_for_timeout(50)
            assert await visitor.page.title() != "owned"
            assert await visitor.page.locator("img[src=x], main script").count() == 0
            assert NASTY[:40] in await visitor.page.inner_text("main")
