"""A server in which everything that a page can show is there, with text in it that would do harm if it were not escaped."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.kit.server import Server
from tests.kit.web import Asked, Say, WebServer

HARM = """"><img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'{{7*7}}"""
TURN = "\u202e"
"""Turns the direction of what follows."""
TENANT = "acme"
SECONDS = 20.0
QUERIES = {"/ui/search": f"?q={quote(HARM)}", "/ui/retention": f"?tenant={TENANT}"}
"""Of pages that are nothing without one."""


def harm(field: str, most: int = 256) -> str:
    """For a field: with a mark of its own at the start, what ends attributes and elements, an address that is a script, what turns
    the direction, and a word that is too long for a line."""
    text = f"@{field}@ {HARM}</textarea></style><svg onload=window.hurt=1>javascript:window.hurt=1//{TURN}"
    return text + "W" * min(most - len(text), 600)


class World:
    """Every field that a page shows has harmful text in it; `marks` are of those that some page shows. `others`: of a route,
    another address that shows more. `ids` are by the names that routes have for them; those of the job and the record hold the harmful text, and slashes."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.server = Server(folder / "world.db")
        self._stack.callback(self.server.stop)
        self.good = self._stack.enter_context(WebServer(lambda asked: Say(204)))
        self.bad = self._stack.enter_context(WebServer(_refuse))
        self.gone = self._stack.enter_context(WebServer(lambda asked: Say(410)))
        self.marks: set[str] = set()
        self.job = f"job/{self.harm('job_id')}"
        self.keys = {role: self._key(role) for role in ("admin", "producer", "viewer")}
        self.table = self.harm("table").replace("/", "")
        self.ids = {
            "job_id": self.job,
            "table": self.table,
            "record_id": f"r1/{self.harm('record_id')}",
            "tenant": TENANT,
        }
        self._fill()

    def path(self, pattern: str) -> str:
        """The address of a route for something that is there. KeyError for a name that this world does not know: teach it."""
        for name in [part.partition("}")[0] for part in pattern.split("{")[1:]]:
            pattern = pattern.replace(f"{{{name}}}", quote(self.ids[name], safe=""))
        return pattern + QUERIES.get(pattern, "")

    def post(self, path: str, body: object) -> Any:
        answer = self.server.post(path, body)
        assert answer.status < 300, answer
        return answer.json

    def harm(self, field: str, most: int = 256) -> str:
        """Of which the mark is to be seen somewhere."""
        self.marks.add(f"@{field}@")
        return harm(field, most)

    def _key(self, role: str) -> str:
        made = self.post(
            "/v1/api-keys", {"name": f"{role} {self.harm('key_name', 200)}", "role": role, "tenant": TENANT}
        )
        if role == "viewer":
            self.key_id = made["id"]
        value: str = made["value"]
        return value

    def _endpoint(self, name: str, url: str, **fields: object) -> str:
        headers = [{"name": "X-Harm", "value": f"@header@ {HARM}"}]
        self.marks.add("@header@")
        body = {
            "name": f"{name} {self.harm('endpoint_name', 240)}",
            "url": url,
            "tenant": TENANT,
            "headers": headers,
            **fields,
        }
        made: str = self.post("/v1/endpoints", body)["id"]
        return made

    def _fill(self) -> None:
        retry = {"schedule_seconds": [3600], "max_age_seconds": 604800}
        good = self._endpoint("Good", self.good.url + "?q='b'&c=%3Cb%3E")
        self.bad_endpoint = self._endpoint(
            "Bad", self.bad.url + "?@url@='b'&x=javascript:hurt()", retry=retry, **self._settings()
        )
        self.marks.add("@url@")
        self._endpoint("Gone", self.gone.url, retry=retry)
        self._endpoint("Dead", self.bad.url, retry={"schedule_seconds": []})
        for state in ("running", "failed"):
            self.post("/v1/jobs/reports", self._report(state))
        child = {"job_id": "child", "job_type": "load_source", "state": "running", "parent_job_id": self.job}
        self.post("/v1/jobs/reports", child | {"tenant": TENANT, "name": self.harm("child_name")})
        data = {self.harm("data_key"): self.harm("data_value", 4000), "n": 1.10, "link": "javascript:window.hurt=1"}
        record: dict[str, object] = {"id": self.ids["record_id"], "data": data}
        changes = [
            {"action": "create", "record": record},
            {"action": "merge", "record": record, "retired": {"id": f"r2 {self.harm('retired_id')}"}},
        ]
        self.post("/v1/records/changes", [change | {"table": self.table, "tenant": TENANT} for change in changes])
        cloud_event = {
            "specversion": "1.0", "id": self.harm("event_source_id"), "source": "javascript:window.hurt=1//@source@'",
            "type": f"{self.harm('event_type')}.created", "subject": self.harm("subject"), "extension": self.harm("extension"),
        }  # fmt: skip
        answer = self.server.post(
            f"/v1/events?tenant={TENANT}",
            json.dumps(cloud_event | {"data": self.harm("data", 4000)}).encode(),
            headers={"Content-Type": "application/cloudevents+json"},
        )
        assert answer.status == 202, answer
        delivery = self._wait(f"/v1/deliveries?endpoint={self.bad_endpoint}", lambda one: one["attempt_count"] > 0)
        self.marks |= {"@answer@", "@answer_header@", "@source@"}
        self.others = {"/ui/events/{event_id}": f"/ui/events/{answer.json['results'][0]['event_id']}"}
        self._wait(f"/v1/deliveries?endpoint={good}&state=delivered", lambda one: True)
        self._wait("/v1/deliveries?state=dead", lambda one: True)
        filters = [{}, {"event_types": [self.harm("replay_type")], "subject_ids": [self.harm("replay_subject")]}]
        begun = {"endpoint_id": good, "tenant": TENANT, "rate_per_second": 0.01, "filters": filters}
        replay = self.post("/v1/replays", begun)
        nobody = {"subject_type": self.harm("erased_type"), "subject_id": f"nobody {self.harm('erased_id')}"}
        erasure = self.post(f"/v1/erasures?tenant={TENANT}", nobody)
        rules = [{"event_types": [self.harm("kept_type", 200)], "attempts_seconds": 864_000}]
        answer = self.server.call("PUT", f"/v1/retention?tenant={TENANT}", {"rules": rules})
        assert answer.status == 200, answer
        self.ids |= {
            "endpoint_id": self.bad_endpoint,
            "delivery_id": delivery["id"],
            "event_id": delivery["event_id"],
            "replay_id": replay["id"],
            "key_id": self.key_id,
            "event_type": "job.failed",
            "erasure_id": erasure["id"],
        }

    def _settings(self) -> dict[str, object]:
        """Of an endpoint that wants everything all the same."""
        self.marks |= {"@username@", "@where@"}
        wanted = {
            "event_types": [self.harm("filter_type")],
            "subject_types": [self.harm("filter_subject_type")],
            "subject_ids": [self.harm("filter_subject")],
            "job_types": [self.harm("filter_job_type")],
            "sources": [self.harm("filter_source")],
            "tables": [self.harm("filter_table")],
            "labels": {self.harm("filter_label"): self.harm("filter_label_value")},
            "resources": [{"kind": self.harm("filter_kind"), "id": self.harm("filter_resource")}],
            "where": "type != '<script>@where@</script>'",
        }
        return {
            "filters": [{}, wanted],
            "format": {"kind": "cloudevents", "type": self.harm("format_type"), "source": self.harm("format_source")},
            "authorization": {"kind": "basic", "username": "<b>@username@\"'", "password": "hush"},
        }

    def _report(self, state: str) -> dict[str, object]:
        report: dict[str, object] = {
            "job_id": self.job,
            "job_type": self.harm("job_type"),
            "name": self.harm("job_name", 4000),
            "state": state,
            "details": self.harm("details", 4000),
            "resources": [{"kind": self.harm("kind"), "id": self.harm("resource"), "name": self.harm("resource_name")}],
            "attributes": {self.harm("attribute"): self.harm("attribute_value")},
            "labels": {self.harm("label"): self.harm("label_value")},
            "tenant": TENANT,
        }
        if state == "failed":
            self.marks.add("@reason@")
            report["error"] = {"reason": "<b onclick=x>@reason@", "message": self.harm("message", 4000)}
        return report

    def _wait(self, path: str, wanted: Any) -> Any:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            found = [one for one in self.server.get(path).json["items"] if wanted(one)]
            if found:
                return found[0]
            time.sleep(0.02)
        raise AssertionError(f"nothing at {path} within {SECONDS} s")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _refuse(asked: Asked) -> Say:
    del asked
    headers = (("X-Answer", "<script>@answer_header@</script>"), ("Content-Type", "text/html"))
    return Say(500, harm("answer", 4000).encode(), headers)
