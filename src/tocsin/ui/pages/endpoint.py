"""One endpoint: its newest deliveries, its health, and its settings as code. The form of its settings is in `endpoint_form`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, cast

import msgspec

from tocsin.model.noun import Noun
from tocsin.operations.as_code import endpoint_as_yaml
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.delivery_words import DeliveryRow, EndpointSeen, told
from tocsin.ui.drawing import Bands, bands
from tocsin.ui.pages.endpoint_head import PATH, RANGES, head_of
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

SHOWN: Final = 20


class DeliveryRows(Noun, frozen=True, kw_only=True):
    """A page of deliveries."""

    items: tuple[DeliveryRow, ...]
    next_cursor: str | None


async def _deliveries(request: UiRequest) -> Answer:
    asked: dict[str, str | int | None] = {"endpoint": request.parts["endpoint_id"], "limit": SHOWN}
    head, found = await asyncio.gather(head_of(request), request.api.read("/v1/deliveries", DeliveryRows, asked))
    seen = msgspec.convert(head.document, EndpointSeen)
    return page(
        request,
        "endpoint_deliveries.html",
        title=head.name,
        command=f"tocsin endpoints show {head.id}",
        head=head,
        tab="deliveries",
        found=[(row, told(row, seen)) for row in found.items],
        has_more=found.next_cursor is not None,
    )


async def _health(request: UiRequest) -> Answer:
    head = await head_of(request)
    points = cast("Sequence[Mapping[str, object]]", head.stats["series"])
    return page(
        request,
        "endpoint_health.html",
        title=head.name,
        command=f"tocsin endpoints stats {head.id}",
        head=head,
        tab="health",
        ranges=RANGES,
        range=request.query.get("range") or "24h",
        latency=latency_of(points),
        ends=[point["at"] for point in (points[0], points[-1])] if points else [],
        points=[point for point in reversed(points) if _total(point)][:24],
    )


async def _code(request: UiRequest) -> Answer:
    head = await head_of(request)
    return page(
        request,
        "endpoint_code.html",
        title=head.name,
        command=f"tocsin endpoints export {head.id}",
        head=head,
        tab="code",
        text=endpoint_as_yaml(head.document),
    )


def latency_of(points: Sequence[Mapping[str, object]]) -> Bands:
    """How long attempts took: half of them, 95 and 99 of 100."""
    taken = [cast("Mapping[str, float | None]", point["attempt_ms"]) for point in points]
    return bands([(name, [one[name] for one in taken]) for name in ("p99", "p95", "p50")])


def _total(point: Mapping[str, object]) -> int:
    return cast("Mapping[str, int]", point["attempts"])["total"]


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=f"{PATH}/{{endpoint_id}}", page=_deliveries),
    UiRoute(method="GET", path=f"{PATH}/{{endpoint_id}}/health", page=_health),
    UiRoute(method="GET", path=f"{PATH}/{{endpoint_id}}/code", page=_code),
)
