"""Endpoints without a browser: the list, one of them, what is done with it, and who may do it."""

from __future__ import annotations

import hashlib
import hmac
import html
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from tests.kit.html_forms import HtmlForm
from tests.kit.pages import PageAnswer, Pages
from tests.kit.server import Server
from tests.kit.token_servers import key_pair
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

HARM = "<script>window.hurt=1</script>"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer(lambda asked: Say(503 if b"job.failed" in asked.body else 200, HARM.encode())) as server:
        yield server


@pytest.fixture(scope="module")
def operator(shared_server: Server) -> Pages:
    return Pages(shared_server)


def made(server: Server, tenant: str, url: str = "http://127.0.0.1:9/", **fields: object) -> Any:
    answer = server.post(f"/v1/endpoints?tenant={tenant}", {"name": "e", "url": url} | fields)
    assert answer.status == 201, answer
    return answer.json


def reported(server: Server, tenant: str, *states: str) -> None:
    for number, state in enumerate(states):
        report = {"job_id": f"job-{number}", "job_type": "t", "state": state, "tenant": tenant}
        assert server.post("/v1/jobs/reports", report).status == 202


def names(page: PageAnswer) -> list[str]:
    return [html.unescape(name) for name in re.findall(r'<a href="[^"]+" data-open>([^<]*)</a>', page.text)]


def text_of(page: PageAnswer) -> str:
    """As `words`, with its white space."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.text))


def asks(page: PageAnswer) -> bool:
    """Whether the page asks before it does something; then it is done by sending its form."""
    return 'name="confirmed"' in page.text


def test_the_list_is_filtered_sorted_and_empty(shared_server: Server, operator: Pages) -> None:
    page = operator.get("/ui/endpoints?tenant=listed")
    assert "There is none yet." in page.words
    assert "tocsin endpoints add NAME URL" in page.words
    assert page.text.count("/ui/endpoints/new") == 1
    made(shared_server, "listed", name="b", format={"kind": "tamr"})
    made(shared_server, "listed", name="c", enabled=False)
    made(shared_server, "listed", name="a <b>")
    assert names(operator.get("/ui/endpoints?tenant=listed")) == ["a <b>", "c", "b"]
    assert names(operator.get("/ui/endpoints?tenant=listed&sort=name")) == ["a <b>", "b", "c"]
    assert names(operator.get("/ui/endpoints?tenant=listed&sort=state"))[0] == "c"
    sorted_by_name = operator.get("/ui/endpoints?tenant=listed&sort=name").text
    assert sorted_by_name.count("aria-sort") == 1
    assert re.search(
        r'<th scope="col" aria-sort="ascending"><a href="/ui/endpoints\?tenant=listed">Name', sorted_by_name
    )
    for column in ("state", "success", "p99", "backlog", "dead"):
        assert f'<a href="/ui/endpoints?tenant=listed&amp;sort={column}">' in sorted_by_name
        assert len(names(operator.get(f"/ui/endpoints?tenant=listed&sort={column}"))) == 3
    assert 'name="sort" value="name"' in sorted_by_name, "filtering keeps the order"
    assert "24 hours, the oldest first: 0 without a failure" in sorted_by_name
    assert names(operator.get("/ui/endpoints?tenant=listed&state=disabled")) == ["c"]
    assert names(operator.get("/ui/endpoints?tenant=listed&format=tamr&search=B")) == ["b"]
    assert "No endpoint is like that." in operator.get("/ui/endpoints?tenant=listed&search=zzz").words


async def test_an_endpoint_says_how_it_stands(shared_server: Server, operator: Pages, web: WebServer) -> None:
    end = made(
        shared_server,
        "stands",
        web.url,
        retry={"schedule_seconds": [600]},
        circuit={"failures": 2, "deliveries": 1, "cool_down_seconds": 600},
        filters=[{"verbs": ["failed", "succeeded"]}],
    )
    reported(shared_server, "stands", "succeeded")
    await until(lambda: bool(web.asked))
    failed = [{"job_id": f"f-{n}", "job_type": "t", "state": "failed", "tenant": "stands"} for n in range(2)]
    assert shared_server.post("/v1/jobs/reports", failed).status == 202
    await until(lambda: shared_server.get(f"/v1/endpoints/{end['id']}").json["state"] == "paused")
    await until(lambda: len(shared_server.get(f"/v1/endpoints/{end['id']}/attempts").json["items"]) == 3)
    path = f"/ui/endpoints/{end['id']}"
    page = operator.get(path)
    assert re.search(r"‖ paused since \S+ (s|min) ago , until \d{4}-", page.words) or "paused since now" in page.words
    assert "The circuit is open after 2 failures in a row." in page.words
    assert "Last 3 attempts: ● 1 delivered ◐ 2 to be retried ✕ 0 rejected · 24 h: success 33.3 %" in page.words
    assert "503" in page.text
    delivery = shared_server.get(f"/v1/endpoints/{end['id']}/attempts").json["items"][0]["delivery_id"]
    assert page.text.count("<rect") == 3
    assert f'href="/ui/deliveries/{delivery}~1"' in page.text
    assert "job.failed" in page.words
    health = operator.get(f"{path}/health?range=1h").words
    for text in ("Circuit open", "2 failures since the last success", "status 2", "the limit in force; at most 32"):
        assert text in health
    assert "Resume now" in page.words
    resumed = operator.follow(operator.post(f"{path}/resume", {"back": path}))
    assert "e is sent to again." in resumed.words
    assert "Resume now" not in resumed.words
    row = operator.get("/ui/endpoints?tenant=stands").words
    assert "healthy" in row
    code = text_of(operator.get(f"{path}/code"))
    assert "schedule_seconds:" in code
    assert "tocsin apply endpoints.yaml" in code


def test_it_is_disabled_and_enabled(shared_server: Server, operator: Pages) -> None:
    end = made(shared_server, "switched")
    path = f"/ui/endpoints/{end['id']}"
    for action, state in (("disable", "disabled"), ("enable", "healthy")):
        page = operator.follow(operator.post(f"{path}/{action}", {"back": f"{path}/health"}))
        assert f"e is {action}d" in page.words
        assert "How long attempts took" in page.words
        assert shared_server.get(f"/v1/endpoints/{end['id']}").json["state"] == state


def test_a_test_shows_request_and_answer_exactly(shared_server: Server, operator: Pages, web: WebServer) -> None:
    end = made(shared_server, "tested", web.url, authorization={"kind": "bearer", "token": "hush-hush"})
    path = f"/ui/endpoints/{end['id']}/test"
    page = operator.post(path, {"event_type": "record.updated"})
    assert "delivered 200" in page.words
    assert HARM not in page.text
    assert HARM in text_of(page)
    assert "hush" not in page.text
    (request,) = web.asked
    assert request.body.decode() in text_of(page)
    assert request.headers["webhook-id"] in page.text
    failed = operator.post(path, {"event_type": "job.failed"})
    assert "failed 503" in failed.words
    assert "A delivery would be tried again." in failed.words
    assert operator.post(path, {"event_type": "job.nothing"}).status == 422


async def test_a_secret_is_rotated_with_an_overlap(shared_server: Server, operator: Pages, web: WebServer) -> None:
    end = made(shared_server, "rotated", web.url, signing={"kind": "hmac", "header": "X-Sig", "key": "old-old-old"})
    path = f"/ui/endpoints/{end['id']}"
    assert "Rotate the signing secret" in operator.get(f"{path}/rotate").words
    wrong = operator.post(f"{path}/rotate", {"overlap": "soon"})
    assert wrong.status == 422
    page = operator.post(f"{path}/rotate", {"overlap": "1h", "secret": ""})
    assert page.headers["cache-control"] == "no-store"
    found = re.search(r"<pre[^>]*><code>(.*?)</code>", page.text)
    assert found
    secret = re.sub(r"<[^>]+>", "", found[1])
    until_ = re.search(r'datetime="([^"]+)"', page.text)
    assert until_
    left = datetime.fromisoformat(until_[1]).timestamp() - datetime.now().timestamp()  # noqa: DTZ005 (of this machine)
    assert 3500 < left <= 3600
    assert "The old signing secret signs as well until" in operator.get(path).words
    assert secret not in operator.get(path).text
    reported(shared_server, "rotated", "succeeded")
    await until(lambda: bool(web.asked))
    request = web.asked[-1]
    for header, key in (("x-sig", secret), ("x-sig-previous", "old-old-old")):
        assert request.headers[header] == hmac.new(key.encode(), request.body, hashlib.sha256).hexdigest()
    assert operator.post(f"{path}/rotate", {"secret": "mine-mine-mine", "overlap": "0s"}).status == 200
    assert "The old signing secret" not in operator.get(path).words


async def test_what_is_pending_is_counted_before_it_goes(
    shared_server: Server, operator: Pages, web: WebServer
) -> None:
    end = made(shared_server, "gone", web.url, retry={"schedule_seconds": [600]}, filters=[{"verbs": ["failed"]}])
    reported(shared_server, "gone", "failed", "failed", "failed")
    stats = f"/v1/endpoints/{end['id']}/stats"
    await until(lambda: shared_server.get(stats).json["attempts"]["total"] == 3)
    path = f"/ui/endpoints/{end['id']}"
    asked = operator.post(f"{path}/cancel-pending")
    assert asks(asked)
    assert "3 deliveries are pending" in asked.words
    assert shared_server.get(stats).json["pending_deliveries"] == 3
    page = operator.follow(operator.post(f"{path}/cancel-pending", {"confirmed": "yes"}))
    assert "3 deliveries are cancelled." in page.words
    asked = operator.post(f"{path}/delete")
    assert asks(asked)
    assert "Delete the endpoint e?" in asked.words
    assert "0 pending deliveries are cancelled with it" in asked.words
    page = operator.follow(operator.post(f"{path}/delete", {"confirmed": "yes"}))
    assert "The endpoint is deleted." in page.words
    assert operator.get(path).status == 404


def test_a_receiver_is_asked_for_its_consent(shared_server: Server, operator: Pages) -> None:
    def allow(asked: Asked) -> Say:
        origin = asked.headers.get("webhook-request-origin", "")
        return Say(200, headers=(("WebHook-Allowed-Origin", origin), ("WebHook-Allowed-Rate", "*")))

    with WebServer(allow) as web:
        end = made(shared_server, "asked", web.url, validation="required")
        path = f"/ui/endpoints/{end['id']}"
        assert "Consent" in operator.get(f"{path}/health").words
        assert "granted" in operator.follow(operator.post(f"{path}/validate")).words


ACTIONS = ("enable", "disable", "resume", "test", "rotate", "cancel-pending", "delete", "validate", "settings")


def test_a_viewer_sees_no_buttons_and_a_forged_form_changes_nothing(shared_server: Server) -> None:
    end = made(shared_server, "viewed", validation="optional")
    key = shared_server.post("/v1/api-keys", {"name": "v", "role": "viewer", "tenant": "viewed"}).json["value"]
    viewer = Pages(shared_server, key)
    path = f"/ui/endpoints/{end['id']}"
    for page in ("", "/health", "/code"):
        shown = viewer.get(path + page)
        assert shown.status == 200
        assert not re.search(r'action="/ui/endpoints', shown.text)
        assert "Settings" not in shown.words
    assert "New endpoint" not in viewer.get("/ui/endpoints").words
    for page in (f"{path}/settings", f"{path}/rotate", "/ui/endpoints/new"):
        assert viewer.get(page).status == 403
    before = shared_server.get(f"/v1/endpoints/{end['id']}").body
    form = {"confirmed": "yes", "do": "save", "name": "x", "url": "http://127.0.0.1:9/"}
    for action in ACTIONS:
        assert viewer.post(f"{path}/{action}", form).status == 403, action
    for action in ("new", "panel"):
        for do in ("save", "test", "preview"):
            assert viewer.post(f"/ui/endpoints/{action}", form | {"do": do}).status == 403
    stranger = Pages(shared_server)
    for action in ACTIONS:
        assert stranger.post(f"{path}/{action}", form, csrf="forged").status == 403
    assert shared_server.get(f"/v1/endpoints/{end['id']}").body == before
    assert len(shared_server.get("/v1/endpoints?tenant=viewed").json["items"]) == 1


def test_an_endpoint_of_another_tenant_is_not_there(shared_server: Server) -> None:
    end = made(shared_server, "theirs")
    key = shared_server.post("/v1/api-keys", {"name": "a", "role": "admin", "tenant": "ours"}).json["value"]
    admin = Pages(shared_server, key)
    path = f"/ui/endpoints/{end['id']}"
    for page in ("", "/health", "/code", "/settings", "/rotate"):
        assert admin.get(path + page).status == 404
    for action in ACTIONS:
        assert admin.post(f"{path}/{action}", {"confirmed": "yes", "do": "save"}).status == 404, action
    form = {
        "instead_of": end["id"],
        "name": "x",
        "url": "http://127.0.0.1:9/",
        "signing.kind": "none",
        "format.kind": "tamr",
    }
    page = admin.post("/ui/endpoints/panel", form)
    assert 'class="problem"' in page.text
    assert "POST http" not in page.words


HARMFUL = f"\"'>&lt;{HARM}{{{{7*7}}}}"
ASSERTION = {"private_key": key_pair().pem, "audience": HARMFUL, "use": "grant", "issuer": HARMFUL, "key_id": HARMFUL}
OAUTH2 = {
    "kind": "oauth2", "token_url": "https://idp.example/?a=1&amp;", "client_id": HARMFUL, "client_secret": "hush", "scope": HARMFUL,
    "parameters": {HARMFUL: HARMFUL, "b": ""}, "content_type": "application/json", "credentials_in": "body",
    "basic_encoding": "raw", "assertion": ASSERTION,
}  # fmt: skip
EVERYTHING: tuple[dict[str, object], ...] = (
    {"authorization": OAUTH2, "format": {"kind": "cloudevents", "mode": "binary", "type": HARMFUL, "source": HARMFUL},
     "signing": {"kind": "none"}, "ordering": "subject", "rate_limit": {"requests": 3, "per_seconds": 90}},
    {"authorization": {"kind": "basic", "username": "<b>", "password": "hush"}, "format": {"kind": "tamr", "type": HARMFUL},
     "delivery": {"mode": "batch", "max_events": 7, "max_wait_seconds": 0.5, "max_bytes": 1000},
     "signing": {"kind": "http_message_signature", "algorithm": "ed25519", "key_id": "<b>\"'", "label": "sig1"}},
    {"authorization": {"kind": "api_key", "header": "X-K", "value": "hush"}, "format": {"kind": "lytics", "account_id": HARMFUL},
     "signing": {"kind": "hmac", "header": "X-S", "prefix": "<b>=", "key": "hush", "key_name": HARMFUL, "encoding": "base64"}},
    {"authorization": {"kind": "bearer", "token": "hush"}, "format": {"kind": "telmai", "tenant": HARMFUL}},
    {"format": {"kind": "visier", "tenant_code": HARMFUL}, "proxy": {"url": "http://proxy:1", "username": "<b>", "password": "hush"}},
    {"format": {"kind": "template", "program": f'\n{{a: "{HARM}",\n b: .id}}', "headers": {"X-A": '"<b>"\n'}},
     "proxy": "socks5://proxy:1", "validation": "required"},
    {"format": {"kind": "slack", "title": HARMFUL[:40], "link": "https://x/?a=1&{subject_id}"}, "filters": [{}]},
    {"format": {"kind": "teams", "title": "<b>"}, "enabled": False, "timeout_seconds": 0.25, "max_in_flight": 1},
)  # fmt: skip
FILTERS = [
    {"event_types": ["job.*", HARMFUL], "subject_types": [HARMFUL], "subject_ids": [HARMFUL, " b "], "verbs": ["x"]},
    {
        "job_types": [HARMFUL],
        "modes": ["realtime"],
        "states": ["stopped", "failed"],
        "sources": [HARMFUL],
        "labels": {HARMFUL: "="},
    },
    {"resources": [{"kind": "a b", "id": HARMFUL}], "after_failures": 3},
    {"tables": [HARMFUL], "actions": ["merge", "create"], "where": f"type !=\n '{HARM}'"},
]


def settings_of(server: Server, endpoint_id: str) -> dict[str, object]:
    """Without how it stands, which may change by itself."""
    document: dict[str, object] = server.get(f"/v1/endpoints/{endpoint_id}").json
    return {name: value for name, value in document.items() if name not in {"state", "state_reason", "consent"}}


@pytest.mark.parametrize("settings", EVERYTHING, ids=lambda one: one["format"]["kind"])
def test_the_form_gives_back_every_setting_as_it_was(
    shared_server: Server, operator: Pages, settings: dict[str, object]
) -> None:
    headers = [{"name": "X-1", "value": "<b>\"'"}, {"name": "X-2", "value": "hush", "sensitive": True}]
    common = {"name": HARMFUL, "url": "http://127.0.0.1:9/?q='&amp;", "headers": headers, "filters": FILTERS}
    end = made(shared_server, "everything", **(common | settings))
    before = settings_of(shared_server, end["id"])
    path = f"/ui/endpoints/{end['id']}/settings"
    page = operator.get(path)
    assert page.status == 200
    assert HARM not in page.text
    assert "hush" not in page.text.replace("thrush", "")
    form = HtmlForm.of(page.text, "endpoint")
    saved = operator.follow(operator.post(path, [*form, ("do", "save")]))
    assert "Nothing was changed." in saved.words
    assert settings_of(shared_server, end["id"]) == before
    renamed = [(name, "renamed" if name == "name" else value) for name, value in form]
    assert "The settings are saved." in operator.follow(operator.post(path, [*renamed, ("do", "save")])).words
    assert settings_of(shared_server, end["id"]) == before | {"name": "renamed"}
    for other in ("", "/health", "/code", "/rotate"):
        assert HARM not in operator.get(f"/ui/endpoints/{end['id']}{other}").text
    assert HARM not in operator.get("/ui/endpoints?tenant=everything").text
