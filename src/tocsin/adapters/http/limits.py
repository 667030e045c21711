"""How much a receiver may make the sender hold, read or wait for."""

from __future__ import annotations

from tocsin.model.noun import Noun


class SenderLimits(Noun, frozen=True, kw_only=True):
    """`kept_*` is what an attempt keeps; `max_*` is where reading stops and the exchange fails. A name with more
    than `max_addresses` addresses is tried at that many."""

    max_header_bytes: int = 65536
    max_headers: int = 200
    max_informational: int = 20
    max_body_bytes: int = 1048576
    kept_header_bytes: int = 16384
    kept_body_bytes: int = 16384
    max_addresses: int = 8
    idle_seconds: float = 90.0
    idle_per_pool: int = 128
    idle_in_all: int = 2048
