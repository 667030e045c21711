"""All pages of the web interface: each module of pages gives its own."""

from __future__ import annotations

from typing import Final

from tocsin.ui.pages import (
    api_keys,
    audit,
    catalogue,
    deliveries,
    endpoints,
    events,
    jobs,
    overview,
    records,
    replays,
    search,
    system,
    tail,
    tenants,
)
from tocsin.ui.routing import UiRoute

ROUTES: Final[tuple[UiRoute, ...]] = (
    *overview.ROUTES,
    *endpoints.ROUTES,
    *deliveries.ROUTES,
    *jobs.ROUTES,
    *records.ROUTES,
    *events.ROUTES,
    *tail.ROUTES,
    *replays.ROUTES,
    *catalogue.ROUTES,
    *system.ROUTES,
    *api_keys.ROUTES,
    *audit.ROUTES,
    *search.ROUTES,
    *tenants.ROUTES,
)
