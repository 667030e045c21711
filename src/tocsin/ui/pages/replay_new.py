"""A new replay: what, to whom, how fast; counted before it is begun."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Mapping
from typing import Final

from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer, Reply
from tocsin.ui.asking import Form, UiRequest
from tocsin.ui.calls import FieldProblem
from tocsin.ui.pages.delivery_filters import LAST, LAST_WORDS, Choices, asked, moment
from tocsin.ui.rendering import NO_PROBLEMS, Problems, page, problems_of
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/replays/new"
ONLY: Final = (
    ("all", "everything that the endpoint wants"),
    ("dead", "only what was given up on"),
    ("missing", "only what it never had a delivery of"),
)
FIELDS: Final = (
    "endpoint",
    "only",
    "reason",
    "last",
    "since",
    "until",
    "event_type",
    "subject_type",
    "subject_id",
    "where",
    "rate",
    "new_webhook_ids",
)
_NARROWS: Final = (("event_type", "event_types"), ("subject_type", "subject_types"), ("subject_id", "subject_ids"))
SHOWN: Final = ("/endpoint_id", "/only", "/since", "/until", "/filters", "/rate_per_second", "/dead_reason")
"""Fields that say themselves what is wrong with them."""
CHOICES: Final = 100


class Total(Noun, frozen=True, kw_only=True):
    """How many events it would take."""

    total: int


class Begun(Noun, frozen=True, kw_only=True):
    """A replay just made."""

    id: str


async def _form(request: UiRequest) -> Answer:
    """Filled in from the address: `/ui/replays/new?endpoint=...&only=dead`."""
    return await _shown(request, {name: request.query.get(name, "") for name in FIELDS})


async def _post(request: UiRequest) -> Answer:
    values = _values(request.form)
    if request.form.get("act") == "change":
        return await _shown(request, values)
    document, problems = _document(values, request)
    if problems:
        return await _shown(request, values, problems)
    is_begun = request.form.get("act") == "begin"
    if is_begun:
        answer = await request.api.send("POST", "/v1/replays", document, once=request.form.get("once"))
    else:
        answer = await request.api.send("POST", "/v1/replays", document, {"dry_run": "true"})
    if not answer.is_ok:
        return await _shown(request, values, problems_of(answer.problem))
    if is_begun:
        return request.redirect(f"/ui/replays/{answer.read(Begun).id}", "The replay began.")
    total = answer.read(Total).total
    choices = await _choices(request)
    rate = document["rate_per_second"]
    return page(
        request,
        "replay_count.html",
        title="Begin this replay?",
        command=_command(values, document),
        total=total,
        once=secrets.token_urlsafe(18),
        values=values | {"last": "", "since": document["since"] or "", "until": document["until"] or ""},
        name=dict(choices.pairs()).get(values["endpoint"], values["endpoint"]),
        only=dict(ONLY)[values["only"] or "all"],
        seconds=total / rate if isinstance(rate, float) else None,
    )


def _values(form: Form) -> dict[str, str]:
    return {name: form.get(name) for name in FIELDS}


async def _shown(request: UiRequest, values: Mapping[str, str], problems: Problems = NO_PROBLEMS) -> Reply:
    return page(
        request,
        "replay_new.html",
        title="New replay",
        command=f"tocsin replay start {values['endpoint'] or 'ENDPOINT'}",
        status=422 if problems else 200,
        values={**values, "only": values["only"] or "all"},
        choices=await _choices(request),
        only=ONLY,
        last_words=LAST_WORDS,
        problems=problems,
        shown=SHOWN,
    )


async def _choices(request: UiRequest) -> Choices:
    return await request.api.read("/v1/endpoints", Choices, {"limit": CHOICES})


def _document(values: Mapping[str, str], request: UiRequest) -> tuple[dict[str, object], Problems]:
    """The body of the API's call, and what the form alone can tell is wrong."""
    condition: dict[str, object] = {to: [values[name]] for name, to in _NARROWS if values[name]}
    if values["where"]:
        condition["where"] = values["where"]
    times = asked(values, request.now, ()) if values["last"] in LAST else {}
    document: dict[str, object] = {
        "endpoint_id": values["endpoint"],
        "only": values["only"] or "all",
        "since": times.get("since") or (moment(values["since"]) or None),
        "until": times.get("until") or (moment(values["until"]) or None),
        "filters": [condition] if condition else [],
        "rate_per_second": None,
        "new_webhook_ids": bool(values["new_webhook_ids"]),
    }
    if values["reason"]:
        document["dead_reason"] = values["reason"]
    if values["rate"]:
        try:
            document["rate_per_second"] = float(values["rate"].replace(",", "."))
        except ValueError:
            return document, _problem_at("/rate_per_second", "It must be a number.")
    return document, NO_PROBLEMS


def _problem_at(pointer: str, detail: str) -> Problems:
    """One bad field that the form finds by itself."""
    return Problems(title=detail, errors=(FieldProblem(pointer, detail),))


def _command(values: Mapping[str, str], document: Mapping[str, object]) -> str:
    flags = [("only", document["only"] if document["only"] != "all" else None)]
    flags += [(name, document[name]) for name in ("since", "until")]
    names = ("reason", "event_type", "subject_type", "subject_id", "where", "rate")
    flags += [(name.replace("_", "-"), values[name]) for name in names]
    given = "".join(f" --{name} {shlex.quote(str(value))}" for name, value in flags if value)
    return f"tocsin replay start {values['endpoint']}{given}"


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_form),
    UiRoute(method="POST", path=PATH, page=_post),
)
