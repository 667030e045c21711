"""The server itself: what doctor finds, its store and process, what is kept how long, and how to back it up."""

from __future__ import annotations

import asyncio
from typing import Final

from tocsin.model.finding import Finding
from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.pages.erasures import ERASURE_ROUTES, ERASURES
from tocsin.ui.pages.retention import PATH as RETENTION
from tocsin.ui.pages.retention import RETENTION_ROUTES, Kept, kept_of, read_retention
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/system"
PLACES: Final = {"end_": "/ui/endpoints/"}
"""Where what a finding is about has a page."""


class SharedFacts(Noun, frozen=True, kw_only=True):
    """What is known of a server of databases."""

    connections: int
    most_connections: int


class StoreFacts(Noun, frozen=True, kw_only=True):
    """The store, as doctor tells of it."""

    engine: str
    place: str
    filesystem: str | None
    file_bytes: int
    unused_bytes: int
    wal_bytes: int
    free_bytes: int | None
    reserve_bytes: int
    migration: int
    position: int
    last_accepted_at: str | None
    commits: int
    mean_commit_parts: float | None
    mean_commit_ms: float | None
    shared: SharedFacts | None = None


class NodeFacts(Noun, frozen=True, kw_only=True):
    """A process on the database, and the partitions that it holds."""

    name: str
    holds: tuple[int, ...]


class IntakeFacts(Noun, frozen=True, kw_only=True):
    """The replicated intake, where there is one."""

    server: str
    behind: int
    held_bytes: int
    max_bytes: int
    replicas: int
    in_sync: int


class ServerFacts(Noun, frozen=True, kw_only=True):
    """The process, as doctor tells of it."""

    name: str
    started_at: str
    uptime_seconds: float
    files: int | None
    holds: tuple[int, ...]
    partitions: int
    free: tuple[int, ...]
    neighbours: tuple[NodeFacts, ...]


class DiagnosisRead(Noun, frozen=True, kw_only=True):
    """What doctor says."""

    version: str
    is_well: bool
    findings: tuple[Finding, ...]
    store: StoreFacts
    process: ServerFacts
    intake: IntakeFacts | None = None


class BacklogRead(Noun, frozen=True, kw_only=True):
    """What is pending, of `/v1/stats`."""

    pending_deliveries: int
    dead_deliveries: int
    oldest_pending_seconds: float | None
    in_flight: int | None


class VersionRead(Noun, frozen=True, kw_only=True):
    """The server's version."""

    version: str


async def _system(request: UiRequest) -> Answer:
    diagnosis, backlog, retention, version = await asyncio.gather(
        _diagnosis(request),
        request.api.read("/v1/stats", BacklogRead),
        read_retention(request),
        request.api.read("/version", VersionRead, {"tenant": None}),
    )
    kept: tuple[Kept, ...] = kept_of(retention.defaults)
    return page(
        request,
        "system.html",
        title="System",
        command="tocsin doctor" if diagnosis else "tocsin retention show",
        diagnosis=diagnosis,
        places=PLACES,
        backlog=backlog,
        kept=kept,
        version=version.version,
        retention_path=RETENTION,
        erasures_path=ERASURES,
    )


async def _diagnosis(request: UiRequest) -> DiagnosisRead | None:
    """For operators only; others see what is of their tenant."""
    return await request.api.read("/v1/doctor", DiagnosisRead, {"tenant": None}) if request.is_operator else None


ROUTES: Final[tuple[UiRoute, ...]] = (
    UiRoute(method="GET", path=PATH, page=_system),
    *RETENTION_ROUTES,
    *ERASURE_ROUTES,
)
