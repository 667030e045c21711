"""Pages that are no page of their own: a problem within the shell, and the question before something that cannot be undone."""

from __future__ import annotations

from typing import Final

from tocsin.ui.answers import Reply
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import ProblemShown
from tocsin.ui.rendering import page

WHAT_NOW: Final = {
    401: "Sign in again.",
    403: "Your API key's role does not allow it. An admin or operator can do it, or give you another key.",
    404: "It may have been removed when its time was over, or belong to another tenant.",
    409: "Look at the present state, then decide again.",
}


def problem_page(request: UiRequest, problem: ProblemShown) -> Reply:
    """What went wrong, and what to do about it."""
    return page(
        request,
        "problem.html",
        title=problem.title,
        status=problem.status,
        problem=problem,
        what_now=WHAT_NOW.get(problem.status, ""),
    )


def confirmation(request: UiRequest, *, question: str, detail: str, button: str, back: str) -> Reply:
    """Asks once, with what is affected said in `detail`. The button sends the same form again, with `confirmed=yes`; `back` is
    where "no" leads. A page begins with `if not request.is_confirmed: return confirmation(...)`."""
    return page(
        request,
        "confirmation.html",
        title=question,
        detail=detail,
        button=button,
        back=back,
        fields=tuple(request.form.pairs()),
    )
