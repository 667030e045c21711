"""Replays: the list, and one with its progress, which goes on when the page is closed."""

from __future__ import annotations

import asyncio
from typing import Final

from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import Query, segment
from tocsin.ui.drawing import Bar, Bars
from tocsin.ui.pages import replay_new
from tocsin.ui.pages.delivery_filters import Choices
from tocsin.ui.pages.problem import confirmation
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/replays"
ROWS: Final = 50
CHOICES: Final = 100
_WIDTH: Final = 1000
STATES: Final = ("running", "paused", "finished", "cancelled", "failed")
ONLY_WORDS: Final = {"all": "all that it wants", "dead": "what is dead", "missing": "what it never had"}


class ReplayRow(Noun, frozen=True, kw_only=True):
    """A replay with how far it is."""

    id: str
    tenant: str
    endpoint_id: str
    state: str
    reason: str | None
    since: str | None
    until: str | None
    filters: tuple[dict[str, object], ...]
    only: str
    dead_reason: str | None
    rate_per_second: float | None
    new_webhook_ids: bool
    total: int
    done: int
    failed: int
    left: int
    settled_per_second: float | None
    remaining_seconds: float | None
    created_at: str
    finished_at: str | None

    @property
    def is_over(self) -> bool:
        return self.state not in {"running", "paused"}

    @property
    def settled(self) -> int:
        return self.done + self.failed

    @property
    def words(self) -> str:
        """How far it is."""
        return f"{self.done} done, {self.failed} failed, {self.left} left of {self.total}"

    @property
    def bar(self) -> Bars:
        """What is done, failed and left, side by side."""
        whole, at, bars = max(self.total, self.settled, 1), 0.0, []
        for kind, count in (("good", self.done), ("bad", self.failed), ("none", whole - self.settled)):
            width = count / whole * _WIDTH
            bars.append(Bar(x=round(at, 1), y=0, width=round(width, 1), height=16, kind=kind))
            at += width
        return Bars(bars=tuple(bars), width=_WIDTH, height=16)

    @property
    def remaining(self) -> float | None:
        """In ms: by how fast it goes, else by how fast it may."""
        if self.state != "running" or not self.left:
            return None
        if self.remaining_seconds is not None:
            return self.remaining_seconds * 1000
        return self.left / self.rate_per_second * 1000 if self.rate_per_second else None


class ReplayPage(Noun, frozen=True, kw_only=True):
    """A page of replays."""

    items: tuple[ReplayRow, ...]
    next_cursor: str | None


class Named(Noun, frozen=True, kw_only=True):
    """An endpoint by its name."""

    name: str
    state: str = ""
    state_reason: str | None = None


async def _list(request: UiRequest) -> Answer:
    given = {name: request.query.get(name, "").strip() for name in ("endpoint", "state")}
    query: Query = {"limit": ROWS, "cursor": request.query.get("cursor"), **given}
    found, choices = await asyncio.gather(
        request.api.read("/v1/replays", ReplayPage, query),
        request.api.read("/v1/endpoints", Choices, {"limit": CHOICES}),
    )
    flag = f" --endpoint {given['endpoint']}" if given["endpoint"] else ""
    return page(
        request,
        "replays.html",
        title="Replays",
        command=f"tocsin replay list{flag}",
        found=found,
        states=STATES,
        only_words=ONLY_WORDS,
        choices=choices,
        names=dict(choices.pairs()),
        is_filtered=any(given.values()),
    )


async def _show(request: UiRequest) -> Answer:
    replay = await request.api.read(f"/v1/replays/{segment(request.parts['replay_id'])}", ReplayRow)
    answer = await request.api.get(f"/v1/endpoints/{segment(replay.endpoint_id)}")
    endpoint = answer.read(Named) if answer.is_ok else Named(name=replay.endpoint_id, state="deleted")
    return page(
        request,
        "replay.html",
        title=f"Replay to {endpoint.name}",
        command=f"tocsin replay follow {replay.id}",
        replay=replay,
        endpoint=endpoint,
        only_words=ONLY_WORDS,
    )


async def _pause(request: UiRequest) -> Answer:
    return await _taken(request, "pause", "The replay is paused.")


async def _resume(request: UiRequest) -> Answer:
    return await _taken(request, "resume", "The replay goes on.")


async def _cancel(request: UiRequest) -> Answer:
    replay_id = segment(request.parts["replay_id"])
    if not request.is_confirmed:
        replay = await request.api.read(f"/v1/replays/{replay_id}", ReplayRow)
        return confirmation(
            request,
            question="Cancel this replay?",
            detail=f"{replay.left} events that were not sent yet will not be sent. What was sent stays sent.",
            button="Cancel the replay",
            back=request.url(f"{PATH}/{replay_id}"),
        )
    return await _taken(request, "cancel", "The replay is cancelled.")


async def _taken(request: UiRequest, step: str, said: str) -> Answer:
    path = segment(request.parts["replay_id"])
    await request.api.change("POST", f"/v1/replays/{path}/{step}")
    return request.redirect(f"{PATH}/{path}", said)


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_list),
    *replay_new.ROUTES,
    UiRoute(method="GET", path=f"{PATH}/{{replay_id}}", page=_show),
    UiRoute(method="POST", path=f"{PATH}/{{replay_id}}/pause", page=_pause),
    UiRoute(method="POST", path=f"{PATH}/{{replay_id}}/resume", page=_resume),
    UiRoute(method="POST", path=f"{PATH}/{{replay_id}}/cancel", page=_cancel),
)
