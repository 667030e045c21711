"""The master key over HTTP: it is changed here, never shown."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.api.routing import Reply, Request, Route
from tocsin.errors import Conflict
from tocsin.model.access import Role
from tocsin.operations.master_key import Rewrapped


async def _rewrap(request: Request) -> Reply:
    done = await request.services.master_key.rewrap(request.actor())
    return Reply(body=msgspec.json.encode(done))


MASTER_KEY_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/master-key/rewrap",
        name="rewrap_master_key",
        summary="Read the master key's file again and wrap all data keys by the first key in it.",
        answer=_rewrap,
        roles=frozenset({Role.OPERATOR}),
        gives=Rewrapped,
        problems=(Conflict,),
    ),
)
