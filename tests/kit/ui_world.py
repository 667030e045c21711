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
TENANT = "acme"
SECONDS = 20.0
QUERIES = {"/ui/search": f"?q={quote(HARM)}"}
"""Of pages that are nothing without one."""


class World:
    """`ids` are by the names that routes have for them; those of the job and the record hold the harmful text, and slashes."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.server = Server(folder / "world.db")
        self._stack.callback(self.server.stop)
        self.good = self._stack.enter_context(WebServer(lambda asked: Say(204)))
        self.bad = self._stack.enter_context(WebServer(_refuse))
        self.gone = self._stack.enter_context(WebServer(lambda asked: Say(410)))
        self.job = f"job/{HARM}"
        self.keys = {role: self._key(role) for role in ("admin", "producer", "viewer")}
        self.ids = {"job_id": self.job, "table": "customers", "record_id": f"r1/{HARM}", "tenant": TENANT}
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

    def _key(self, role: str) -> str:
        made = self.post("/v1/api-keys", {"name": f"{role} {HARM}", "role": role, "tenant": TENANT})
        if role == "viewer":
            self.key_id = made["id"]
        value: str = made["value"]
        return value

    def _endpoint(self, name: str, url: str, **fields: object) -> str:
        headers = [{"name": "X-Harm", "value": "<script>window.hurt=1</script>"}]
        body = {"name": f"{name} {HARM}", "url": url, "tenant": TENANT, "headers": headers, **fields}
        made: str = self.post("/v1/endpoints", body)["id"]
        return made

    def _fill(self) -> None:
        retry = {"schedule_seconds": [3600], "max_age_seconds": 604800}
        good = self._endpoint("Good", self.good.url + "?q='b'&c=%3Cb%3E")
        self.bad_endpoint = self._endpoint("Bad", self.bad.url, retry=retry)
        self._endpoint("Gone", self.gone.url, retry=retry)
        self._endpoint("Dead", self.bad.url, retry={"schedule_seconds": []})
        for state in ("running", "failed"):
            self.post("/v1/jobs/reports", self._report(state))
        child = {"job_id": "child", "job_type": "load_source", "state": "running", "parent_job_id": self.job}
        self.post("/v1/jobs/reports", child | {"tenant": TENANT, "name": HARM})
        record: dict[str, object] = {"id": self.ids["record_id"], "data": {"name": HARM, "n": 1.10}}
        changes = [
            {"action": "create", "record": record},
            {"action": "merge", "record": record, "retired": {"id": f"r2 {HARM}"}},
        ]
        self.post("/v1/records/changes", [change | {"table": "customers", "tenant": TENANT} for change in changes])
        cloud_event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "order.created", "subject": HARM}
        answer = self.server.post(
            f"/v1/events?tenant={TENANT}",
            json.dumps(cloud_event | {"data": HARM}).encode(),
            headers={"Content-Type": "application/cloudevents+json"},
        )
        assert answer.status == 202, answer
        delivery = self._wait(f"/v1/deliveries?endpoint={self.bad_endpoint}", lambda one: one["attempt_count"] > 0)
        self._wait(f"/v1/deliveries?endpoint={good}&state=delivered", lambda one: True)
        self._wait("/v1/deliveries?state=dead", lambda one: True)
        replay = self.post("/v1/replays", {"endpoint_id": good, "tenant": TENANT, "rate_per_second": 0.01})
        erasure = self.post(f"/v1/erasures?tenant={TENANT}", {"subject_type": "order", "subject_id": f"nobody {HARM}"})
        self.ids |= {
            "endpoint_id": self.bad_endpoint,
            "delivery_id": delivery["id"],
            "event_id": delivery["event_id"],
            "replay_id": replay["id"],
            "key_id": self.key_id,
            "event_type": "job.failed",
            "erasure_id": erasure["id"],
        }

    def _report(self, state: str) -> dict[str, object]:
        report: dict[str, object] = {
            "job_id": self.job,
            "job_type": f"load {HARM}",
            "name": HARM,
            "state": state,
            "details": HARM,
            "resources": [{"kind": "source", "id": HARM, "name": HARM}],
            "labels": {HARM: HARM},
            "tenant": TENANT,
        }
        return report | ({"error": {"reason": "LOAD_FAILED", "message": HARM}} if state == "failed" else {})

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
    return Say(500, HARM.encode(), (("X-Answer", "<script>window.hurt=1</script>"), ("Content-Type", "text/html")))
