"""Live: events as they are accepted and attempts as they are made, with filters in the address."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from tocsin.model.delivery import DeliveryState
from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer, Stream
from tocsin.ui.asking import UiRequest
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute
from tocsin.ui.texts import command

PATH: Final = "/ui/tail"
STREAM: Final = "/ui/tail/stream"
FILTERS: Final = ("kind", "event_type", "subject_type", "subject_id", "event", "job", "endpoint", "state", "outcome")
OUTCOMES: Final = ("delivered", "retry", "rejected")
NAMED: Final = 500
"""Endpoints that are shown by their names; of others the id is."""


class EndpointNamed(Noun, frozen=True, kw_only=True):
    """An endpoint in a choice."""

    id: str
    name: str


class EndpointsNamed(Noun, frozen=True, kw_only=True):
    """A page of endpoints."""

    items: tuple[EndpointNamed, ...]


async def _tail(request: UiRequest) -> Answer:
    answer = await request.api.get("/v1/endpoints", {"limit": NAMED})
    endpoints = answer.read(EndpointsNamed).items if answer.is_ok else ()
    asked = _asked(request)
    flags = {f"--{name.replace('_', '-')}": value for name, value in asked.items()}
    request.api.note("/v1/tail", asked)
    return page(
        request,
        "tail.html",
        title="Live",
        command=command("tocsin tail", flags),
        stream=request.url(STREAM, asked),
        endpoints=[("", "any"), *((one.id, one.name) for one in endpoints)],
        states=tuple(state.value for state in DeliveryState),
        outcomes=OUTCOMES,
        is_filtered=bool(asked),
    )


async def _stream(request: UiRequest) -> Answer:
    query = {**_asked(request), "bodies": "false", "after": request.last_event_id}
    return Stream(chunks=while_signed_in(request.is_signed_in, request.api.stream("/v1/tail", query)))


def _asked(request: UiRequest) -> dict[str, str]:
    return {name: request.query[name] for name in FILTERS if request.query.get(name)}


async def while_signed_in(
    is_signed_in: Callable[[], Awaitable[bool]], stream: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    """Who signs out, or was idle or signed in for as long as that may last, sees nothing more in the tabs that are still open."""
    async with contextlib.aclosing(stream) as chunks:
        async for chunk in chunks:
            if not await is_signed_in():
                return
            yield chunk


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_tail),
    UiRoute(method="GET", path=STREAM, page=_stream, is_whole=False),
)
