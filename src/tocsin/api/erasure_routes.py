"""Erasures over HTTP."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tocsin.api.auth import ADMINS, TenantName
from tocsin.api.paging import LIST, TENANT, page_fields, page_reply
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.errors import NotFound
from tocsin.model.erasure import Erasure, ErasureState, Subject
from tocsin.model.ids import ErasureId
from tocsin.operations.documents import ErasureShown, erasure_shown
from tocsin.operations.pointers import invalid_field
from tocsin.ports import ErasureQuery

_LONGEST: Final = 2048
"""Characters of a subject: as long as the longest that is accepted."""


class NewErasure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The subject to erase. That of a record is `<table>/<record id>`, that of a job its id."""

    subject_type: Annotated[str, Meta(min_length=1, max_length=_LONGEST)]
    subject_id: Annotated[str, Meta(min_length=1, max_length=_LONGEST)]
    tenant: TenantName | None = None


def _reply(erasure: Erasure, status: int = 200) -> Reply:
    return Reply(status=status, body=msgspec.json.encode(erasure_shown(erasure)))


async def _create(request: Request) -> Reply:
    try:
        asked = msgspec.convert(request.document(), NewErasure)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error
    subject = Subject(tenant=request.tenant_written(asked.tenant), type=asked.subject_type, id=asked.subject_id)
    return _reply(await request.services.erasures.create(subject, by=request.actor()), 202)


async def _list(request: Request) -> Reply:
    page, state = page_fields(request.query), request.query.get("state")
    asked = ErasureQuery(tenant=request.tenant_read(), state=None if state is None else ErasureState(state), **page)
    rows = await request.services.erasures.list(asked)
    return page_reply(rows, page, lambda row: row.number, erasure_shown)


async def _get(request: Request) -> Reply:
    erasure_id = ErasureId(request.parts["erasure_id"])
    return _reply(await request.services.erasures.get(erasure_id, request.tenant_read()))


ERASURE_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/erasures",
        name="create_erasure",
        summary="Erase everything about a subject that was accepted so far. It cannot be undone.",
        answer=_create,
        roles=ADMINS,
        parameters=(TENANT,),
        takes=NewErasure,
        gives=ErasureShown,
        status=202,
    ),
    Route(
        method="GET",
        path="/v1/erasures",
        name="list_erasures",
        summary="Erasures, newest first.",
        answer=_list,
        roles=ADMINS,
        parameters=(*LIST, Parameter(name="state", meaning="Only those in this state.", values=tuple(ErasureState))),
        gives=list[ErasureShown],
    ),
    Route(
        method="GET",
        path="/v1/erasures/{erasure_id}",
        name="get_erasure",
        summary="One erasure with its report.",
        answer=_get,
        roles=ADMINS,
        parameters=(TENANT,),
        gives=ErasureShown,
        problems=(NotFound,),
    ),
)
