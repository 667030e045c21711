"""Deliveries: one list over all endpoints, and one of them."""

from __future__ import annotations

from typing import Final

from tocsin.ui.routing import UiRoute

ROUTES: Final[tuple[UiRoute, ...]] = ()
