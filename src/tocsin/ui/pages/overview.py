"""Overview: how it goes, in one glance; what needs somebody, and what runs."""

from __future__ import annotations

from typing import Final

from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.navigation import HOME
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute


async def _overview(request: UiRequest) -> Answer:
    return page(request, "overview.html", title="Overview", command="tocsin stats")


ROUTES: Final[tuple[UiRoute, ...]] = (UiRoute(method="GET", path=HOME, page=_overview),)
