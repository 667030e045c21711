"""Jobs: the list, and one of them with its timeline."""

from __future__ import annotations

from typing import Final

from tocsin.ui.routing import UiRoute

ROUTES: Final[tuple[UiRoute, ...]] = ()
