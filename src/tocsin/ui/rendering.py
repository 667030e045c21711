"""Templates: the environment with its filters, and a page within the shell."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Final

import jinja2

from tocsin import __version__
from tocsin.model.noun import Noun
from tocsin.ui import code, texts
from tocsin.ui.answers import Reply
from tocsin.ui.asking import UiRequest
from tocsin.ui.assets import STYLESHEET, assets
from tocsin.ui.calls import FieldProblem, ProblemShown, segment
from tocsin.ui.navigation import KEY_SECTIONS, SECTIONS, look_of

TEMPLATES: Final = Path(__file__).parent / "templates"


class Problems(Noun, frozen=True, kw_only=True):
    """What is wrong with a form: details by pointer. A template asks with `problems.at("/url")`; the rest is told above it."""

    title: str = ""
    errors: tuple[FieldProblem, ...] = ()

    def at(self, *pointers: str) -> str:
        """The details of these fields and of all below them."""
        return " ".join(error.detail for error in self.errors if _is_below(error.pointer, pointers))

    def beside(self, *pointers: str) -> str:
        """What is to be told above a form that shows the details of these fields, and of all below them."""
        rest = [error for error in self.errors if not _is_below(error.pointer, pointers)]
        return "; ".join(f"{error.pointer}: {error.detail}" for error in rest) or ("" if self.errors else self.title)

    def __bool__(self) -> bool:
        return bool(self.title)


NO_PROBLEMS: Final = Problems()


def problems_of(problem: ProblemShown) -> Problems:
    """The problem of an API call as a form shows it."""
    return Problems(title=problem.detail or problem.title, errors=problem.errors)


def _is_below(pointer: str, pointers: tuple[str, ...]) -> bool:
    return any(pointer == one or pointer.startswith(f"{one}/") for one in pointers)


@cache
def environment() -> jinja2.Environment:
    """Autoescape is on for everything, and a name that is not there is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "utc": texts.utc,
        "clock": texts.clock,
        "duration": texts.duration,
        "millis": texts.millis_of,
        "size": texts.size,
        "number": texts.number,
        "percent": texts.percent,
        "short": texts.short,
        "cut": texts.cut,
        "reason": texts.reason,
        "pretty": code.pretty,
        "tokens": code.tokens,
        "look": look_of,
        "segment": segment,
    }
    made.globals |= {"asset": assets().url, "stylesheet": STYLESHEET, "version": __version__}
    return made


def page(
    request: UiRequest,
    template: str,
    *,
    title: str,
    command: str = "",
    status: int = 200,
    **view: object,
) -> Reply:
    """A page. `command` is what its footer gives for the command line (the tenant in view is added); everything else is for the
    template to show."""
    options = {"--tenant": request.tenant if request.is_operator and command else None}
    shell = {
        "title": title,
        "command": texts.command(command, options),
        "calls": tuple(dict.fromkeys(request.api.made)),
        "layout": "fragment.html" if request.is_fragment else "shell.html",
        "request": request,
        "url": request.url,
        "here": request.here,
        "now": request.now,
        "ago": partial(texts.ago, now=request.now),
        "due_at": partial(texts.due, now=request.now),
        "csrf": request.session.csrf,
        "sections": [section for section in SECTIONS if section.path in request.paths],
        "key_sections": [section for section in KEY_SECTIONS if section.path in request.paths],
        "toasts": () if request.is_fragment else request.session.toasts.take(),
    }
    return Reply(status=status, draw=partial(render, template, {**shell, **view}))


def render(template: str, view: dict[str, object]) -> bytes:
    """A template with what it shows."""
    return environment().get_template(template).render(view).encode()
