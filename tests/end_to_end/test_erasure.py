"""What was planted in a subject's data is nowhere after its erasure: not in the files, not in the log, not in any answer; what belongs
to others is all still there, and still arrives."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.kit.planted import cells_of, files_of, found, planted
from tests.kit.program import Program
from tests.kit.server import Answer
from tests.kit.waiting import until
from tests.kit.web import Asked, Say, WebServer

from tocsin.api.app import API_ROUTES

CLOUD = {"Content-Type": "application/cloudevents+json"}
THEIRS, MINE = "theirs", "mine"
"""Whose data it is: the one to be forgotten, and somebody else."""
PLACES = (
    "record data",
    "record id",
    "merged data",
    "cloud data",
    "cloud extension",
    "cloud subject",
    "details",
    "error",
    "label",
)
TEXTS = {(whose, place): planted(f"{whose} {place}") for whose, place in itertools.product((THEIRS, MINE), PLACES)}
TO_FORGET = [TEXTS[THEIRS, place] for place in PLACES]
TO_KEEP = [TEXTS[MINE, place] for place in PLACES]
IDS = [TEXTS[THEIRS, "record id"], TEXTS[THEIRS, "cloud subject"]]
"""Ids of subjects, which stay in the list of erasures and in what the audit log tells of them."""


class Receivers:
    """What each endpoint's receiver does; all send back what they got."""

    def __init__(self) -> None:
        self.is_open = False
        self.entered, self.may_go = threading.Event(), threading.Event()
        self._seen: set[str] = set()

    def answer(self, asked: Asked) -> Say:
        first = (key := f"{asked.path} {asked.headers['webhook-id']}") not in self._seen
        self._seen.add(key)
        echo = json.dumps([asked.body.decode(), asked.headers]).encode()
        headers = (("X-Saw", asked.body.decode("latin-1").replace("\n", " ")[:3000]),)
        match asked.path:
            case "/flaky" if first:
                return Say(500, echo, headers)
            case "/rejecting":
                return Say(415, echo, headers)
            case "/batched" if len(json.loads(asked.body)) > 2:
                return Say(413, echo, headers)
            case "/gate" | "/ordered" | "/batched-gate" if not self.is_open:
                return Say(503, echo, headers)
            case "/hanging" if not self.is_open:
                self.entered.set()
                assert self.may_go.wait(60)
                return Say(500, echo, headers)
            case _:
                return Say(200, echo, headers)


class Session:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.answers: list[tuple[str, bytes]] = []

    def call(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        answer = self.program.call(method, path, body, **more)
        assert answer.status < 400, (path, answer)
        return answer

    def endpoints(self, url: str) -> dict[str, str]:
        batch = {"mode": "batch", "max_events": 6, "max_wait_seconds": 0.2}
        retry = {"schedule_seconds": [1] * 100}
        fields: dict[str, dict[str, object]] = {
            "echo": {},
            "flaky": {},
            "rejecting": {},
            "gate": {},
            "ordered": {"ordering": "subject"},
            "hanging": {},
            "batched": {"delivery": batch},
            "batched-gate": {"delivery": batch},
            "template": {"format": {"kind": "template", "program": "{all: .}"}},
            "failing-template": {
                "format": {
                    "kind": "template",
                    "program": 'if .data.state or .data.n or .type == "person.changed" or .data.new_data.name then error(.data|tostring) else {a: 1} end',
                }
            },
        }
        circuit = {"failures": 10_000}
        return {
            name: self.program.endpoint(url + name, retry=retry, circuit=circuit, **more)["id"]
            for name, more in fields.items()
        }

    def produce(self, whose: str, number: int) -> None:
        """Everything that can be said about a subject, each under an idempotency key."""
        text = {place: TEXTS[whose, place].text for place in PLACES}
        key = itertools.count(number * 100)

        def post(path: str, body: object, **more: str) -> None:
            self.call("POST", path, body, headers={"Idempotency-Key": f"{whose}{next(key)}", **more})

        record = {"id": text["record id"], "data": {"name": text["record data"], "n": number}}
        change = {"action": "update", "table": "people", "record": record}
        post("/v1/records/changes", change)
        other = {"id": f"other-{whose}", "data": {"n": 1}}
        post("/v1/records/changes", change | {"action": "merge", "record": other, "retired": {"id": text["record id"]}})
        resurrected = {"id": text["record id"], "data": {"name": text["merged data"]}}
        post("/v1/records/changes", change | {"action": "unmerge", "record": other, "resurrected": resurrected})
        event = {
            "specversion": "1.0",
            "id": f"{whose}{number}",
            "source": "/s",
            "type": "person.changed",
            "subject": text["cloud subject"],
            "nickname": text["cloud extension"],
            "data": {"name": text["cloud data"]},
        }
        post("/v1/events", event, **CLOUD)
        job = {"job_id": f"job-{whose}", "job_type": "load"}
        post("/v1/jobs/reports", job | {"state": "running", "details": text["details"], "restart": True})
        failed = {
            "state": "failed",
            "error": {"reason": "R", "message": text["error"]},
            "labels": {"who": text["label"]},
        }
        post("/v1/jobs/reports", job | failed)

    def use(self, endpoints: dict[str, str]) -> None:
        """What people do with what is about the subject."""
        keyed = {"Idempotency-Key": "people"}
        for endpoint in (endpoints["gate"], endpoints["template"]):
            self.call("POST", f"/v1/endpoints/{endpoint}/preview", {}, headers=keyed)
        subject = f"people/{TEXTS[THEIRS, 'record id'].text}"
        filters = [{"subject_ids": [subject, "people/other-mine"]}, {"where": f'subject == "{subject}"'}]
        replay = {"endpoint_id": endpoints["echo"], "filters": filters, "rate_per_second": 1000}
        self.call("POST", "/v1/replays", replay, headers=keyed)
        for state in ("dead", "delivered"):
            for item in self.call("GET", f"/v1/deliveries?state={state}&limit=4").json["items"]:
                self.call("POST", f"/v1/deliveries/{item['id']}/resend", headers=keyed)
        pending = self.call("GET", f"/v1/deliveries?state=pending&endpoint={endpoints['gate']}&limit=100").json["items"]
        theirs = next(item for item in pending if item["subject_id"] == subject)
        self.call("POST", f"/v1/deliveries/{theirs['id']}/cancel", headers=keyed)

    async def erased(self, subject_type: str, subject_id: str) -> dict[str, Any]:
        body = {"subject_type": subject_type, "subject_id": subject_id}
        made = self.call("POST", "/v1/erasures", body, headers={"Idempotency-Key": f"erase-{subject_type}"})
        assert made.status == 202
        return await until(lambda: self.over(made.json["id"]), seconds=90)

    def over(self, erasure: str) -> dict[str, Any] | None:
        shown: dict[str, Any] = self.call("GET", f"/v1/erasures/{erasure}").json
        return shown if shown["state"] != "running" else None

    def attempts_of(self, path: str) -> list[int]:
        """The numbers of the attempts of the delivery that is named in this path."""
        shown = self.call("GET", path.partition("/attempts/")[0]).json
        return [attempt["number"] for attempt in shown["attempts"]]

    def look(self) -> list[tuple[str, bytes]]:
        """Every GET route, with everything that its lists name."""
        ids = {
            name: [item[key] for item in self.call("GET", f"/v1/{plural}?limit=500").json["items"]]
            for name, plural, key in (
                ("endpoint_id", "endpoints", "id"),
                ("delivery_id", "deliveries", "id"),
                ("event_id", "events", "id"),
                ("job_id", "jobs", "job_id"),
                ("replay_id", "replays", "id"),
                ("erasure_id", "erasures", "id"),
            )
        }
        shown: list[tuple[str, bytes]] = []
        for path in sorted(route.path for route in API_ROUTES if route.method == "GET" and not route.streams):
            name = path.partition("{")[2].partition("}")[0]
            if not name:
                paths = [path + ("?limit=500" if path.startswith("/v1/") and path not in NO_LISTS else "")]
            elif name in ids:
                assert ids[name] or name == "erasure_id"
                paths = [path.replace(f"{{{name}}}", value) for value in ids[name]]
                if "{number}" in path:
                    paths = [one.replace("{number}", str(number)) for one in paths for number in self.attempts_of(one)]
            else:
                assert path in ELSEWHERE, path
                continue
            for one in paths:
                answer = self.program.call("GET", one)
                may_be_gone = "{number}" in path or path.endswith("/data")
                assert answer.status == 200 or (may_be_gone and answer.status == 404), (one, answer)
                shown.append((f"GET {path}", answer.body + repr(answer.headers).encode()))
        history = self.program.call("GET", f"/v1/records/people/{TEXTS[MINE, 'record id'].text}/history")
        return [*shown, ("GET history", history.body)]


NO_LISTS = {
    "/v1/deliveries/count",
    "/v1/deliveries/dead",
    "/v1/doctor",
    "/v1/stats",
    "/v1/event-types",
    "/v1/retention",
}
ELSEWHERE = {
    "/v1/records/{table}/{record_id}/history",
    "/v1/receipts/{receipt_id}",
    "/v1/consent/{token}",
    "/problems/{slug}",
}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path / "t.db", log=tmp_path / "log", TOCSIN_LOG_LEVEL="debug")
    yield made
    made.kill()


@pytest.mark.timeout(400)
async def test_what_was_planted_in_a_subject_is_nowhere_after_its_erasure(program: Program, tmp_path: Path) -> None:
    receivers, session = Receivers(), Session(program)
    with WebServer(receivers.answer) as web:
        endpoints = session.endpoints(web.url)
        for number in range(3):
            session.produce(THEIRS, number)
            session.produce(MINE, number)
        assert await until(receivers.entered.is_set)
        quiet = [name for name in endpoints if name not in {"gate", "ordered", "hanging", "batched-gate"}]
        for name in quiet:
            await until(
                lambda name=name: (
                    not session.call("GET", f"/v1/deliveries?state=pending&endpoint={endpoints[name]}").json["items"]
                )
            )
        for name in ("gate", "batched-gate"):
            await until(lambda name=name: sum(a.path == f"/{name}" for a in list(web.asked)) > 20)
        session.use(endpoints)
        before = session.look()
        everywhere = {place for place, data in before if found(TO_FORGET, place, data)}
        assert {"GET /v1/events", "GET /v1/deliveries/{delivery_id}", "GET /v1/jobs/{job_id}"} <= everywhere
        stored = {
            place for text in TO_FORGET for place, data in files_of(tmp_path / "t.db") if found([text], place, data)
        }
        assert stored

        body = {"subject_type": "record", "subject_id": f"people/{TEXTS[THEIRS, 'record id'].text}"}
        running = session.call("POST", "/v1/erasures", body).json["id"]
        still = session.call("GET", f"/v1/erasures/{running}").json
        assert (still["state"], still["finished_at"]) == ("running", None), "a request of it is out"
        receivers.may_go.set()
        of_record = await until(lambda: session.over(running), seconds=90)
        of_person = await session.erased("person", TEXTS[THEIRS, "cloud subject"].text)
        of_job = await session.erased("job", f"job-{THEIRS}")
        for erasure in (of_record, of_person, of_job):
            assert (erasure["state"], erasure["reason"]) == ("finished", None)
            report = erasure["report"]
            assert min(report[name] for name in ("events", "deliveries", "deliveries_cancelled", "attempts")) > 0
            assert min(report[name] for name in ("batch_attempts", "kept_answers")) > 0
        report = of_record["report"]
        assert report["merged_with"] == [f"people/other-{THEIRS}"]
        assert (report["versions"], report["order_keys"], report["replay_filters"]) == (9, 6, 1)
        assert report["audit_entries"] >= 2
        assert (of_job["report"]["jobs"], of_person["report"]["jobs"]) == (1, 0)

        asked = len(web.asked)
        written = [*files_of(tmp_path / "t.db"), ("log", (tmp_path / "log").read_bytes())]
        shown = session.look()
        named = {place for place, data in shown if found(IDS, place, data)}
        assert named == {"GET /v1/erasures", "GET /v1/erasures/{erasure_id}", "GET /v1/audit"}
        contents = [text for text in TO_FORGET if text not in IDS]
        assert [name for place, data in [*written, *shown] for name in found(contents, place, data)] == []
        assert [text.field for text in TO_KEEP if not any(found([text], place, data) for place, data in shown)] == []
        events = session.call("GET", "/v1/events?limit=500").json["items"]
        erased = [event for event in events if event.get("erased")]
        assert len(erased) == sum(erasure["report"]["events"] for erasure in (of_record, of_person, of_job))
        assert all("data" not in event and event["subject_id"] == "" for event in erased)

        receivers.is_open = True
        await until(lambda: session.call("GET", "/v1/stats").json["pending_deliveries"] == 0, seconds=60)
        later = repr([(one.body, one.headers) for one in web.asked[asked:]]).encode()
        assert found(TO_FORGET, "sent", later) == []
        for name in ("gate", "ordered", "hanging", "batched-gate"):
            arrived = repr([one.body for one in web.asked[asked:] if one.path == f"/{name}"]).encode()
            missing = [
                text.field for text in TO_KEEP if text.field != f"{MINE} merged data" and not found([text], "", arrived)
            ]
            assert missing == [], name
        program.stop()
    left = [(place, data) for place, data in cells_of(tmp_path / "t.db") if place not in {"erasure", "audit"}]
    assert [name for place, data in left for name in found(TO_FORGET, place, data)] == []
    for place, data in [*files_of(tmp_path / "t.db"), ("log", (tmp_path / "log").read_bytes())]:
        assert found(contents, place, data) == []
