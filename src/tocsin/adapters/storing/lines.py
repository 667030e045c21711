"""The names of the lines that an ordered delivery stands in."""

from __future__ import annotations

from hashlib import blake2b

from tocsin.model.delivery import NewDelivery

Line = tuple[int, int, int]
"""Endpoint, lane and the hash of a key."""


def key_hash(tenant: str, key: str) -> int:
    """64 bits of a key. A collision only makes a delivery wait for a stranger."""
    return int.from_bytes(blake2b(f"{tenant}\0{key}".encode(), digest_size=8).digest(), "big", signed=True)


def lines_of(new: NewDelivery) -> list[Line]:
    """The lines of a delivery, each once, in order."""
    keys = sorted({key_hash(new.tenant, key) for key in new.keys})
    return [(new.endpoint, new.lane, key) for key in keys]
