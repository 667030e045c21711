"""429 and 503 with `Retry-After` over the real server: what each form of the header does to the endpoint that people see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.kit.server import Server
from tests.kit.waiting import until
from tests.pipeline.test_delivery import deliveries, emit, in_state

from tocsin.receiver import Receiver

DAY = 24 * 3600
FORMS = {
    "IMF-fixdate": "%a, %d %b %Y %H:%M:%S GMT",
    "RFC 850": "%A, %d-%b-%y %H:%M:%S GMT",
    "asctime": "%a %b %e %H:%M:%S %Y",
}


def shown(server: Server, endpoint: dict[str, Any]) -> dict[str, Any]:
    answer = server.get(f"/v1/endpoints/{endpoint['id']}")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json
    return found


async def paused_by(server: Server, status: int, text: str) -> tuple[float, float, float]:
    """Until when the endpoint is paused after this header, and between which moments it came."""
    async with Receiver(fail=1, status=status, headers=(("Retry-After", text),)) as receiver:
        endpoint = server.endpoint(receiver.url, retry={"schedule_seconds": []})
        before = time.time()
        await asyncio.to_thread(emit, server, "a")
        paused = await until(lambda: e if (e := shown(server, endpoint))["state"] == "paused" else None)
        after = time.time()
        assert str(status) in paused["state_reason"]
        (delivery,) = await until(lambda: d if (d := deliveries(server))[0]["attempt_count"] == 1 else None)
        assert delivery["state"] == "pending"
        assert receiver.total == 1
        until_text = paused["paused_until"]
        return datetime.fromisoformat(until_text).timestamp(), before, after


@pytest.mark.parametrize("status", [429, 503])
async def test_seconds_pause_the_endpoint_for_so_long(server: Server, status: int) -> None:
    until_at, before, after = await paused_by(server, status, "3600")
    assert before + 3599.9 <= until_at <= after + 3600.1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", FORMS)
async def test_a_date_in_each_form_pauses_it_until_then(server: Server, status: int, form: str) -> None:
    moment = int(time.time()) + 3600
    until_at, _, _ = await paused_by(server, status, datetime.fromtimestamp(moment, UTC).strftime(FORMS[form]))
    assert until_at == moment


@pytest.mark.parametrize("text", ["9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "Fri Dec 31 23:59:59 9999"])
async def test_absurd_values_pause_it_for_a_day_at_most(server: Server, text: str) -> None:
    until_at, before, after = await paused_by(server, 503, text)
    assert before + DAY - 0.1 <= until_at <= after + DAY + 0.1


@pytest.mark.parametrize("status", [429, 503])
async def test_past_and_broken_values_pause_nothing_and_leave_it_to_the_schedule(server: Server, status: int) -> None:
    texts = (
        "0",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "-5",
        "1.5",
        "soon",
        "",
        "12, 13",
        "Wed, 31 Feb 2046 11:06:50 GMT",
        "2046-11-18T11:06:50Z",
    )
    for text in texts:
        async with Receiver(fail=1, status=status, headers=(("Retry-After", text),)) as receiver:
            endpoint = server.endpoint(receiver.url, retry={"schedule_seconds": [3600]})
            await asyncio.to_thread(emit, server, f"e-{texts.index(text)}")
            await receiver.wait_for_count(1)
            (delivery,) = await until(in_state(server, "pending", 1, endpoint=endpoint["id"]))
            kept = await until(
                lambda d=delivery: a if (a := server.get(f"/v1/deliveries/{d['id']}").json["attempts"]) else None
            )
            seen = shown(server, endpoint)
            assert (seen["paused_until"], seen["state"]) == (None, "failing"), text
            due = datetime.fromisoformat(kept[0]["next_attempt_at"]).timestamp() - time.time()
            assert 0.8 * 3600 - 60 < due <= 1.2 * 3600, text
            server.call("DELETE", f"/v1/endpoints/{endpoint['id']}")


async def test_the_operator_says_how_long_a_pause_may_be(start_server: Callable[..., Server]) -> None:
    until_at, before, after = await paused_by(start_server(longest_pause="90"), 503, "3600")
    assert before + 89.9 <= until_at <= after + 90.1
