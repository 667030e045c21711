"""What a receiver said when it was asked whether it wants deliveries (CloudEvents HTTP 1.1 Web Hooks, section 4)."""

from __future__ import annotations

from typing import Literal

from tocsin.model.noun import Noun

ConsentState = Literal["none", "asked", "granted", "refused"]


class Consent(Noun, frozen=True, kw_only=True):
    """The consent of the receiver at `url` to deliveries from `origin`: for another of either it says nothing. Times in ms,
    rates in requests per minute. `requested_rate` is what was asked for last, `allowed_rate` what was granted, None: any.
    `next_at` is when to ask (again), None: not again by itself; `asks` counts those that brought nothing. `is_told`: that
    nothing is sent for want of it was told, and its end was not yet."""

    url: str
    origin: str
    is_required: bool
    state: ConsentState = "none"
    requested_rate: int | None = None
    allowed_rate: int | None = None
    asked_at: int | None = None
    granted_at: int | None = None
    next_at: int | None = 0
    asks: int = 0
    reason: str | None = None
    is_told: bool = False
