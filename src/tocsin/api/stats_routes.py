"""Numbers over HTTP: of everything, of a tenant, of an endpoint; and for Prometheus."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.api.auth import READERS
from tocsin.api.decoding import millis
from tocsin.api.paging import TENANT
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.errors import NotFound
from tocsin.model.ids import EndpointId, Millis
from tocsin.operations.statistics import DEFAULT_RANGE, EndpointStatsShown, StatsShown
from tocsin.rules.ranges import NAMED

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
RANGE: Final = (
    Parameter(name="range", meaning=f"A range that ends now; {DEFAULT_RANGE} by default.", values=tuple(NAMED)),
    Parameter(name="since", meaning="Or: from this time (RFC 3339) on.", kind="time"),
    Parameter(name="until", meaning="Or: before this time (RFC 3339).", kind="time"),
)


def _asked(request: Request) -> tuple[str | None, Millis | None, Millis | None]:
    query = request.query
    return query.get("range"), millis(query.get("since"), "since"), millis(query.get("until"), "until")


async def _stats(request: Request) -> Reply:
    document = await request.services.statistics.of_tenant(request.tenant_read(), *_asked(request))
    return Reply(body=msgspec.json.encode(document))


async def _endpoint_stats(request: Request) -> Reply:
    services = request.services
    endpoint = await services.endpoints.get(EndpointId(request.parts["endpoint_id"]), request.tenant_read())
    document = await services.statistics.of_endpoint(endpoint.number, endpoint.id, endpoint.tenant, *_asked(request))
    return Reply(body=msgspec.json.encode(document))


async def _metrics(request: Request) -> Reply:
    return Reply(body=await request.services.statistics.for_prometheus(), content_type=METRICS_TYPE)


STATS_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/stats",
        name="get_stats",
        summary="What is pending and dead now; what was accepted, attempted and delivered in a range, how fast, which endpoints fail and which need somebody.",
        answer=_stats,
        roles=READERS,
        parameters=(TENANT, *RANGE),
        gives=StatsShown,
    ),
    Route(
        method="GET",
        path="/v1/endpoints/{endpoint_id}/stats",
        name="get_endpoint_stats",
        summary="The same numbers of one endpoint.",
        answer=_endpoint_stats,
        roles=READERS,
        parameters=(TENANT, *RANGE),
        gives=EndpointStatsShown,
        problems=(NotFound,),
    ),
    Route(
        method="GET",
        path="/metrics",
        name="metrics",
        summary="Numbers in Prometheus' text format.",
        answer=_metrics,
        roles=None,
        content_type=METRICS_TYPE,
    ),
)
