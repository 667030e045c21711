"""All deliveries that a filter matches over HTTP: counted, given up, sent again; and what is dead, by endpoint and reason."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tocsin.api.auth import ADMINS, READERS
from tocsin.api.decoding import millis
from tocsin.api.delivery_filters import FILTERS, PendingFilters, delivery_query, pending_query
from tocsin.api.paging import TENANT, page_fields
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.errors import InvalidRequest, NotFound
from tocsin.model.filter import Filter
from tocsin.model.ids import EndpointId
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.operations.documents import PendingCancelled, ReplayShown
from tocsin.operations.many_deliveries import COUNTED, MOST_ENDPOINTS, DeadPlanned, DeadWanted
from tocsin.operations.pointers import invalid_field
from tocsin.ports import DeadOfEndpoint

Text = Annotated[str, Meta(min_length=1, max_length=512)]


class DeliveriesCounted(Noun, frozen=True, kw_only=True):
    """How many deliveries match. Not `complete`: at least so many; more than that were not looked at."""

    count: int
    complete: bool


class DeadReasonShown(Noun, frozen=True, kw_only=True):
    """How many deliveries were given up for one reason, and when the first and the last of them were."""

    reason: str
    count: int
    first_at: str
    last_at: str


class DeadShown(Noun, frozen=True, kw_only=True):
    """What is dead of an endpoint: `dead` is all of it; the reasons are counted over the `looked_at` newest."""

    endpoint_id: str
    endpoint_name: str
    tenant: str
    enabled: bool
    dead: int
    looked_at: int
    reasons: list[DeadReasonShown]


class DeadList(Noun, frozen=True, kw_only=True):
    """The endpoints with most dead deliveries, most first."""

    items: list[DeadShown]


class DeadFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead deliveries to send again, by filters of the list; and how fast to each endpoint, as for a replay."""

    endpoint: str | None = None
    job: Text | None = None
    reason: Text | None = None
    event_type: Text | None = None
    subject_type: Text | None = None
    subject_id: Text | None = None
    since: str | None = None
    until: str | None = None
    rate_per_second: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    new_webhook_ids: bool = False


class DeadResent(Noun, frozen=True, kw_only=True):
    """How many events are sent again, by which replays, one for each endpoint. Endpoints that are disabled are left out. Not
    `complete`: there are more endpoints with dead deliveries; ask again."""

    total: int
    replays: list[ReplayShown]
    disabled_endpoint_ids: list[str]
    complete: bool


class EndpointTotal(Noun, frozen=True, kw_only=True):
    """How many events a replay to an endpoint would take."""

    endpoint_id: str
    total: int


class DeadCounted(Noun, frozen=True, kw_only=True):
    """What would be sent again."""

    total: int
    endpoints: list[EndpointTotal]
    disabled_endpoint_ids: list[str]
    complete: bool


async def _count(request: Request) -> Reply:
    query = delivery_query(request.query, request.tenant_read(), page_fields(request.query))
    count = await request.services.many_deliveries.count(query)
    return Reply(body=msgspec.json.encode(DeliveriesCounted(count=count.count, complete=count.complete)))


async def _dead(request: Request) -> Reply:
    endpoint = request.query.get("endpoint")
    found = await request.services.many_deliveries.dead(
        request.tenant_read(), None if endpoint is None else EndpointId(endpoint)
    )
    return Reply(body=msgspec.json.encode(DeadList(items=[_dead_shown(request, one) for one in found])))


def _dead_shown(request: Request, one: DeadOfEndpoint) -> DeadShown:
    config = request.services.codec.endpoint_of(one.endpoint).config
    return DeadShown(
        endpoint_id=one.endpoint.id,
        endpoint_name=config.name,
        tenant=one.endpoint.tenant,
        enabled=config.enabled,
        dead=one.dead,
        looked_at=one.looked,
        reasons=[
            DeadReasonShown(
                reason=reason.reason,
                count=reason.count,
                first_at=to_text(reason.first_at),
                last_at=to_text(reason.last_at),
            )
            for reason in one.reasons
        ],
    )


async def _cancel(request: Request) -> Reply:
    done = await request.services.many_deliveries.cancel(pending_query(request), request.document(), by=request.actor())
    return Reply(body=msgspec.json.encode(done))


async def _resend(request: Request) -> Reply:
    wanted, tenant, many = _wanted(request), request.tenant_read(), request.services.many_deliveries
    if request.query.get("dry_run") == "true":
        planned = await many.plan(tenant, wanted)
        totals = [EndpointTotal(endpoint_id=one.endpoint_id, total=one.total) for one in planned.replays]
        counted = DeadCounted(
            total=_total(planned),
            endpoints=totals,
            disabled_endpoint_ids=list(planned.disabled),
            complete=planned.complete,
        )
        return Reply(body=msgspec.json.encode(counted))
    begun = await many.resend(tenant, wanted, by=request.actor())
    resent = DeadResent(
        total=_total(begun),
        replays=[request.services.replays.shown(replay) for replay in begun.replays],
        disabled_endpoint_ids=list(begun.disabled),
        complete=begun.complete,
    )
    return Reply(status=202, body=msgspec.json.encode(resent))


def _total(planned: DeadPlanned) -> int:
    return sum(replay.total for replay in planned.replays)


def _wanted(request: Request) -> DeadWanted:
    """Of the body. Raises InvalidRequest."""
    try:
        asked = msgspec.convert(request.document(), DeadFilters)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error
    subject_type, subject_id = asked.subject_type, asked.subject_id
    if asked.job is not None:
        if subject_type is not None or subject_id is not None:
            raise InvalidRequest.at("/job", "It is a subject already: leave subject_type and subject_id out.")
        subject_type, subject_id = "job", asked.job
    condition = Filter(
        event_types=None if asked.event_type is None else (asked.event_type,),
        subject_types=None if subject_type is None else (subject_type,),
        subject_ids=None if subject_id is None else (subject_id,),
    )
    return DeadWanted(
        endpoint=None if asked.endpoint is None else EndpointId(asked.endpoint),
        since=millis(asked.since, "/since"),
        until=millis(asked.until, "/until"),
        condition=None if condition == Filter() else condition,
        reason=asked.reason,
        rate_per_second=asked.rate_per_second,
        new_webhook_ids=asked.new_webhook_ids,
    )


_DRY_RUN: Final = Parameter(
    name="dry_run",
    meaning="`true`: answer only how many there are, and change nothing.",
    kind="boolean",
    values=("true", "false"),
)

MANY_DELIVERY_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/deliveries/count",
        name="count_deliveries",
        summary=f"How many deliveries a filter matches: exactly up to {COUNTED}, and what is pending or dead however much it is.",
        answer=_count,
        roles=READERS,
        parameters=(TENANT, *FILTERS),
        gives=DeliveriesCounted,
    ),
    Route(
        method="GET",
        path="/v1/deliveries/dead",
        name="list_dead_deliveries",
        summary="What was given up on, by endpoint and reason.",
        answer=_dead,
        roles=READERS,
        parameters=(TENANT, Parameter(name="endpoint", meaning="The id of an endpoint.")),
        gives=DeadList,
    ),
    Route(
        method="POST",
        path="/v1/deliveries/cancel",
        name="cancel_deliveries",
        summary="Give up all pending deliveries that match, over all endpoints. A request that is out may still succeed.",
        answer=_cancel,
        roles=ADMINS,
        parameters=(TENANT,),
        takes=PendingFilters,
        gives=PendingCancelled,
    ),
    Route(
        method="POST",
        path="/v1/deliveries/resend",
        name="resend_deliveries",
        summary=f"Send all dead deliveries that match again, by a replay for each endpoint, at most {MOST_ENDPOINTS}; with"
        " `dry_run=true` only count them (200).",
        answer=_resend,
        roles=ADMINS,
        parameters=(TENANT, _DRY_RUN),
        takes=DeadFilters,
        gives=DeadResent,
        status=202,
        others={200: DeadCounted},
        problems=(NotFound,),
    ),
)
