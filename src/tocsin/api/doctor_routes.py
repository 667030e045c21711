"""Doctor over HTTP: what is wrong with this server, and the facts of its store and process."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.errors import Conflict
from tocsin.model.access import Role
from tocsin.operations.doctor import Diagnosis


async def _diagnose(request: Request) -> Reply:
    diagnosis = await request.services.doctor.diagnose(integrity=request.query.get("integrity") == "true")
    return Reply(body=msgspec.json.encode(diagnosis))


DOCTOR_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/doctor",
        name="get_diagnosis",
        summary="What is wrong with this server, why, and what to do; and the facts of its store and process.",
        answer=_diagnose,
        roles=frozenset({Role.OPERATOR}),
        parameters=(
            Parameter(
                name="integrity",
                meaning="`true`: the whole database is read, to see whether it is damaged. Takes as long as that.",
                kind="boolean",
                values=("true", "false"),
            ),
        ),
        gives=Diagnosis,
        problems=(Conflict,),
    ),
)
