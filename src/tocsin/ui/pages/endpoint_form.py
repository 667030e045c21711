"""The form of an endpoint: a new one, and the settings of one. Beside it what it would send, and a request to try it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Final, cast

import msgspec

from tocsin.formats import SAMPLE_TYPES
from tocsin.model.endpoint import EndpointConfig
from tocsin.model.job import JobState
from tocsin.model.noun import Noun
from tocsin.model.record import Action
from tocsin.ui.answers import Answer, Reply
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import ApiAnswer, FieldProblem, ProblemShown, Refused, segment
from tocsin.ui.forms.composed import row_numbers
from tocsin.ui.forms.endpoint import (
    Document,
    change_between,
    document_of,
    fields_of,
    problems_by_field,
    typed_secrets,
)
from tocsin.ui.forms.leaves import Form, as_posted, one
from tocsin.ui.forms.shape import mended
from tocsin.ui.forms.typed import reopened, sealed
from tocsin.ui.pages.endpoint_head import Head, head_of, only_changers
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/endpoints"
COUNTED: Final = 1000
MOST_MENDED: Final = 8
"""So many things are told at once where each hides the next."""
_NOT_SETTINGS: Final = frozenset({"csrf", "do", "shown", "sample", "event", "instead_of", "tenant"})
_STAND_INS: Final = {"name": "new", "url": "https://receiver.example/hooks"}
"""So that something can be shown before these are entered."""
_LEAST: Final = EndpointConfig(name="", url="")


class Entered(Noun, frozen=True, kw_only=True):
    """The fields as the template asks for them. `typed` are hidden fields in place of secrets that were typed in."""

    fields: Form
    typed: Mapping[str, str]

    def one(self, name: str) -> str:
        return one(self.fields, name)

    def all(self, name: str) -> tuple[str, ...]:
        return self.fields.get(name, ())

    def rows(self, name: str) -> list[int]:
        """The numbers of the rows that are filled, and one more for the next."""
        filled = row_numbers(self.fields, name)
        return [*filled, max(filled, default=-1) + 1]

    def is_filled(self, name: str, *members: str) -> bool:
        """Whether any of these fields below a name has something in it."""
        return any(any(self.fields.get(f"{name}.{member}", ())) for member in members)


class Tried(Noun, frozen=True, kw_only=True):
    """What stands beside the form: the preview, or the attempt of a test; or what is wrong, by field."""

    preview: Mapping[str, object] | None = None
    attempt: Mapping[str, object] | None = None
    problem: str = ""
    problems: Mapping[str, str] = {}

    def is_about(self, *beginnings: str) -> bool:
        """Whether something is wrong with a field whose name begins with one of these."""
        return any(name.startswith(beginnings) for name in self.problems)


async def _new(request: UiRequest) -> Answer:
    form = fields_of(_as_document(_LEAST))
    return await _form_page(request, form, Tried(), None)


async def _create(request: UiRequest) -> Answer:
    form = _posted(request)
    document = document_of(form)
    if request.form.get("do") != "save":
        return await _form_page(request, form, await _tried(request, form, document, None), None)
    answer = await request.api.send("POST", "/v1/endpoints", document, _tenant(request))
    if not answer.is_ok:
        return await _form_page(request, form, await _refused(request, answer, form, document), None, status=422)
    return _saved(request, cast("Document", answer.read(dict)), "Endpoint made")


async def _settings(request: UiRequest) -> Answer:
    head = await head_of(request)
    return await _form_page(request, fields_of(head.document), Tried(), head)


async def _change(request: UiRequest) -> Answer:
    head = await head_of(request)
    shown, form = _shown(request, head.document), _posted(request)
    document = document_of(form, shown)
    if request.form.get("do") != "save":
        return await _form_page(request, form, await _tried(request, form, document, head.id), head)
    settings = {name: value for name, value in shown.items() if name in document}
    patch = change_between(settings, document)
    answer = await request.api.send("PATCH", f"/v1/endpoints/{segment(head.id)}", patch)
    if not answer.is_ok:
        tried = await _refused(request, answer, form, document, head.id)
        return await _form_page(request, form, tried, head, status=422)
    changed = cast("Document", answer.read(dict))
    if isinstance(_generated(changed), str):
        return _saved(request, changed, "Settings saved")
    return request.redirect(
        f"{PATH}/{segment(head.id)}/settings", "The settings are saved." if patch else "Nothing was changed."
    )


async def _panel(request: UiRequest) -> Answer:
    """What stands beside the form, alone: a script asks for it while people type."""
    form, instead_of = _posted(request), request.form.get("instead_of") or None
    shown = _shown(request, None)
    tried = await _tried(request, form, document_of(form, shown or None), instead_of)
    return page(request, "endpoint_panel.html", title="Preview", tried=tried)


async def _tried(request: UiRequest, form: Form, document: Document, instead_of: str | None) -> Tried:
    """A preview of what was entered, or the test of it."""
    if request.form.get("do") == "test":
        sample = {"event_type": request.form.get("sample") or None}
        asked = {"endpoint": document, "instead_of": instead_of, **sample}
        answer = await request.api.send("POST", "/v1/endpoints/test", asked, _tenant(request))
        if answer.is_ok:
            return Tried(attempt=answer.read(dict))
        return await _refused(request, answer, form, document, instead_of)
    draft = {**document, **{name: text for name, text in _STAND_INS.items() if not document.get(name)}}
    answer = await _preview(request, draft, instead_of)
    return (
        Tried(preview=answer.read(dict)) if answer.is_ok else await _refused(request, answer, form, draft, instead_of)
    )


async def _refused(
    request: UiRequest, answer: ApiAnswer, form: Form, document: Document, instead_of: str | None = None
) -> Tried:
    """All that is wrong with it; where only values are missing or of a wrong type, what it would send otherwise. Raises Refused for what
    no form can mend."""
    problem = answer.problem
    if problem.status in {401, 403}:
        raise Refused(problem)
    told = fresh = _own(problem)
    preview: Document | None = None
    draft: Document | None = document
    for _ in range(MOST_MENDED):
        draft = mended(draft, fresh[0]) if draft is not None and len(fresh) == 1 else None
        if draft is None:
            break
        again = await _preview(request, draft, instead_of)
        if again.is_ok:
            preview = again.read(dict)
            break
        if again.status != 422:
            break
        known = {error.pointer for error in told}
        fresh = tuple(error for error in _own(again.problem) if error.pointer not in known)
        told = (*told, *fresh)
    problems = problems_by_field(told, form)
    return Tried(preview=preview, problem=problem.detail or problem.title, problems=problems)


async def _preview(request: UiRequest, draft: Document, instead_of: str | None) -> ApiAnswer:
    """What it would send, and how many events it would have wanted."""
    event = request.form.get("event") or None
    sample = None if event else request.form.get("sample") or None
    asked = {"endpoint": draft, "instead_of": instead_of, "event_id": event, "event_type": sample, "count": COUNTED}
    return await request.api.send("POST", "/v1/endpoints/preview", asked, _tenant(request))


def _own(problem: ProblemShown) -> tuple[FieldProblem, ...]:
    """What is wrong, with pointers into the endpoint."""
    return tuple(FieldProblem(error.pointer.removeprefix("/endpoint"), error.detail) for error in problem.errors)


async def _form_page(request: UiRequest, form: Form, tried: Tried, head: Head | None, *, status: int = 200) -> Reply:
    only_changers(request)
    document = document_of(form, head.document if head else None)
    if status == 200 and not (tried.preview or tried.attempt or tried.problem):
        tried = await _tried(request, form, document, head.id if head else None)
        tried = Tried(preview=tried.preview)
    request.api.note(
        f"/v1/endpoints/{segment(head.id)}" if head else "/v1/endpoints", method="PATCH" if head else "POST"
    )
    secrets = tuple(typed_secrets(form))
    typed = sealed(form, secrets, request.session.secret, request.now)
    shown = {name: values for name, values in form.items() if name not in secrets}
    return await asyncio.to_thread(  # its hundreds of fields take a while
        page,
        request,
        "endpoint_settings.html" if head else "endpoint_new.html",
        title=head.name if head else "New endpoint",
        command=f"tocsin endpoints update {head.id}" if head else "tocsin endpoints add NAME URL",
        status=status,
        head=head,
        tab="settings",
        form=Entered(fields=shown, typed=typed),
        tried=tried,
        shown=json.dumps(_shown(request, head.document)) if head else "",
        samples=SAMPLE_TYPES,
        job_states=tuple(JobState),
        record_actions=tuple(Action),
        is_refused=status != 200,
    )


def _saved(request: UiRequest, document: Document, title: str) -> Reply:
    """With the signing secret that was made, which is shown this once."""
    return page(
        request,
        "endpoint_made.html",
        title=title,
        command=f"tocsin endpoints show {document['id']}",
        made=document,
        secret=_generated(document),
    )


def _generated(document: Document) -> object:
    signing = document.get("signing")
    return cast("Document", signing).get("secret") if isinstance(signing, dict) else None


def _posted(request: UiRequest) -> Form:
    """The fields of the settings, with the secrets that were typed into an earlier one."""
    fields: dict[str, tuple[str, ...]] = {}
    for name, text in request.form.pairs():
        if name not in _NOT_SETTINGS:
            fields[name] = (*fields.get(name, ()), as_posted(text))
    return reopened(fields, request.session.secret, request.now)


def _shown(request: UiRequest, document: Document | None) -> dict[str, object]:
    """The document that the form began with, which came back with it; else this one."""
    try:
        sent = cast("object", json.loads(request.form.raw("shown") or "null"))
    except ValueError:
        sent = None
    return cast("dict[str, object]", sent) if isinstance(sent, dict) else dict(document or {})


def _tenant(request: UiRequest) -> dict[str, str]:
    """An operator who sees all tenants names one in the form."""
    named = request.form.get("tenant")
    return {"tenant": named} if request.is_operator and named else {}


def _as_document(config: EndpointConfig) -> Document:
    return cast("Document", msgspec.json.decode(msgspec.json.encode(config)))


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=f"{PATH}/new", page=_new),
    UiRoute(method="POST", path=f"{PATH}/new", page=_create),
    UiRoute(method="POST", path=f"{PATH}/panel", page=_panel),
    UiRoute(method="GET", path=f"{PATH}/{{endpoint_id}}/settings", page=_settings),
    UiRoute(method="POST", path=f"{PATH}/{{endpoint_id}}/settings", page=_change),
)
