"""What the tests of the intake send, and how they look at what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.kit.server import Answer, Client
from tests.kit.waiting import until


def report(job_id: str, state: str = "running", **fields: object) -> dict[str, object]:
    return {"job_id": job_id, "job_type": "load", "state": state, **fields}


def cloud_event(number: int, **fields: object) -> dict[str, object]:
    return {"specversion": "1.0", "id": str(number), "source": "/shop", "type": "order.created", **fields}


CLOUD_EVENT = {"Content-Type": "application/cloudevents+json"}


def outcomes(answer: Answer) -> list[str]:
    assert answer.status in {200, 201, 202}, answer
    return [result["outcome"] for result in answer.json["results"]]


async def asked(ask: Callable[..., Answer], *given: Any, **options: Any) -> Answer:
    """In a thread: the servers of a test may live in its own event loop."""
    return await asyncio.to_thread(ask, *given, **options)


async def receipt(client: Client, receipt_id: str, state: str, **options: Any) -> Any:
    """Once it is in this state."""

    def look() -> Any:
        answer = client.get(f"/v1/receipts/{receipt_id}", **options)
        return answer.json if answer.status == 200 and answer.json["state"] == state else None

    return await until(look)
