"""Which past events a replay takes: those that the endpoint wants as it is now, narrowed by the replay's own filters."""

from __future__ import annotations

from tocsin.model.endpoint import Endpoint
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter
from tocsin.rules.matching import matches, wants


def takes(endpoint: Endpoint, filters: tuple[Filter, ...], view: EventView) -> bool:
    """Whether the event is for this replay. `endpoint` is as `at_all_times` gives it: neither when it was enabled nor whether it
    is now matters for the past."""
    return wants(endpoint, view) and (not filters or any(matches(one, view) for one in filters))
