"""Doctor: gathers the facts of a running server and says what is wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain
from typing import Final

import msgspec

from tocsin import __version__
from tocsin.config import Settings
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.finding import Finding
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.operations.documents import time_or_none
from tocsin.operations.retention import Retention, reserve_of
from tocsin.operations.statistics import Statistics
from tocsin.ports import Directory, Inspection, SharedFacts, StoreFacts, Views
from tocsin.rules.delivery_diagnosis import Backlog, backlog_findings, dead_finding, endpoint_findings, key_findings
from tocsin.rules.diagnosis import (
    SettingFacts,
    holding_findings,
    intake_findings,
    integrity_findings,
    server_findings,
    setting_findings,
    store_findings,
)

BACKLOGS: Final = 50
Standings = Callable[[str | None], Awaitable[list[tuple[Endpoint, Standing]]]]
_ORDER: Final = {"error": 0, "warning": 1, "note": 2}


class StoreShown(Noun, frozen=True, kw_only=True):
    """The store; sizes in bytes. `mean_commit_parts`: how many pieces of work shared a commit since the start, and
    `mean_commit_ms` how long one took. `shared`: of PostgreSQL."""

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
    shared: SharedFacts | None


class NodeShown(Noun, frozen=True, kw_only=True):
    """Another process on the same database, and the partitions that it holds."""

    name: str
    holds: tuple[int, ...]


class HoldingFacts(Noun, frozen=True, kw_only=True):
    """The name of this process, what it holds of so many partitions, which of them nobody holds, and the other processes."""

    name: str
    holds: tuple[int, ...]
    partitions: int
    free: tuple[int, ...] = ()
    neighbours: tuple[NodeShown, ...] = ()


class ServerShown(Noun, frozen=True, kw_only=True):
    """The server's process, by its `name` among the others. `files`: how many may be open at once, null without a limit. `holds`: the partitions that it fans out
    and delivers, of so many `partitions`; `free`: those that nobody does. `neighbours`: other processes on the same database."""

    name: str
    started_at: str
    uptime_seconds: float
    files: int | None
    holds: tuple[int, ...]
    partitions: int
    free: tuple[int, ...]
    neighbours: tuple[NodeShown, ...]


class IntakeShown(Noun, frozen=True, kw_only=True):
    """The replicated intake; sizes in bytes. `server` is the one that this process is connected to, empty while there is none; `behind`: how
    many submissions stand there for what this process holds; of `replicas` copies `in_sync` have everything."""

    server: str
    behind: int
    held_bytes: int
    max_bytes: int
    replicas: int
    in_sync: int


class Diagnosis(Noun, frozen=True, kw_only=True):
    """What doctor found, the worst first, and the facts that it judged by. `is_well`: neither errors nor warnings. `process` null:
    no server runs, and only its settings and its file were looked at."""

    at: str
    version: str
    is_well: bool
    findings: tuple[Finding, ...]
    store: StoreShown
    process: ServerShown | None
    intake: IntakeShown | None = None


class Doctor:
    """Of one server. `files` gives how many files the process may open, `ready` what keeps the server from being ready."""

    def __init__(  # noqa: PLR0913 (its parts, by name)
        self,
        *,
        settings: Settings,
        inspection: Inspection,
        views: Views,
        directory: Directory,
        statistics: Statistics,
        retention: Retention,
        standings: Standings,
        ready: Callable[[], Sequence[str]],
        files: Callable[[], int],
        holding: Callable[[], HoldingFacts],
        now_ms: Callable[[], Millis],
        intake: Callable[[], IntakeShown | None] = lambda: None,
    ) -> None:
        self._settings = setting_facts(settings)
        self._reserve = reserve_of(settings)
        self._inspection = inspection
        self._views = views
        self._directory = directory
        self._statistics = statistics
        self._retention = retention
        self._standings = standings
        self._ready = ready
        self._files = files
        self._holding = holding
        self._now_ms = now_ms
        self._intake = intake
        self._started_at = now_ms()

    async def diagnose(self, *, integrity: bool) -> Diagnosis:
        """With `integrity` the whole file is read, which takes as long as that. Raises StoreUnavailable."""
        now = self._now_ms()
        store, backlogs, keys, standings, day, retention = await asyncio.gather(
            self._inspection.facts(),
            self._views.backlogs(BACKLOGS),
            self._directory.keys(),
            self._standings(None),
            self._statistics.of_tenant(None, "24h", None, None),
            self._retention.show(None),
        )
        faults = await self._inspection.faults() if integrity else []
        passes = retention.progress.passes if retention.progress else []
        waiting = [
            Backlog(tenant=tenant, endpoint_id=endpoint_id, pending=tally.pending, oldest_at=tally.oldest_at)
            for tenant, endpoint_id, tally in backlogs
            if tally.oldest_at is not None
        ]
        intake = self._intake()
        files, holding = self._files(), self._holding()
        return diagnosis_of(
            now,
            findings=(
                integrity_findings(faults),
                server_findings(files, self._ready(), max((one.behind_seconds for one in passes), default=0)),
                () if intake is None else intake_findings(**msgspec.structs.asdict(intake)),
                holding_findings(holding.free),
                store_findings(store, self._reserve, now),
                endpoint_findings(standings, now),
                dead_finding(day.deliveries.dead, [failing.name for failing in day.failing[:3]]),
                backlog_findings(waiting, now),
                key_findings(keys, now),
                setting_findings(self._settings),
            ),
            store=store_shown(store, self._reserve),
            process=ServerShown(
                name=holding.name,
                started_at=to_text(self._started_at),
                uptime_seconds=(now - self._started_at) / 1000,
                files=files if files >= 0 else None,
                holds=holding.holds,
                partitions=holding.partitions,
                free=holding.free,
                neighbours=holding.neighbours,
            ),
            intake=intake,
        )


def diagnosis_of(
    now: Millis,
    *,
    findings: Iterable[Iterable[Finding]],
    store: StoreShown,
    process: ServerShown | None,
    intake: IntakeShown | None = None,
) -> Diagnosis:
    """The findings of several checks, put in order."""
    found = sorted(chain.from_iterable(findings), key=lambda finding: _ORDER[finding.severity])
    return Diagnosis(
        at=to_text(now),
        version=__version__,
        is_well=all(finding.severity == "note" for finding in found),
        findings=tuple(found),
        store=store,
        process=process,
        intake=intake,
    )


def setting_facts(settings: Settings) -> SettingFacts:
    """What of the settings there is something to say about."""
    return SettingFacts(
        allow_http=settings.allow_http,
        allow_networks=settings.allow_networks,
        is_key_beside=settings.master_key is None,
        has_public_url=settings.public_url is not None,
        host=settings.host,
    )


def store_shown(store: StoreFacts, reserve: int) -> StoreShown:
    """The facts as people see them."""
    commits = store.commits
    return StoreShown(
        engine=store.engine,
        place=store.place,
        filesystem=store.filesystem,
        file_bytes=store.file_bytes,
        unused_bytes=store.unused_bytes,
        wal_bytes=store.wal_bytes,
        free_bytes=store.free_bytes,
        reserve_bytes=reserve,
        migration=store.migration,
        position=store.position,
        last_accepted_at=time_or_none(store.last_accepted_at),
        commits=commits,
        mean_commit_parts=round(store.parts / commits, 3) if commits else None,
        mean_commit_ms=round(store.commit_seconds * 1000 / commits, 3) if commits else None,
        shared=store.shared,
    )
