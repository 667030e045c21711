"""Which partition a tenant belongs to."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from zlib import crc32

PARTITIONS: Final = 64
"""Of the shared store. Events are stored with theirs: another number is another store."""


@lru_cache(maxsize=65536)
def partition_of(tenant: str, partitions: int) -> int:
    """The same for every process and for ever: events are stored with it."""
    return crc32(tenant.encode()) % partitions
