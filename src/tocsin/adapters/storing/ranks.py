"""What goes first when several kinds of work wait for a writer."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Rank(IntEnum):
    """The lower, the sooner; but nothing is overtaken by more than so many others, so that every kind keeps a share."""

    SETTLE = 0
    ACCEPT = 1
    FANOUT = 2
    REST = 3
    RETENTION = 24
    """It lets so many others go first, and has its transactions for itself: nobody waits for its COMMIT."""


ALONE: Final = frozenset({Rank.ACCEPT, Rank.RETENTION})
"""What shares no transaction."""


class DataRefusedError(Exception):
    """The store cannot take these values; nothing was written."""
