"""Deliveries to look at: events of one tenant, and receivers that answer by what is in the event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.api.callers import Caller
from tests.kit.waiting import until
from tests.kit.web import Asked, Say

LATER = {"schedule_seconds": [3600]}
NEVER = {"schedule_seconds": []}
CLOSED = {"failures": 1000}
"""A circuit that stays closed however much fails."""
XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def emit(caller: Caller, event_type: str, subject: str, data: bytes = b'{"amount": 1.50, "name": "Ann"}') -> str:
    """Accept a CloudEvent; gives the event's id."""
    document = b'{"specversion":"1.0","id":"%b","source":"/shop","type":"%b","subject":"%b","data":%b}' % (
        f"{event_type} {subject}".replace('"', "'").encode(),
        event_type.encode(),
        subject.replace('"', '\\"').encode(),
        data,
    )
    answer = caller.post("/v1/events", document, headers={"Content-Type": "application/cloudevents+json"})
    assert answer.status == 202, answer
    return str(answer.json["results"][0]["event_id"])


def answer_by_type(asked: Asked) -> Say:
    """Events with `paid` fail with 503, those with `lost` with 500."""
    headers = (("X-Answer", "yes"), ("Content-Type", "text/html"))
    if b".paid" in asked.body:
        return Say(503, b"<script>alert('body')</script> try later", headers)
    return Say(500 if b".lost" in asked.body else 200, b'{"ok": true}', headers)


def listed(caller: Caller, query: str) -> list[dict[str, Any]]:
    answer = caller.get(f"/v1/deliveries?{query}&limit=500")
    assert answer.status == 200, answer
    return list(answer.json["items"])


async def settle(caller: Caller, **counts: int) -> None:
    """Wait until so many deliveries that were tried are in each state."""
    await until(are(caller, **counts))


def are(caller: Caller, **counts: int) -> Callable[[], bool]:
    def look() -> bool:
        found = listed(caller, "")
        states = [one["state"] for one in found if one["attempt_count"] and not one["in_flight"]]
        return all(states.count(state) == count for state, count in counts.items())

    return look
