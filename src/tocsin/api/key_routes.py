"""API keys over HTTP."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tocsin.api.auth import ADMINS, TenantName, checked_tenant
from tocsin.api.decoding import millis
from tocsin.api.paging import LIST, TENANT, page_fields, page_reply
from tocsin.api.routing import Reply, Request, Route
from tocsin.api.shapes import NewKeyShown
from tocsin.errors import Conflict, Forbidden, InvalidRequest, NotFound
from tocsin.model.access import Role
from tocsin.model.ids import KeyId
from tocsin.operations.documents import KeyShown, key_shown
from tocsin.operations.pointers import invalid_field
from tocsin.ports import KeyQuery


class NewKeyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made. An operator key has no tenant."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    role: Role
    tenant: TenantName | None = None
    expires_at: str | None = None


async def _create(request: Request) -> Reply:
    assert request.caller is not None
    try:
        asked = msgspec.convert(request.document(), NewKeyRequest)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error
    if asked.tenant is not None:
        checked_tenant(asked.tenant, "/tenant")
    tenant: str | None
    if asked.role is Role.OPERATOR:
        if request.caller.role is not Role.OPERATOR:
            raise Forbidden("Only an operator may make operator keys.")
        if asked.tenant is not None or "tenant" in request.query:
            raise InvalidRequest.at("/tenant", "An operator key has no tenant.")
        tenant = None
    else:
        tenant = request.tenant_written(asked.tenant)
    made = await request.services.keys.create(
        name=asked.name,
        role=asked.role,
        tenant=tenant,
        expires_at=millis(asked.expires_at, "/expires_at"),
        by=request.actor(),
    )
    document = NewKeyShown(**msgspec.structs.asdict(key_shown(made.key)), value=made.value)
    return Reply(status=201, body=msgspec.json.encode(document))


async def _list(request: Request) -> Reply:
    page = page_fields(request.query)
    rows = await request.services.views.keys(KeyQuery(tenant=request.tenant_read(), **page))
    return page_reply(rows, page, lambda row: row[0], lambda row: key_shown(row[1]))


async def _revoke(request: Request) -> Reply:
    await request.services.keys.revoke(KeyId(request.parts["key_id"]), request.tenant_read(), by=request.actor())
    return Reply(status=204)


KEY_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/api-keys",
        name="create_api_key",
        summary="Make an API key. Its value is shown this once.",
        answer=_create,
        roles=ADMINS,
        parameters=(TENANT,),
        takes=NewKeyRequest,
        gives=NewKeyShown,
        status=201,
    ),
    Route(
        method="GET",
        path="/v1/api-keys",
        name="list_api_keys",
        summary="API keys, newest first, without their values.",
        answer=_list,
        roles=ADMINS,
        parameters=LIST,
        gives=list[KeyShown],
    ),
    Route(
        method="DELETE",
        path="/v1/api-keys/{key_id}",
        name="revoke_api_key",
        summary="Revoke an API key at once. The last operator key that is still valid cannot be revoked.",
        answer=_revoke,
        roles=ADMINS,
        parameters=(TENANT,),
        status=204,
        problems=(NotFound, Conflict),
    ),
)
