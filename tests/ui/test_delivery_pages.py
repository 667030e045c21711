"""Deliveries, events and replays as pages, without a browser: roles, tenants, words, exact bytes, and that scripts are not needed."""

from __future__ import annotations

import asyncio
import html
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.api.callers import Caller
from tests.kit.pages import Pages
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer
from tests.ui.deliveries import CLOSED, LATER, NEVER, answer_by_type, emit, listed, settle
from tests.ui.jobs_given import changed


def admin(server: Server, caller: Caller) -> Pages:
    return Pages(server, caller.key("admin"))


async def test_a_retry_is_told_with_its_time_and_why_and_its_secrets_are_placeholders(shared_server: Server) -> None:
    caller = Caller(shared_server)
    secret = {"name": "X-Token", "value": "hunter2-hunter2", "sensitive": True}
    with WebServer(answer_by_type) as web:
        caller.endpoint(name="CRM", url=web.url, retry=LATER, headers=[secret])
        emit(caller, "order.paid", "o/1")
        await settle(caller, pending=1)
        people = admin(shared_server, caller)
        (one,) = listed(caller, "")
        assert "◐ retrying (1), next in" in people.get("/ui/deliveries").words
        page = people.get(f"/ui/deliveries/{one['id']}")
        assert "It is tried again by the endpoint's retry schedule." in page.words
        assert "The receiver answered 503. The receiver is not available for the moment." in page.words
        assert "Attempt 1: 503 in" in page.words
        assert "first byte" in page.words
        assert "'X-Token: '\"$X_TOKEN\" \\" in html.unescape(page.text)
        assert "hunter2" not in page.text
        assert f"tocsin deliveries resend {one['id']}" in page.words
        path = f"/ui/deliveries/{one['id']}/attempts/1"
        (asked,) = web.asked
        assert people.get(f"{path}/request-body").body == asked.body
        signed = people.get(f"{path}/signed-text").body
        assert signed == f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
        assert people.get(f"{path}/else").status == 404
        assert people.get(f"/ui/deliveries/{one['id']}~1").status == 200
        caller.post(f"/v1/endpoints/{one['endpoint_id']}/disable")
        assert (
            "The endpoint is disabled: what is pending for it is held"
            in people.get(f"/ui/deliveries/{one['id']}").words
        )
        assert "retrying (1), endpoint disabled" in people.get("/ui/deliveries").words
        refused = people.post(f"/ui/deliveries/{one['id']}/resend")
        assert refused.status == 409
        assert "The endpoint of this delivery is disabled." in refused.words


def pasted(text: str, folder: Path, **variables: str) -> str:
    """What a shell does with what was copied."""
    tocsin = f'tocsin() {{ {shlex.quote(sys.executable)} -m tocsin "$@"; }}'
    done = subprocess.run(
        ["/bin/sh", "-c", f"{tocsin}\n{text}"],
        cwd=folder, env={**os.environ, "NO_PROXY": "*", **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("size", [10, 10_000])
async def test_what_is_copied_works_in_a_shell(shared_server: Server, tmp_path: Path, size: int) -> None:
    caller = Caller(shared_server)
    secret = {"name": "X-Token", "value": "hunter2-hunter2", "sensitive": True}
    with WebServer(answer_by_type) as web:
        caller.endpoint(name="CRM", url=f"{web.url}?a='b'&c=$HOME", headers=[secret])
        emit(caller, "order.created", "it's", b'{"text": "%s"}' % (b"'$x`" * size))
        await settle(caller, delivered=1)
        people = admin(shared_server, caller)
        (one,) = listed(caller, "")
        page = people.get(f"/ui/deliveries/{one['id']}")
        curl, show = (html.unescape(text) for text in re.findall(r'data-copy="([^"]+)" aria-label="Copy as', page.text))
        if "--data-binary" in curl:
            body = people.get(f"/ui/deliveries/{one['id']}/attempts/1/request-body")
            name = re.findall(r'filename="([^"]+)"', body.headers["content-disposition"])[0]
            (tmp_path / name).write_bytes(body.body)
        await asyncio.to_thread(pasted, curl, tmp_path, X_TOKEN="hunter2-hunter2")
        first, second = web.asked
        assert (second.path, second.body) == (first.path, first.body)
        assert {name: second.headers[name] for name in first.headers if name != "accept-encoding"} == {
            name: value for name, value in first.headers.items() if name != "accept-encoding"
        }
        variables = {"TOCSIN_URL": shared_server.url, "TOCSIN_API_KEY": caller.key("viewer")}
        assert one["id"] in await asyncio.to_thread(pasted, show, tmp_path, **variables)


async def test_what_was_cut_is_told_in_bytes(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(200, b"x" * 100_000)) as web:
        caller.endpoint(url=web.url)
        emit(caller, "order.created", "o/1", b'{"text": "%s"}' % (b"y" * 100_000))
        await settle(caller, delivered=1)
        (one,) = listed(caller, "")
        words = admin(shared_server, caller).get(f"/ui/deliveries/{one['id']}").words
        sent = len(web.asked[0].body)
        assert f"Cut: 65 536 of {sent:,} bytes (64 KiB of 98 KiB) were kept".replace(",", " ") in words
        assert "Cut: 16 384 of 100 000 bytes (16 KiB of 98 KiB) were kept" in words


async def test_an_endpoint_that_takes_nothing_is_helped_from_the_delivery(shared_server: Server) -> None:
    caller = Caller(shared_server)
    wait = (("Retry-After", "240"),)
    with WebServer(lambda _: Say(503, b"", wait)) as web:
        made = caller.endpoint(name="CRM", url=web.url, retry=LATER)
        emit(caller, "order.created", "o/1")
        await settle(caller, pending=1)
        people = admin(shared_server, caller)
        (one,) = listed(caller, "")
        path = f"/ui/deliveries/{one['id']}"
        await until(lambda: "retrying (1), paused, next in" in people.get("/ui/deliveries").words)
        page = people.get(path)
        assert "The endpoint is paused: The receiver answered 503. Nothing is sent before" in page.words
        assert "It asked to be left in peace for a while (Retry-After: 240 s)." in page.words
        resumed = people.post(f"/ui/endpoints/{made['id']}/resume", {"back": path})
        assert "CRM is sent to again." in people.follow(resumed).words
        caller.post(f"/v1/endpoints/{made['id']}/disable")
        assert "Enable the endpoint" in people.get(path).words
        enabled = people.post(f"/ui/endpoints/{made['id']}/enable", {"back": path})
        assert enabled.location == path
        assert "CRM is enabled" in people.follow(enabled).words


async def test_an_event_shows_its_data_as_it_was_and_its_deliveries(shared_server: Server) -> None:
    caller = Caller(shared_server)
    data = b'{"amount" : 1.50,"n":12345678901234567890}'
    with WebServer(answer_by_type) as web:
        caller.endpoint(name="CRM", url=web.url)
        event = emit(caller, "order.created", "o/1", data)
        emit(caller, "refund.made", "r/1")
        await settle(caller, delivered=2)
        people = admin(shared_server, caller)
        found = people.get("/ui/events?type=order.*&last=1h")
        assert "order.created" in found.words
        assert "refund.made" not in found.words
        page = people.get(f"/ui/events/{event}")
        plain = html.unescape(re.sub(r"<[^>]+>", "", page.text))
        assert '{\n  "amount": 1.50,\n  "n": 12345678901234567890\n}' in plain
        assert "● delivered" in page.words
        raw = people.get(f"/ui/events/{event}/data")
        assert (raw.body, raw.headers["content-type"]) == (data, "application/octet-stream")
        job = caller.post("/v1/jobs/reports", {"job_id": "job/1", "job_type": "load", "state": "running"}).json
        page = people.get(f"/ui/events/{job['results'][0]['event_ids'][0]}")
        assert "job/1" in page.words
        assert 'href="/ui/jobs/job%2F1"' in page.text
        changed(shared_server, caller.tenant, {"action": "create", "record": {"id": "r/1", "data": {}}})
        (about,) = caller.get("/v1/events?subject_type=record").json["items"]
        await until(lambda: listed(caller, "subject_type=record"))
        (sent,) = listed(caller, "subject_type=record")
        for path in (f"/ui/events/{about['id']}", f"/ui/deliveries/{sent['id']}"):
            assert 'href="/ui/records/customers/r%2F1"' in people.get(path).text


async def test_erased_events_are_told_and_cannot_be_sent_again(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(answer_by_type) as web:
        caller.endpoint(name="CRM", url=web.url)
        event = emit(caller, "order.created", "person-7")
        await settle(caller, delivered=1)
        made = caller.post("/v1/erasures", {"subject_type": "order", "subject_id": "person-7"}).json
        await until(lambda: caller.get(f"/v1/erasures/{made['id']}").json["state"] == "finished")
        people = admin(shared_server, caller)
        (one,) = listed(caller, "")
        for path in ("/ui/deliveries", f"/ui/deliveries/{one['id']}", "/ui/events", f"/ui/events/{event}"):
            page = people.get(path)
            assert "erased" in page.words, path
            assert "person-7" not in page.text
        page = people.get(f"/ui/deliveries/{one['id']}")
        assert "cannot be sent again" in page.words
        assert "/resend" not in page.text


async def test_a_batch_names_its_members(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(200)) as web:
        caller.endpoint(url=web.url, delivery={"mode": "batch", "max_events": 3, "max_wait_seconds": 3600})
        for number in range(3):
            emit(caller, "order.created", f"member-{number}")
        await settle(caller, delivered=3)
        people = admin(shared_server, caller)
        page = people.get(f"/ui/deliveries/{listed(caller, '')[0]['id']}")
        assert all(f"member-{number}" in page.words for number in range(3))
        batch = listed(caller, "")[0]["batch_id"]
        assert people.get(f"/ui/deliveries?batch={batch}").text.count("data-row") == 3


async def test_a_viewer_sees_and_changes_nothing(shared_server: Server) -> None:
    caller = Caller(shared_server)
    with WebServer(answer_by_type) as web:
        made = caller.endpoint(url=web.url, retry=NEVER)
        for subject in ("o/1", "o/2"):
            emit(caller, "order.paid", subject)
        await settle(caller, dead=2)
        replay = caller.post("/v1/replays", {"endpoint_id": made["id"], "rate_per_second": 0.001}).json
        all_ = [d for d in listed(caller, "") if d["replay_id"] is None]
        one = all_[0]
        viewer = Pages(shared_server, caller.key("viewer"))
        paths = (
            "/ui/deliveries?state=dead",
            f"/ui/deliveries/{one['id']}",
            "/ui/deliveries/dead",
            "/ui/events",
            f"/ui/events/{one['event_id']}",
            "/ui/replays",
            f"/ui/replays/{replay['id']}",
        )
        for path in paths:
            page = viewer.get(path)
            assert page.status == 200, path
            main = page.text.partition("<main")[2].partition("</main>")[0]
            assert 'method="post"' not in main, path
            assert 'type="checkbox"' not in main, path
        filter_ = "state=dead"
        for path, form in (
            ("/ui/deliveries", {"one": one["id"]}),
            ("/ui/deliveries", {"act": "resend", "id": one["id"], "filter": filter_}),
            ("/ui/deliveries", {"act": "resend-all", "filter": filter_, "confirmed": "yes"}),
            ("/ui/deliveries", {"act": "cancel-all", "filter": "", "confirmed": "yes"}),
            (f"/ui/deliveries/{one['id']}/cancel", {"confirmed": "yes"}),
            (f"/ui/replays/{replay['id']}/pause", {}),
            ("/ui/replays/new", {"act": "begin", "endpoint": made["id"]}),
        ):
            answer = viewer.post(path, form)
            said = answer.words if answer.status != 303 else viewer.follow(answer).words
            assert answer.status in {403, 422, 303}, (path, form, answer)
            assert "may not do this" in said, (path, form, said)
        assert [d for d in listed(caller, "") if d["replay_id"] is None] == all_
        assert caller.get(f"/v1/replays/{replay['id']}").json["state"] == "running"
        caller.post(f"/v1/replays/{replay['id']}/cancel")


async def test_what_is_of_another_tenant_is_not_found(shared_server: Server) -> None:
    other, me = Caller(shared_server), Caller(shared_server)
    with WebServer(answer_by_type) as web:
        made = other.endpoint(url=web.url, retry=NEVER)
        emit(other, "order.paid", "theirs")
        await settle(other, dead=1)
        replay = other.post("/v1/replays", {"endpoint_id": made["id"], "rate_per_second": 0.001}).json
        (one,) = [d for d in listed(other, "") if d["replay_id"] is None]
        people = admin(shared_server, me)
        for path in (
            f"/ui/deliveries/{one['id']}",
            f"/ui/deliveries/{one['id']}/attempts/1/request-body",
            f"/ui/events/{one['event_id']}",
            f"/ui/events/{one['event_id']}/data",
            f"/ui/replays/{replay['id']}",
        ):
            assert people.get(path).status == 404, path
        for path in ("resend", "cancel"):
            assert people.post(f"/ui/deliveries/{one['id']}/{path}", {"confirmed": "yes"}).status == 404
        assert people.post("/ui/deliveries", {"one": one["id"]}).status == 404
        assert people.post(f"/ui/replays/{replay['id']}/cancel", {"confirmed": "yes"}).status == 404
        begun = people.post("/ui/replays/new", {"act": "begin", "endpoint": made["id"]})
        assert begun.status == 422
        for path in (
            "/ui/deliveries",
            "/ui/deliveries/dead",
            "/ui/events",
            "/ui/replays",
            "/ui/deliveries?subject_id=theirs",
        ):
            assert one["id"] not in people.get(path).text
            assert "order.paid" not in people.get(path).text
        ticked = people.post("/ui/deliveries", {"act": "resend", "id": one["id"], "filter": ""})
        assert "0 deliveries resent. 1 not:" in people.follow(ticked).words
        assert [d for d in listed(other, "") if d["replay_id"] is None] == [one]
        other.post(f"/v1/replays/{replay['id']}/cancel")


def test_a_wrong_filter_is_told_and_a_wrong_replay_keeps_what_was_typed(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint()
    people = admin(shared_server, caller)
    assert people.get("/ui/deliveries?since=yesterday").status == 422
    assert people.get("/ui/deliveries?batch=bat_x&event_type=a").status == 422
    assert "Not a time" in people.get("/ui/events?until=x").words
    typed = {"act": "count", "endpoint": made["id"], "where": "data.x >", "rate": "12", "subject_id": "kept-as-typed"}
    answer = people.post("/ui/replays/new", typed)
    assert answer.status == 422
    assert 'value="data.x &gt;"' in answer.text
    assert 'value="kept-as-typed"' in answer.text
    assert 'id="n-where"' in answer.text
    assert "It must be a number" in people.post("/ui/replays/new", typed | {"where": "", "rate": "fast"}).words
    assert people.post("/ui/replays/new", {"act": "count", "endpoint": ""}).status == 422
    assert people.post("/ui/replays/new", typed | {"where": "", "only": "some"}).status == 422
    counted = people.post("/ui/replays/new", {"act": "count", "endpoint": made["id"], "subject_id": "a b"})
    assert "0 events to e: everything that the endpoint wants" in counted.words
    assert f"tocsin replay start {made['id']} --subject-id 'a b'" in counted.words


@pytest.mark.parametrize("query", ["endpoint={id}&only=dead", "endpoint={id}&subject_id=s&rate=5"])
def test_the_form_of_a_replay_is_filled_in_from_its_address(shared_server: Server, query: str) -> None:
    caller = Caller(shared_server)
    made = caller.endpoint(name="Filled in")
    page = admin(shared_server, caller).get(f"/ui/replays/new?{query.format(id=made['id'])}")
    assert f'<option value="{made["id"]}" selected>Filled in' in page.text
    assert ('<option value="dead" selected>' in page.text) == ("only=dead" in query)
    assert ('value="5"' in page.text) == ("rate=5" in query)


async def test_everything_is_done_without_scripts(shared_server: Server) -> None:
    """By forms alone: count, begin, pause, resume, cancel; the page of a replay has a way to look again."""
    caller = Caller(shared_server)
    with WebServer(lambda _: Say(200)) as web:
        made = caller.endpoint(name="Shop", url=web.url, circuit=CLOSED)
        for number in range(5):
            emit(caller, "order.created", f"o/{number}")
        await settle(caller, delivered=5)
        people = admin(shared_server, caller)
        form = {"endpoint": made["id"], "only": "all", "rate": "0.01", "event_type": "order.*"}
        counted = people.post("/ui/replays/new", form | {"act": "count"})
        assert "5 events to Shop: everything that the endpoint wants" in counted.words
        assert "about 8 min" in counted.words
        assert "Event type order.*" in counted.words
        assert caller.get("/v1/replays").json["items"] == []
        once = re.findall(r'name="once" value="([^"]+)"', counted.text)[0]
        begun = people.post("/ui/replays/new", form | {"act": "begin", "once": once})
        again = people.post("/ui/replays/new", form | {"act": "begin", "once": once})
        assert again.location == begun.location, "a second click begins nothing"
        assert len(caller.get("/v1/replays").json["items"]) == 1
        page = people.follow(begun)
        assert "◐ running" in page.words
        assert "Refresh" in page.words
        replay = begun.location.rpartition("/")[2]
        assert "‖ paused" in people.follow(people.post(f"/ui/replays/{replay}/pause")).words
        assert "◐ running" in people.follow(people.post(f"/ui/replays/{replay}/resume")).words
        asked = people.post(f"/ui/replays/{replay}/cancel")
        assert "events that were not sent yet will not be sent" in asked.words
        people.post(f"/ui/replays/{replay}/cancel", {"confirmed": "yes"})
        await until(lambda: "■ cancelled" in people.get(f"/ui/replays/{replay}").words)
        assert "■ cancelled" in people.get("/ui/replays").words
        assert caller.get(f"/v1/replays/{replay}").json["filters"] == [{"event_types": ["order.*"]}]
