"""Requests made from the served OpenAPI document, right ones and wrong ones: no fault, no answer that is not documented.

By hand, for longer: `TOCSIN_EXAMPLES=500 python3 dev.py test tests/api/test_schemathesis.py`.
"""

import asyncio
import json
import os
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import allow_header_conformance
from tests.api.callers import Caller
from tests.kit.server import Server
from tests.kit.waiting import until

from tocsin.api.app import openapi

REFUSALS = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 431]
CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {
            "max-examples": int(os.environ.get("TOCSIN_EXAMPLES", "10")),
            "deterministic": "CI" in os.environ,
            "database": "none",
            "with-security-parameters": False,
        },
        "checks": {
            # What an endpoint, a filter or an id must be goes beyond what JSON Schema can say.
            "positive_data_acceptance": {"enabled": False},
            "negative_data_rejection": {"expected-statuses": REFUSALS},
        },
    }
)
load_all_checks()
SCHEMA = schemathesis.openapi.from_dict(openapi(), config=CONFIG)
Known = dict[str, str]


@pytest.fixture(scope="module")
def known(shared_server: Server) -> Known:
    """Things that exist, by the names that they have in paths and bodies."""
    caller = Caller(shared_server)
    endpoint = caller.endpoint(retry={"schedule_seconds": []})
    assert caller.post("/v1/jobs/reports", {"job_id": "j", "job_type": "t", "state": "running"}).status == 202
    change = {"action": "create", "record": {"id": "r", "data": {}}}
    assert caller.post("/v1/records/changes", change).status == 202
    deliveries = asyncio.run(until(lambda: caller.get("/v1/deliveries").json["items"]))
    replay = caller.post("/v1/replays", {"endpoint_id": endpoint["id"]})
    assert replay.status == 202, replay
    return {
        "endpoint_id": endpoint["id"],
        "delivery_id": deliveries[0]["id"],
        "event_id": deliveries[0]["event_id"],
        "replay_id": replay.json["id"],
        "job_id": "j",
        "table": "default",
        "record_id": "r",
        "slug": "conflict",
        "url": "http://127.0.0.1:9/",
    }


def test_the_document_is_the_one_that_is_served(shared_server: Server) -> None:
    assert shared_server.get("/openapi.json", key=None).json == json.loads(json.dumps(openapi()))


# The live tail has no end. The server's thread takes its jitter from `random`, which Hypothesis believes the strategies do.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@SCHEMA.exclude(path="/v1/tail").parametrize()
def test_requests_made_from_the_document(case: schemathesis.Case, shared_server: Server, known: Known) -> None:
    if (
        case.method != "DELETE"
        and _is_right(case, ParameterLocation.PATH)
        and len("".join(case.path_parameters.values())) % 2
    ):
        case.path_parameters.update((name, known[name]) for name in case.path_parameters if name in known)
    if isinstance(case.body, dict) and _is_right(case, ParameterLocation.BODY):
        case.body.update((name, known[name]) for name in ("endpoint_id", "url") if name in case.body)
    # Jobs may be called `reports`, so that GET /v1/jobs/reports is answered too.
    excluded: list[Any] = [allow_header_conformance] if case.path == "/v1/jobs/reports" else []
    case.call_and_validate(
        base_url=shared_server.url,
        headers={"Authorization": "Bearer operator-key-for-tests"},
        excluded_checks=excluded,
    )


def _is_right(case: schemathesis.Case, where: ParameterLocation) -> bool:
    """Whether this part of the request is as documented; then it may be led to something that exists."""
    component = case.meta.components.get(where) if case.meta else None
    return component is not None and component.mode.is_positive
