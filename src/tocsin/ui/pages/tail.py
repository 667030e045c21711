"""Live tail of events and attempts."""

from __future__ import annotations

from typing import Final

from tocsin.ui.routing import UiRoute

ROUTES: Final[tuple[UiRoute, ...]] = ()
