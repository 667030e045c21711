"""Erasures: everything about a subject goes; what was asked for, how far it is, and what it found."""

from __future__ import annotations

from typing import Final

from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer, Reply
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import segment
from tocsin.ui.pages.problem import confirmation
from tocsin.ui.rendering import NO_PROBLEMS, Problems, page, problems_of
from tocsin.ui.routing import UiRoute

ERASURES: Final = "/ui/erasures"


class ErasureRead(Noun, frozen=True, kw_only=True):
    """An erasure."""

    id: str
    tenant: str
    state: str
    reason: str | None
    subject_type: str
    subject_id: str
    report: dict[str, object]
    created_at: str
    finished_at: str | None


class ErasureList(Noun, frozen=True, kw_only=True):
    """A page of erasures."""

    items: tuple[ErasureRead, ...]
    next_cursor: str | None


async def _list(request: UiRequest) -> Answer:
    return await _shown(request)


async def _shown(request: UiRequest, problems: Problems = NO_PROBLEMS) -> Reply:
    erasures = await request.api.read("/v1/erasures", ErasureList, {"cursor": request.query.get("cursor")})
    return page(
        request,
        "erasures.html",
        title="Erasures",
        command="tocsin erase list",
        status=422 if problems else 200,
        erasures=erasures,
        form=request.form,
        problems=problems,
    )


async def _show(request: UiRequest) -> Answer:
    erasure_id = request.parts["erasure_id"]
    erasure = await request.api.read(f"/v1/erasures/{segment(erasure_id)}", ErasureRead)
    found = [(name.replace("_", " "), value) for name, value in erasure.report.items()]
    return page(
        request,
        "erasure.html",
        title=f"Erasure of {erasure.subject_type} {erasure.subject_id}",
        command=f"tocsin erase show {erasure.id}",
        erasure=erasure,
        found=found,
    )


async def _start(request: UiRequest) -> Answer:
    form = request.form
    wanted = {"subject_type": form.get("subject_type"), "subject_id": form.raw("subject_id")}
    if not request.is_confirmed and all(wanted.values()):
        return confirmation(
            request,
            question=f"Erase everything about the {wanted['subject_type']} {wanted['subject_id']}?",
            detail="Every event about this 1 subject that was accepted so far goes, with its deliveries and attempts, and what is "
            "pending of it is cancelled. It cannot be undone.",
            button="Erase it for good",
            back=request.url(ERASURES),
        )
    answer = await request.api.send("POST", "/v1/erasures", wanted)
    if not answer.is_ok:
        return await _shown(request, problems_of(answer.problem))
    return request.redirect(f"{ERASURES}/{segment(answer.read(ErasureRead).id)}", "The erasure has begun.")


ERASURE_ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=ERASURES, page=_list),
    UiRoute(method="POST", path=ERASURES, page=_start),
    UiRoute(method="GET", path=f"{ERASURES}/{{erasure_id}}", page=_show),
)
