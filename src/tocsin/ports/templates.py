"""The port to what evaluates the programs of the template format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from tocsin.model.noun import Noun

Cause = Literal["nothing", "failed", "killed", "not_compiled", "busy"]
"""`killed`: it took too much time or memory. `busy`: nothing was tried, later it may be."""


class NoValue(Noun, frozen=True, kw_only=True):
    """Why programs gave no value each: the first that did not by its index, None where that is not known, and what is to be
    said of it (`gave nothing`, `failed: ...`)."""

    cause: Cause
    message: str
    program: int | None = None


class Templates(Protocol):
    """Evaluates programs of operators and tenants, bounded in time and memory, away from this process."""

    async def evaluate(self, programs: Sequence[str], document: bytes) -> tuple[str, ...] | NoValue:
        """The one JSON text that each program gives for the JSON document, in their order."""

    async def close(self) -> None:
        """End whatever was started for it."""
