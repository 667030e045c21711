"""The memory of an endpoint's circuit breaker."""

from __future__ import annotations

from tocsin.model.noun import Noun


class Circuit(Noun, frozen=True, kw_only=True):
    """Failures since the last success, and over which deliveries (their numbers, no more of them than matter). Times in ms,
    None while it is closed: since when it is open, and from when one request may ask again. `openings` counts how often
    it opened without a success between."""

    failures: int = 0
    deliveries: tuple[int, ...] = ()
    opened_at: int | None = None
    probe_at: int | None = None
    openings: int = 0
