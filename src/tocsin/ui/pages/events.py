"""Events, and one of them with its deliveries."""

from __future__ import annotations

from typing import Final

from tocsin.ui.routing import UiRoute

ROUTES: Final[tuple[UiRoute, ...]] = ()
