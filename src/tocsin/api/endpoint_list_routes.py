"""Lists of endpoints over HTTP: the endpoints, how they did in the last day, and the last attempts of one."""

from __future__ import annotations

from typing import Final, cast, get_args

import msgspec

from tocsin.api.auth import READERS
from tocsin.api.endpoint_routes import EndpointShown, shown
from tocsin.api.paging import LIST, TENANT, PageFields, page_fields, page_reply
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.errors import InvalidRequest, NotFound
from tocsin.formats import KINDS
from tocsin.model.attempt import AttemptError, Outcome
from tocsin.model.ids import EndpointId
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.operations.endpoint_lists import EndpointsAsked
from tocsin.operations.pieces import Pieces
from tocsin.operations.statistics import EndpointStripShown
from tocsin.ports import AttemptsQuery, EndpointQuery, Rows, StoredEndpoint
from tocsin.rules.health import EndpointState

MOST_ATTEMPTS: Final = 100
FILTERS: Final = (
    Parameter(name="state", meaning="Only endpoints in this state.", values=get_args(EndpointState)),
    Parameter(name="format", meaning="Only endpoints with this `format.kind`.", values=(*KINDS, "template")),
    Parameter(name="search", meaning="Only endpoints with this text in their name or URL, whatever its case."),
)


class AttemptInBrief(Noun, frozen=True, kw_only=True):
    """One attempt in few words; `GET /v1/deliveries/{id}` has all of it. Of a batch, the delivery is one of its members'."""

    id: str
    delivery_id: str
    number: int
    started_at: str
    outcome: Outcome
    status: int | None
    error: AttemptError | None
    total_ms: float


async def _page(request: Request) -> tuple[Rows[StoredEndpoint], PageFields]:
    page, query = page_fields(request.query), request.query
    asked = EndpointsAsked(
        state=cast("EndpointState | None", query.get("state")),
        format=query.get("format"),
        search=query.get("search") or None,
    )
    rows = await request.services.lists.page(EndpointQuery(tenant=request.tenant_read(), **page), asked)
    return rows, page


async def _list(request: Request) -> Reply:
    services, pieces = request.services, Pieces()
    rows, page = await _page(request)
    documents: dict[int, dict[str, object]] = {}
    for row in rows[: page["limit"] - 1]:
        documents[row.number] = shown(services, services.codec.endpoint_of(row))
        await pieces.step()
    return page_reply(rows, page, lambda row: row.number, lambda row: documents[row.number])


async def _strips(request: Request) -> Reply:
    rows, page = await _page(request)
    strips = await request.services.statistics.of_page(request.tenant_read(), rows[: page["limit"] - 1])
    by_id = {strip.endpoint_id: strip for strip in strips}
    return page_reply(rows, page, lambda row: row.number, lambda row: by_id[row.id])


async def _attempts(request: Request) -> Reply:
    text, services = request.query.get("limit", str(MOST_ATTEMPTS)), request.services
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST_ATTEMPTS):
        raise InvalidRequest.at("limit", f"It must be a number from 1 to {MOST_ATTEMPTS}.")
    endpoint = await services.endpoints.get(EndpointId(request.parts["endpoint_id"]), request.tenant_read())
    query = AttemptsQuery(tenant=endpoint.tenant, endpoint=endpoint.number, limit=int(text))
    items = [
        AttemptInBrief(
            id=attempt.id,
            delivery_id=delivery_id,
            number=attempt.number,
            started_at=to_text(attempt.started_at),
            outcome=attempt.outcome,
            status=None if attempt.response is None else attempt.response.status,
            error=attempt.error,
            total_ms=attempt.timings.total,
        )
        for delivery_id, attempt in await services.views.last_attempts(query)
    ]
    return Reply(body=msgspec.json.encode({"items": items, "next_cursor": None}))


ENDPOINT_LIST_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/endpoints",
        name="list_endpoints",
        summary="Endpoints, newest first.",
        answer=_list,
        roles=READERS,
        parameters=(*LIST, *FILTERS),
        gives=list[EndpointShown],
    ),
    Route(
        method="GET",
        path="/v1/endpoints/stats",
        name="list_endpoint_stats",
        summary="How the endpoints of a list did in the last 24 hours, by the hour; asked for like the list itself.",
        answer=_strips,
        roles=READERS,
        parameters=(*LIST, *FILTERS),
        gives=list[EndpointStripShown],
    ),
    Route(
        method="GET",
        path="/v1/endpoints/{endpoint_id}/attempts",
        name="list_endpoint_attempts",
        summary="The last attempts of an endpoint's newest deliveries, newest first; at most 100, of each delivery five.",
        answer=_attempts,
        roles=READERS,
        parameters=(LIST[0], TENANT),
        gives=list[AttemptInBrief],
        problems=(NotFound,),
    ),
)
