"""A request to the web interface as a page sees it: names in the path, query, form, session, and the API to call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tocsin.model.access import Caller, Role
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.ui.answers import Reply, redirect
from tocsin.ui.calls import Api, Query, target_of
from tocsin.ui.sessions import Session

MAX_FIELDS: Final = 2000
CHANGERS: Final = frozenset({Role.OPERATOR, Role.ADMIN})


class Form:
    """The fields of a form that was sent, in their order; a name may be there several times (rows)."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)

    def get(self, name: str, default: str = "") -> str:
        """The first value of this name, without white space around it."""
        return next((value.strip() for key, value in self._pairs if key == name), default)

    def raw(self, name: str) -> str:
        """The first value as it was typed."""
        return next((value for key, value in self._pairs if key == name), "")

    def all(self, name: str) -> list[str]:
        """All values of this name."""
        return [value for key, value in self._pairs if key == name]

    def has(self, name: str) -> bool:
        """Whether a box was ticked, or a button of this name was pressed."""
        return any(key == name for key, _ in self._pairs)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """All of it, to be sent once more; without what belongs to the request itself."""
        return ((key, value) for key, value in self._pairs if key not in {"csrf", "confirmed"})


def read_form(body: bytes) -> Form:
    """Fields of a body in `application/x-www-form-urlencoded`. ValueError for one with too many of them, or not in UTF-8."""
    text = body.decode("ascii")
    return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))


class UiRequest(Noun, frozen=True, kw_only=True):
    """What a page is asked. `target` is the address with its query, `tenant` the one in view, None for all (operators only); `paths` are the
    addresses that there are pages for; `is_fragment`: a script wants the content without the shell. `last_event_id`: where a stream that is come back to was lost. `is_signed_in`:
    whether whoever asked still is."""

    method: str
    path: str
    target: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    form: Form
    session: Session
    is_signed_in: Callable[[], Awaitable[bool]]
    api: Api
    tenant: str | None
    theme: str
    now: Millis
    paths: frozenset[str]
    is_fragment: bool = False
    last_event_id: str = ""

    def with_parts(self, parts: Mapping[str, str]) -> UiRequest:
        """The same with the names in its path."""
        return msgspec.structs.replace(self, parts=parts)

    @property
    def caller(self) -> Caller:
        return self.session.caller

    @property
    def is_operator(self) -> bool:
        return self.caller.role is Role.OPERATOR

    @property
    def may_change(self) -> bool:
        """Whether this caller gets buttons that change endpoints, deliveries, replays and keys; the API decides what is done."""
        return self.caller.role in CHANGERS

    @property
    def is_confirmed(self) -> bool:
        """Whether the person was asked already (see `confirmation`)."""
        return self.form.get("confirmed") == "yes"

    def url(self, path: str, query: Query | None = None) -> str:
        """An address of the web interface that keeps the tenant in view."""
        return target_of(path, {**self._tenant_in_url(), **(query or {})})

    def here(self, **changes: str | int | None) -> str:
        """The present address with other query parameters; None takes one out."""
        return target_of(self.path, {**self.query, **changes})

    def redirect(self, path: str, toast: str = "", query: Query | None = None) -> Reply:
        """After a change: to a page that shows it, with a line that says what was done."""
        if toast:
            self.session.toasts.tell(toast)
        return redirect(self.url(path, query))

    def back(self, default: str, toast: str = "") -> Reply:
        """After a change: to the page named by the form's `back`, else to `default`."""
        if toast:
            self.session.toasts.tell(toast)
        return redirect(own_address(self.form.get("back")) or self.url(default))

    def _tenant_in_url(self) -> dict[str, str]:
        return {"tenant": self.tenant} if self.is_operator and self.tenant else {}


def own_address(text: str) -> str:
    """An address to go on to, if it is one of this web interface; else nothing."""
    is_plain = text.startswith("/ui/") and all(" " < c <= "~" and c != "\\" for c in text)
    if not is_plain:
        return ""
    parts = urlsplit(text)
    return text if not parts.scheme and not parts.netloc else ""
