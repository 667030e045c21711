"""How what there is of something is shared out among those who want it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_HALVINGS: Final = 30


def fair(wanted: Sequence[float], there_is: float) -> list[float]:
    """Share out what there is: nobody gets more than wanted, and who gets less gets as much as any other (max-min)."""
    total = sum(wanted)
    if total <= there_is:
        return list(wanted)
    left, level = there_is, 0.0
    ordered = sorted(wanted)
    for index, want in enumerate(ordered):
        level = left / (len(ordered) - index)
        if want >= level:
            break
        left -= want
    return [min(want, level) for want in wanted]


def accepted_share(accept: float, could_send: float, there: float, more: float, core: float) -> float:
    """Which share of what is posted a node accepts, when its one core also has to deliver. All in microseconds of work:
    accepting everything, delivering all that endpoints would take, delivering what waits already, delivering what is
    accepted now; and what the core has. Accepting gets half of the core, and what delivering leaves."""
    if accept <= 0:
        return 1.0

    def fits(share: float) -> bool:
        delivering = min(could_send, there + share * more)
        return share * accept <= max(core / 2, core - delivering)

    if fits(1.0):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
