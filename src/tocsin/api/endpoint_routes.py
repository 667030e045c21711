"""Endpoints over HTTP."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tocsin.api.auth import ADMINS, READERS, TenantName
from tocsin.api.paging import TENANT
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.api.services import Services
from tocsin.api.shapes import AttemptShown, attempt_shown
from tocsin.errors import Conflict, InvalidRequest, MalformedJson, NotFound
from tocsin.model.endpoint import Endpoint, EndpointConfig
from tocsin.model.ids import EndpointId
from tocsin.model.signing import HmacSigning, HttpMessageSigning, NoSigning, Seconds, StandardWebhooksSigning
from tocsin.operations.consent import ConsentShown
from tocsin.operations.documents import CircuitShown
from tocsin.operations.endpoint_codec import MAX_SECRET_LENGTH
from tocsin.operations.endpoints import Changed, without_read_only
from tocsin.operations.pointers import invalid_field
from tocsin.rules.consent import must_wait_for
from tocsin.signing import secret_of


class HmacShown(HmacSigning, frozen=True, kw_only=True, tag_field="kind", tag="hmac"):
    """As it is set; a key that was generated is shown as `secret` too, as in the other kinds."""

    secret: str | None = None


class EndpointShown(EndpointConfig, frozen=True, kw_only=True):
    """An endpoint as read: its settings, with secrets as fingerprints, and what is read-only. `failing_since` is the first failure since
    the last success."""

    signing: NoSigning | StandardWebhooksSigning | HmacShown | HttpMessageSigning
    id: str
    tenant: str
    created_at: str
    state: Literal["healthy", "failing", "paused", "disabled"]
    state_reason: str | None
    paused_until: str | None
    failing_since: str | None
    circuit_state: CircuitShown
    consent: ConsentShown | None


class NewEndpoint(EndpointConfig, frozen=True, kw_only=True):
    """An endpoint to be created. `tenant` is for operators."""

    tenant: TenantName | None = None


class TestRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which sample to send; without a type, one that the format expresses."""

    event_type: Annotated[str, Meta(min_length=1, max_length=512)] | None = None


class RotateSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new signing secret: this one, or one that is generated. The old one signs as well for `overlap_seconds`, by default
    those of the endpoint's signing; 0 ends every old secret at once."""

    secret: Annotated[str, Meta(min_length=1, max_length=MAX_SECRET_LENGTH)] | None = None
    overlap_seconds: Seconds | None = None


class SecretRotated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The secret that signs now, shown this once; `public_key` belongs to it where the algorithm is Ed25519."""

    secret: str
    old_valid_until: str | None
    public_key: str | None = None


def shown(services: Services, endpoint: Endpoint) -> dict[str, object]:
    """An endpoint as the API shows it."""
    return services.endpoints.shown(endpoint)


def _reply(services: Services, changed: Changed, status: int = 200) -> Reply:
    """With the secret that was generated, if one was: shown this once, as `signing.secret`."""
    document = shown(services, changed.endpoint)
    signing = document["signing"]
    if changed.generated is not None and isinstance(signing, dict):
        signing["secret"] = changed.generated
        if isinstance(changed.endpoint.config.signing, HmacSigning):
            signing["key"] = changed.generated
    return Reply(status=status, body=msgspec.json.encode(document))


def _trial(services: Services, changed: Changed) -> Reply:
    """What a change would make of the endpoint. A secret that would be generated is null: it is none yet."""
    document = shown(services, changed.endpoint)
    signing = document["signing"]
    if changed.generated is not None and isinstance(signing, dict):
        signing["key" if isinstance(changed.endpoint.config.signing, HmacSigning) else "secret"] = None
        if "public_key" in signing:
            signing["public_key"] = None
    return Reply(body=msgspec.json.encode(document))


def _is_trial(request: Request) -> bool:
    return request.query.get("dry_run") == "true"


def _endpoint_id(request: Request) -> EndpointId:
    return EndpointId(request.parts["endpoint_id"])


async def _create(request: Request) -> Reply:
    document = request.document()
    named = document.pop("tenant", None)
    if named is not None and not isinstance(named, str):
        raise InvalidRequest.at("/tenant", "A tenant's name is a text.")
    services, tenant, is_trial = request.services, request.tenant_written(named), _is_trial(request)
    made = await services.endpoints.create(tenant, document, by=request.actor(), is_trial=is_trial)
    return _trial(services, made) if is_trial else _reply(services, made, 201)


async def _get(request: Request) -> Reply:
    endpoint = await request.services.endpoints.get(_endpoint_id(request), request.tenant_read())
    return Reply(body=msgspec.json.encode(shown(request.services, endpoint)))


async def _patch(request: Request) -> Reply:
    services, endpoint_id, tenant = request.services, _endpoint_id(request), request.tenant_read()
    if not request.body.strip():
        raise MalformedJson("The merge patch is missing.")
    present = await services.endpoints.get(endpoint_id, tenant)
    patch, is_trial = without_read_only(request.document(), shown(services, present)), _is_trial(request)
    done = await services.endpoints.patch(endpoint_id, tenant, patch, by=request.actor(), is_trial=is_trial)
    return _trial(services, done) if is_trial else _reply(services, done)


async def _replace(request: Request) -> Reply:
    services, endpoint_id, tenant = request.services, _endpoint_id(request), request.tenant_read()
    present = await services.endpoints.get(endpoint_id, tenant)
    document, is_trial = without_read_only(request.document(), shown(services, present)), _is_trial(request)
    done = await services.endpoints.replace(endpoint_id, tenant, document, by=request.actor(), is_trial=is_trial)
    return _trial(services, done) if is_trial else _reply(services, done)


async def _delete(request: Request) -> Reply:
    await request.services.endpoints.delete(_endpoint_id(request), request.tenant_read(), by=request.actor())
    return Reply(status=204)


async def _enable(request: Request) -> Reply:
    return await _switched(request, enabled=True)


async def _disable(request: Request) -> Reply:
    return await _switched(request, enabled=False)


async def _resume(request: Request) -> Reply:
    nothing_in(request)
    resumed = await request.services.resuming.resume(_endpoint_id(request), request.tenant_read(), by=request.actor())
    return Reply(body=msgspec.json.encode(shown(request.services, resumed)))


async def _switched(request: Request, *, enabled: bool) -> Reply:
    nothing_in(request)
    services = request.services
    changed = await services.endpoints.switch(
        _endpoint_id(request), request.tenant_read(), enabled=enabled, by=request.actor()
    )
    return _reply(services, changed)


def nothing_in(request: Request) -> None:
    """Raises InvalidRequest when a request that takes no fields has some."""
    for name in request.document():
        raise InvalidRequest.at(f"/{name}", "This request takes no fields.")


async def _test(request: Request) -> Reply:
    services = request.services
    endpoint = await services.endpoints.get(_endpoint_id(request), request.tenant_read())
    try:
        asked = msgspec.convert(request.document(), TestRequest)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error
    standing = services.standing(endpoint.number)
    if standing is not None and standing.consent is not None and must_wait_for(standing.consent):
        raise Conflict("The receiver has not consented to deliveries; POST .../validate asks it.")
    attempt = await services.test_sending.send(endpoint, asked.event_type)
    return Reply(body=msgspec.json.encode(attempt_shown(attempt)))


async def _rotate(request: Request) -> Reply:
    services = request.services
    try:
        asked = msgspec.convert(request.document(), RotateSecret)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error
    changed = await services.endpoints.rotate(
        _endpoint_id(request),
        request.tenant_read(),
        secret=asked.secret,
        overlap_seconds=asked.overlap_seconds,
        by=request.actor(),
    )
    signing = changed.endpoint.config.signing
    assert not isinstance(signing, NoSigning | None)
    secret = secret_of(signing)
    assert secret is not None
    answer = SecretRotated(
        secret=secret.reveal(),
        old_valid_until=None if signing.previous is None else signing.previous.valid_until,
        public_key=None if isinstance(signing, HmacSigning) else signing.public_key,
    )
    return Reply(body=msgspec.json.encode(answer))


_ONE: Final = "/v1/endpoints/{endpoint_id}"
_TRIAL: Final = Parameter(
    name="dry_run",
    meaning="`true`: everything is checked and the endpoint is shown as it would be, but nothing changes.",
    kind="boolean",
    values=("true", "false"),
)

ENDPOINT_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/endpoints",
        name="create_endpoint",
        summary="Create an endpoint. A signing secret that is not given is generated and shown this once.",
        answer=_create,
        roles=ADMINS,
        parameters=(TENANT, _TRIAL),
        takes=NewEndpoint,
        gives=EndpointShown,
        status=201,
        others={200: EndpointShown},
    ),
    Route(
        method="GET",
        path=_ONE,
        name="get_endpoint",
        summary="One endpoint.",
        answer=_get,
        roles=READERS,
        parameters=(TENANT,),
        gives=EndpointShown,
        problems=(NotFound,),
    ),
    Route(
        method="PATCH",
        path=_ONE,
        name="change_endpoint",
        summary="Change an endpoint by a merge patch (RFC 7396). Naming another `kind` replaces that object as a whole.",
        answer=_patch,
        roles=ADMINS,
        parameters=(TENANT, _TRIAL),
        takes=EndpointConfig,
        gives=EndpointShown,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="PUT",
        path=_ONE,
        name="replace_endpoint",
        summary="Give an endpoint exactly these settings; what is not named has its default. `enabled` and the secrets that sign stay "
        "where they are not named; another secret is a rotation.",
        answer=_replace,
        roles=ADMINS,
        parameters=(TENANT, _TRIAL),
        takes=EndpointConfig,
        gives=EndpointShown,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="DELETE",
        path=_ONE,
        name="delete_endpoint",
        summary="Delete an endpoint: its secrets are erased, what is pending for it is cancelled.",
        answer=_delete,
        roles=ADMINS,
        parameters=(TENANT,),
        status=204,
        problems=(NotFound,),
    ),
    Route(
        method="POST",
        path=f"{_ONE}/test",
        name="test_endpoint",
        summary="Send a sample event now and show the attempt. Nothing is kept.",
        answer=_test,
        roles=ADMINS,
        parameters=(TENANT,),
        takes=TestRequest,
        gives=AttemptShown,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path=f"{_ONE}/rotate-secret",
        name="rotate_secret",
        summary="Replace the signing secret and show the new one this once. For a while requests carry the signatures of both.",
        answer=_rotate,
        roles=ADMINS,
        parameters=(TENANT,),
        takes=RotateSecret,
        gives=SecretRotated,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path=f"{_ONE}/enable",
        name="enable_endpoint",
        summary="Enable an endpoint: it gets events accepted from now on, and what it held is delivered.",
        answer=_enable,
        roles=ADMINS,
        parameters=(TENANT,),
        gives=EndpointShown,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path=f"{_ONE}/disable",
        name="disable_endpoint",
        summary="Disable an endpoint: no new deliveries, the pending ones are held.",
        answer=_disable,
        roles=ADMINS,
        parameters=(TENANT,),
        gives=EndpointShown,
        problems=(NotFound, Conflict),
    ),
    Route(
        method="POST",
        path=f"{_ONE}/resume",
        name="resume_endpoint",
        summary="End the pause of an endpoint now: one that its receiver asked for, or that of an open circuit. Failures so far count no more. A delivery that was answered with a time keeps it.",
        answer=_resume,
        roles=ADMINS,
        parameters=(TENANT,),
        gives=EndpointShown,
        problems=(NotFound, Conflict),
    ),
)
