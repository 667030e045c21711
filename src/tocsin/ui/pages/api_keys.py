"""API keys: the list, a new one with its value shown once, and revoking one."""

from __future__ import annotations

from typing import Final

from tocsin.model.access import Role
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.ui.answers import Answer, Reply
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import segment
from tocsin.ui.pages.problem import confirmation
from tocsin.ui.rendering import NO_PROBLEMS, Problems, page, problems_of
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/api-keys"
DAYS: Final = (("", "never"), ("1", "in a day"), ("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"))
_DAY_MS: Final = 86_400_000
MEANINGS: Final = {
    Role.OPERATOR: "operator: everything, in all tenants",
    Role.ADMIN: "admin: everything within a tenant",
    Role.PRODUCER: "producer: reports; reads jobs and events",
    Role.VIEWER: "viewer: reads",
}


class KeyRow(Noun, frozen=True, kw_only=True):
    """A key in the list."""

    id: str
    name: str
    role: Role
    tenant: str | None
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class KeyPage(Noun, frozen=True, kw_only=True):
    """A page of keys."""

    items: tuple[KeyRow, ...]
    next_cursor: str | None


class NewKey(Noun, frozen=True, kw_only=True):
    """A key just made."""

    id: str
    name: str
    value: str


async def _list(request: UiRequest) -> Answer:
    return await _shown(request)


async def _shown(request: UiRequest, problems: Problems = NO_PROBLEMS) -> Reply:
    keys = await request.api.read("/v1/api-keys", KeyPage, {"cursor": request.query.get("cursor")})
    return page(
        request,
        "api_keys.html",
        title="API keys",
        command="tocsin keys list",
        status=422 if problems else 200,
        keys=keys,
        roles=[(role.value, MEANINGS[role]) for role in Role if request.is_operator or role is not Role.OPERATOR],
        days=DAYS,
        form=request.form,
        problems=problems,
    )


async def _create(request: UiRequest) -> Answer:
    form = request.form
    role, days = form.get("role"), form.get("days")
    document: dict[str, object] = {"name": form.get("name"), "role": role}
    if form.get("tenant") and role != Role.OPERATOR:
        document["tenant"] = form.get("tenant")
    if days:
        is_offered = days in dict(DAYS)
        document["expires_at"] = to_text(request.now + int(days) * _DAY_MS) if is_offered else days
    answer = await request.api.send("POST", "/v1/api-keys", document, {"tenant": None})
    if not answer.is_ok:
        return await _shown(request, problems_of(answer.problem))
    made = answer.read(NewKey)
    return page(request, "api_key_made.html", title="API key made", command="tocsin keys add NAME", made=made)


async def _revoke(request: UiRequest) -> Answer:
    key_id, name = request.parts["key_id"], request.form.get("name")
    if not request.is_confirmed:
        return confirmation(
            request,
            question=f"Revoke the API key {name}?",
            detail="Whoever uses this 1 key is refused at once, and people signed in with it are signed out. "
            "It cannot be undone.",
            button="Revoke it",
            back=request.url(PATH),
        )
    await request.api.change("DELETE", f"/v1/api-keys/{segment(key_id)}")
    return request.redirect(PATH, f"The API key {name} is revoked.")


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_list),
    UiRoute(method="POST", path=PATH, page=_create),
    UiRoute(method="POST", path=f"{PATH}/{{key_id}}/revoke", page=_revoke),
)
