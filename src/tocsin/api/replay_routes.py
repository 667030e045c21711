"""Replays over HTTP."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tocsin.api.auth import ADMINS, READERS, TenantName
from tocsin.api.decoding import millis
from tocsin.api.endpoint_routes import nothing_in
from tocsin.api.paging import LIST, TENANT, page_fields, page_reply
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.errors import Conflict, InvalidRequest, NotFound
from tocsin.model.filter import Filter
from tocsin.model.ids import EndpointId, ReplayId
from tocsin.model.noun import Noun
from tocsin.model.replay import Only, Replay, ReplayState, ReplayStep
from tocsin.operations.documents import ReplayShown
from tocsin.operations.pointers import invalid_field, said
from tocsin.operations.replays import ReplayRequest
from tocsin.ports import ReplayQuery
from tocsin.rules.where import check_where


class NewReplay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be replayed to which endpoint: what was accepted in `[since, until)` and matches the endpoint's filters,
    and one of these if there are any. `dead_reason` goes with `only` dead: what was given up for this reason alone."""

    endpoint_id: str
    since: str | None = None
    until: str | None = None
    filters: Annotated[tuple[Filter, ...], Meta(max_length=100)] = ()
    only: Only = "all"
    dead_reason: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    rate_per_second: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    new_webhook_ids: bool = False
    tenant: TenantName | None = None


class Total(Noun, frozen=True, kw_only=True):
    """What a replay would take."""

    total: int


def _reply(request: Request, replay: Replay, status: int = 200) -> Reply:
    return Reply(status=status, body=msgspec.json.encode(request.services.replays.shown(replay)))


async def _create(request: Request) -> Reply:
    try:
        asked = msgspec.convert(request.document(), NewReplay)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error
    errors = [
        error
        for index, condition in enumerate(asked.filters)
        if (where := condition.where) is not None
        for error in said(lambda: check_where(where), f"/filters/{index}/where")
    ]
    if errors:
        raise InvalidRequest(errors[0].detail, errors=tuple(errors))
    if asked.dead_reason is not None and asked.only != "dead":
        raise InvalidRequest.at("/dead_reason", "It goes with `only`: `dead`.")
    wanted = ReplayRequest(
        endpoint_id=EndpointId(asked.endpoint_id),
        since=millis(asked.since, "/since"),
        until=millis(asked.until, "/until"),
        filters=asked.filters,
        only=asked.only,
        dead_reason=asked.dead_reason,
        rate_per_second=asked.rate_per_second,
        new_webhook_ids=asked.new_webhook_ids,
    )
    tenant = request.tenant_read() if asked.tenant is None else request.tenant_written(asked.tenant)
    replays = request.services.replays
    if request.query.get("dry_run") == "true":
        return Reply(body=msgspec.json.encode(Total(total=await replays.count(wanted, tenant))))
    return _reply(request, await replays.create(wanted, tenant, by=request.actor()), 202)


async def _list(request: Request) -> Reply:
    page, endpoint, state = page_fields(request.query), request.query.get("endpoint"), request.query.get("state")
    asked = ReplayQuery(
        tenant=request.tenant_read(),
        endpoint=None if endpoint is None else EndpointId(endpoint),
        state=None if state is None else ReplayState(state),
        **page,
    )
    rows = await request.services.replays.list(asked)
    return page_reply(rows, page, lambda row: row.number, request.services.replays.shown)


def _replay_id(request: Request) -> ReplayId:
    return ReplayId(request.parts["replay_id"])


async def _get(request: Request) -> Reply:
    return _reply(request, await request.services.replays.get(_replay_id(request), request.tenant_read()))


async def _pause(request: Request) -> Reply:
    return await _taken(request, ReplayStep.PAUSE)


async def _resume(request: Request) -> Reply:
    return await _taken(request, ReplayStep.RESUME)


async def _cancel(request: Request) -> Reply:
    return await _taken(request, ReplayStep.CANCEL)


async def _taken(request: Request, step: ReplayStep) -> Reply:
    nothing_in(request)
    replays = request.services.replays
    taken = await replays.take(step, _replay_id(request), request.tenant_read(), by=request.actor())
    return _reply(request, taken)


_ONE: Final = "/v1/replays/{replay_id}"

REPLAY_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/replays",
        name="create_replay",
        summary="Replay past events to an endpoint; with `dry_run=true` only count them (200).",
        answer=_create,
        roles=ADMINS,
        parameters=(
            TENANT,
            Parameter(
                name="dry_run",
                meaning="`true`: answer only how many events there are, and change nothing.",
                kind="boolean",
                values=("true", "false"),
            ),
        ),
        takes=NewReplay,
        gives=ReplayShown,
        status=202,
        others={200: Total},
        problems=(NotFound, Conflict),
    ),
    Route(
        method="GET",
        path="/v1/replays",
        name="list_replays",
        summary="Replays, newest first.",
        answer=_list,
        roles=READERS,
        parameters=(
            *LIST,
            Parameter(name="endpoint", meaning="Id of the endpoint."),
            Parameter(name="state", meaning="Only those in this state.", values=tuple(ReplayState)),
        ),
        gives=list[ReplayShown],
    ),
    Route(
        method="GET",
        path=_ONE,
        name="get_replay",
        summary="One replay with its progress.",
        answer=_get,
        roles=READERS,
        parameters=(TENANT,),
        gives=ReplayShown,
        problems=(NotFound,),
    ),
    *(
        Route(
            method="POST",
            path=f"{_ONE}/{step}",
            name=f"{step}_replay",
            summary=summary,
            answer=answer,
            roles=ADMINS,
            parameters=(TENANT,),
            gives=ReplayShown,
            problems=(NotFound, Conflict),
        )
        for step, summary, answer in (
            ("pause", "Hold a replay: nothing more of it is sent until it is resumed.", _pause),
            ("resume", "Go on with a paused replay.", _resume),
            ("cancel", "End a replay: what was not sent yet is cancelled.", _cancel),
        )
    ),
)
