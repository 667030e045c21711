"""Rendering by templates beside the loop of delivery: while one is evaluated, its endpoint may change, and its delivery may
be cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tocsin.formats import Rendered, Unrendered
from tocsin.model.event_view import EventView
from tocsin.model.ids import Millis
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.rendering import rendered
from tocsin.ports import Templates
from tocsin.telemetry import log
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.lanes import Lane
from tocsin.workers.ready import Ready

LATER = Unrendered(cause="busy", reason="the endpoint changed meanwhile")
WITHDRAWN = Unrendered(cause="nothing", reason="cancelled")


class Rendering:
    """Evaluates, and says what came of it as things are now."""

    def __init__(self, templates: Templates, endpoints: Endpoints, ready: Ready, now_ms: Callable[[], Millis]) -> None:
        self._templates = templates
        self._endpoints = endpoints
        self._ready = ready
        self._now_ms = now_ms
        self._under_way: set[int] = set()

    def withdraw(self, deliveries: Sequence[int]) -> None:
        """They are cancelled: of those that are being rendered nothing is sent."""
        self._under_way.difference_update(deliveries)

    async def rendered(
        self, lane: Lane, preparation: Preparation, delivery: int, view: EventView
    ) -> Rendered | Unrendered:
        """What to send for a delivery (by number), or why nothing is sent. What takes too long, or too much, counts as trouble of the
        endpoint: it gets less at once."""
        began = self._now_ms()
        self._under_way.add(delivery)
        try:
            made = await rendered(preparation.renderer, view, self._templates)
        except Exception as error:  # noqa: BLE001  # one event must neither hang nor stop the others
            log.error("prepare.fault", delivery=delivery, exc_info=error)
            made = Unrendered(cause="failed", reason="the request could not be prepared")
        finally:
            is_wanted = delivery in self._under_way
            self._under_way.discard(delivery)
        now = self._now_ms()
        if isinstance(made, Unrendered) and made.cause == "killed":
            lane.outlet.allowance.failed(began, now, now - began)
        if not is_wanted:
            return WITHDRAWN
        if self._endpoints.prepared.get(lane.endpoint) is not preparation or self._ready.is_paused(lane, now):
            return LATER
        return made
