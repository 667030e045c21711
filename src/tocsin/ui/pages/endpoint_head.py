"""What every page about one endpoint begins with: how it stands, what is pending, and its last attempts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, cast

from tocsin.model.noun import Noun
from tocsin.model.times import from_text
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import ProblemShown, Refused, segment
from tocsin.ui.forms.endpoint import Document
from tocsin.ui.texts import clock, duration

PATH: Final = "/ui/endpoints"
RANGES: Final = ("1h", "24h", "7d", "30d")
TABS: Final = (("deliveries", "Deliveries", ""), ("health", "Health", "/health"), ("settings", "Settings", "/settings"),
    ("code", "As code", "/code"))  # fmt: skip
_CELL: Final = 9
_KINDS: Final = {"delivered": "good", "retry": "warn", "rejected": "bad"}


class AttemptError(Noun, frozen=True, kw_only=True):
    """Why an attempt was no success."""

    kind: str
    message: str


class Attempt(Noun, frozen=True, kw_only=True):
    """One of the last attempts."""

    id: str
    delivery_id: str
    number: int
    started_at: str
    outcome: str
    status: int | None
    error: AttemptError | None
    total_ms: float


class Attempts(Noun, frozen=True, kw_only=True):
    """The last attempts, newest first."""

    items: tuple[Attempt, ...]


class Cell(Noun, frozen=True, kw_only=True):
    """An attempt as a cell of the strip, in order of time; a bad one is taller than a good one."""

    x: int
    height: int
    kind: str
    title: str
    delivery_id: str
    number: int


class Head(Noun, frozen=True, kw_only=True):
    """An endpoint as its pages show it. `document` is what the API gave, `stats` its numbers of the range that was asked for. `since` is when
    it began to be as it is, where that is known; `counts` are the attempts of the `cells` by outcome; `old_secret_until` is there while an old signing secret signs as well."""

    id: str
    name: str
    document: Document
    stats: Mapping[str, object]
    range: str
    cells: tuple[Cell, ...]
    counts: Mapping[str, int]
    width: int
    since: str | None
    old_secret_until: str | None
    gets: str

    @property
    def is_signed(self) -> bool:
        return _member(self.document, "signing").get("kind") != "none"


def gets(document: Document) -> str:
    """Which events an endpoint gets, and how, in a line."""
    filters = cast("Sequence[Document]", document.get("filters") or ())
    wanted = " or ".join(_filter_in_words(one) for one in filters) or "everything but operational events"
    delivery = _member(document, "delivery")
    how = f"in batches of up to {delivery.get('max_events')}" if delivery.get("mode") == "batch" else "one by one"
    order = ", in order by subject" if document.get("ordering") == "subject" else ""
    return f"{wanted}, {how}{order}"


def _filter_in_words(one: Document) -> str:
    said = [f"{name.replace('_', ' ')} {_in_words(value)}" for name, value in one.items() if value or value == 0]
    return " and ".join(said) or "everything"


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={text}" for key, text in cast("dict[str, object]", value).items())
    if isinstance(value, list | tuple):
        return ", ".join(_in_words(one) for one in cast("Sequence[object]", value))
    return str(value)


def only_changers(request: UiRequest) -> None:
    """A page that is nothing but a form is for those who may send it. Raises Refused."""
    if not request.may_change:
        raise Refused(ProblemShown(status=403, title="This API key may not do that."))


async def head_of(request: UiRequest) -> Head:
    """Of the endpoint in the path. Raises Refused."""
    name = request.parts["endpoint_id"]
    path = f"/v1/endpoints/{segment(name)}"
    asked = {"range": request.query.get("range") or "24h"}
    document, stats, attempts = await asyncio.gather(
        request.api.read(path, dict[str, object]),
        request.api.read(f"{path}/stats", dict[str, object], asked),
        request.api.read(f"{path}/attempts", Attempts),
    )
    previous = _member(_member(document, "signing"), "previous").get("valid_until")
    is_open = isinstance(previous, str) and from_text(previous) > request.now
    return Head(
        id=cast("str", document["id"]),
        name=cast("str", document["name"]),
        document=document,
        stats=stats,
        range=asked["range"],
        counts=Counter(one.outcome for one in attempts.items),
        cells=tuple(_cell(index, one) for index, one in enumerate(reversed(attempts.items))),
        width=len(attempts.items) * _CELL,
        since=_since(document),
        old_secret_until=cast("str", previous) if is_open else None,
        gets=gets(document),
    )


def _since(document: Document) -> str | None:
    opened = _member(document, "circuit_state").get("opened_at")
    since = opened if document["state"] == "paused" else document.get("failing_since")
    return since if isinstance(since, str) and document["state"] in {"paused", "failing"} else None


def _cell(index: int, one: Attempt) -> Cell:
    said = str(one.status) if one.status is not None else one.error.kind if one.error else ""
    return Cell(
        x=index * _CELL,
        height=12 if one.outcome == "delivered" else 20,
        kind=_KINDS.get(one.outcome, "none"),
        title=f"{clock(one.started_at)} {one.outcome} {said} in {duration(one.total_ms)} (attempt {one.number})",
        delivery_id=one.delivery_id,
        number=one.number,
    )


def _member(document: object, name: str) -> Document:
    value = cast("Document", document).get(name) if isinstance(document, dict) else None
    return cast("Document", value) if isinstance(value, dict) else {}
