"""The server itself: store, backlog, version."""

from __future__ import annotations

from typing import Final

from tocsin.ui.routing import UiRoute

ROUTES: Final[tuple[UiRoute, ...]] = ()
