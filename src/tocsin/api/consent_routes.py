"""The consent of receivers over HTTP: asking for it now, and the address where receivers give it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from tocsin.api.auth import ADMINS
from tocsin.api.endpoint_routes import nothing_in
from tocsin.api.paging import TENANT
from tocsin.api.routing import Reply, Request, Route
from tocsin.errors import Conflict, NotFound
from tocsin.model.ids import EndpointId
from tocsin.model.noun import Noun
from tocsin.operations.consent import CALLBACK_PATH, ConsentShown, consent_shown

RATE: Final = b"webhook-allowed-rate"


class ConsentTaken(Noun, frozen=True, kw_only=True):
    """The receiver's consent is known; `allowed_rate_per_minute` null: no limit."""

    state: Literal["granted"] = "granted"
    origin: str
    allowed_rate_per_minute: int | None


async def _validate(request: Request) -> Reply:
    nothing_in(request)
    services = request.services
    endpoint = await services.endpoints.get(EndpointId(request.parts["endpoint_id"]), request.tenant_read())
    consent = await services.consents.ask(endpoint.number)
    if consent is None:
        raise Conflict("The endpoint's validation is off: its receiver is not asked for consent.")
    return Reply(body=msgspec.json.encode(consent_shown(consent)))


async def _called_back(request: Request) -> Reply:
    rate = request.header(RATE)
    consent = await request.services.consents.called_back(request.parts["token"], rate)
    taken = ConsentTaken(origin=consent.origin, allowed_rate_per_minute=consent.allowed_rate)
    return Reply(body=msgspec.json.encode(taken))


def _callback(method: Literal["GET", "POST"], name: str) -> Route:
    return Route(
        method=method,
        path=f"{CALLBACK_PATH}{{token}}",
        name=name,
        summary="A receiver consents to deliveries, at the address that it was given as WebHook-Request-Callback; it may name a "
        "rate as WebHook-Allowed-Rate.",
        answer=_called_back,
        roles=None,
        gives=ConsentTaken,
        problems=(NotFound,),
    )


CONSENT_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/endpoints/{endpoint_id}/validate",
        name="validate_endpoint",
        summary="Ask the receiver for its consent now and show what it said.",
        answer=_validate,
        roles=ADMINS,
        parameters=(TENANT,),
        gives=ConsentShown,
        problems=(NotFound, Conflict),
    ),
    _callback("GET", "take_consent"),
    _callback("POST", "take_consent_posted"),
)
