"""The base of every noun: a frozen, slotted struct.

A frozen dataclass with a dozen fields costs 3.4 us to make, this 0.24 us (docs/adr/0003). Several are made for each
event, so the difference is a tenth of the budget of a delivery.
"""

from __future__ import annotations

import msgspec


class Noun(msgspec.Struct, frozen=True):
    """Frozen, slotted, compared by value. `kw_only` is not inherited: each noun says it."""
