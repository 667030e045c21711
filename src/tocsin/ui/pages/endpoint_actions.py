"""What is done with an endpoint: enable, disable, resume, send a test, replace its secret, ask for consent, cancel what is pending, delete."""

from __future__ import annotations

from typing import Final

from tocsin.formats import SAMPLE_TYPES
from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import Refused, segment
from tocsin.ui.forms.leaves import duration_of
from tocsin.ui.pages.endpoint_head import PATH, head_of, only_changers
from tocsin.ui.pages.problem import confirmation
from tocsin.ui.rendering import NO_PROBLEMS, Problems, page, problems_of
from tocsin.ui.routing import Page, UiRoute
from tocsin.ui.texts import number

MOST_STEPS: Final = 1000
"""Cancelling goes in steps; more are left to a second click."""


class Numbers(Noun, frozen=True, kw_only=True):
    """What is said before something cannot be undone."""

    pending_deliveries: int


class Named(Noun, frozen=True, kw_only=True):
    """The endpoint that is meant."""

    name: str


class Cancelled(Noun, frozen=True, kw_only=True):
    """One step of cancelling."""

    cancelled: int
    complete: bool


class Rotated(Noun, frozen=True, kw_only=True):
    """The secret that signs now, shown this once."""

    secret: str
    old_valid_until: str | None
    public_key: str | None = None


def _api(request: UiRequest, action: str = "") -> str:
    return f"/v1/endpoints/{segment(request.parts['endpoint_id'])}{action}"


def _page(request: UiRequest) -> str:
    return f"{PATH}/{segment(request.parts['endpoint_id'])}"


def _switch(action: str, said: str) -> Page:
    async def switch(request: UiRequest) -> Answer:
        named = (await request.api.change("POST", _api(request, action))).read(Named)
        return request.back(_page(request), said.format(named.name))

    return switch


async def _test(request: UiRequest) -> Answer:
    kind = request.form.get("event_type")
    answer = await request.api.send("POST", _api(request, "/test"), {"event_type": kind} if kind else {})
    head = await head_of(request)
    request.api.note(_api(request, "/test"), method="POST")
    return page(
        request,
        "endpoint_tested.html",
        title=head.name,
        command=f"tocsin endpoints test {head.id}" + (f" --event-type {kind}" if kind else ""),
        status=200 if answer.is_ok else answer.status,
        head=head,
        tab="",
        attempt=answer.read(dict) if answer.is_ok else None,
        problem="" if answer.is_ok else answer.problem.detail or answer.problem.title,
        samples=SAMPLE_TYPES,
        asked=kind,
    )


async def _rotation(request: UiRequest) -> Answer:
    only_changers(request)
    return await _rotation_page(request, NO_PROBLEMS)


async def _rotation_page(request: UiRequest, problems: Problems) -> Answer:
    head = await head_of(request)
    request.api.note(_api(request, "/rotate-secret"), method="POST")
    return page(
        request,
        "endpoint_rotate.html",
        title=head.name,
        command=f"tocsin endpoints rotate-secret {head.id}",
        status=422 if problems else 200,
        head=head,
        tab="",
        problems=problems,
        overlap=request.form.get("overlap"),
    )


async def _rotate(request: UiRequest) -> Answer:
    document: dict[str, object] = {}
    if overlap := request.form.get("overlap"):
        document["overlap_seconds"] = duration_of(overlap)
    if secret := request.form.get("secret"):
        document["secret"] = secret
    answer = await request.api.send("POST", _api(request, "/rotate-secret"), document)
    if answer.status == 422:
        return await _rotation_page(request, problems_of(answer.problem))
    if not answer.is_ok:
        raise Refused(answer.problem)
    return page(
        request,
        "endpoint_rotated.html",
        title="Secret replaced",
        command=f"tocsin endpoints rotate-secret {request.parts['endpoint_id']}",
        rotated=answer.read(Rotated),
        back=_page(request),
    )


async def _cancel_pending(request: UiRequest) -> Answer:
    if not request.is_confirmed:
        count = await _pending(request)
        return confirmation(
            request,
            question="Cancel what is pending?",
            detail=f"{number(count)} deliveries are pending for this endpoint. They will not be sent; a replay can bring them back.",
            button=f"Cancel {number(count)} deliveries",
            back=request.url(_page(request)),
        )
    cancelled, steps = 0, 0
    while steps < MOST_STEPS:
        step = (await request.api.change("POST", _api(request, "/cancel-pending"), {})).read(Cancelled)
        cancelled, steps = cancelled + step.cancelled, steps + 1
        if step.complete:
            break
    return request.redirect(_page(request), f"{number(cancelled)} deliveries are cancelled.")


async def _delete(request: UiRequest) -> Answer:
    if not request.is_confirmed:
        named = await request.api.read(_api(request), Named)
        count = await _pending(request)
        return confirmation(
            request,
            question=f"Delete the endpoint {named.name}?",
            detail=f"{number(count)} pending deliveries are cancelled with it, and its secrets are erased. Its past deliveries "
            "stay. It cannot be undone.",
            button="Delete the endpoint",
            back=request.url(_page(request)),
        )
    await request.api.change("DELETE", _api(request))
    return request.redirect(PATH, "The endpoint is deleted.")


async def _pending(request: UiRequest) -> int:
    return (await request.api.read(_api(request, "/stats"), Numbers)).pending_deliveries


async def _validate(request: UiRequest) -> Answer:
    await request.api.change("POST", _api(request, "/validate"))
    return request.back(f"{_page(request)}/health", "The receiver was asked.")


_ONE: Final = f"{PATH}/{{endpoint_id}}"
ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="POST", path=f"{_ONE}/enable", page=_switch("/enable", "{} is enabled: what it held is delivered.")),
    UiRoute(
        method="POST", path=f"{_ONE}/disable", page=_switch("/disable", "{} is disabled: what is pending is held.")
    ),
    UiRoute(method="POST", path=f"{_ONE}/resume", page=_switch("/resume", "{} is sent to again.")),
    UiRoute(method="POST", path=f"{_ONE}/test", page=_test),
    UiRoute(method="GET", path=f"{_ONE}/rotate", page=_rotation),
    UiRoute(method="POST", path=f"{_ONE}/rotate", page=_rotate),
    UiRoute(method="POST", path=f"{_ONE}/cancel-pending", page=_cancel_pending),
    UiRoute(method="POST", path=f"{_ONE}/delete", page=_delete),
    UiRoute(method="POST", path=f"{_ONE}/validate", page=_validate),
)
