"""What is wrong with a server, its settings and its store, or worth knowing of them: from facts to findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from tocsin.model.finding import Finding
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.ports import SharedFacts, StoreFacts

MIB: Final = 1024 * 1024
LARGE_WAL: Final = 512 * MIB
FEW_FILES: Final = 4096
"""The API takes half of what there is; the sender keeps up to 2048 idle connections and makes 512 requests at once."""
FULL_PART: Final = 0.8
BEHIND_SECONDS: Final = 86_400
CLOCK_MS: Final = 1000
FULL: Final = 0.8
LONG_SECONDS: Final = 1800.0
UNFROZEN: Final = 1_000_000_000
MANY_DEAD_ROWS: Final = 1_000_000
_METADATA: Final = (IPv4Address("169.254.169.254"), IPv6Address("fd00:ec2::254"))
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class SettingFacts(Noun, frozen=True, kw_only=True):
    """What the operator chose. `is_key_beside`: the master key lies beside the database."""

    allow_http: bool
    allow_networks: str
    is_key_beside: bool
    has_public_url: bool
    host: str


def setting_findings(facts: SettingFacts) -> Iterator[Finding]:
    """Choices that open something, each to be known."""
    if facts.is_key_beside:
        yield Finding(
            severity="note",
            code="settings.key_beside",
            about="TOCSIN_MASTER_KEY",
            what="The master key lies in a file beside the database.",
            why="Whoever gets a copy of that directory has every secret of every endpoint.",
            remedy="Keep the key elsewhere: TOCSIN_MASTER_KEY or TOCSIN_MASTER_KEY_FILE (docs/how-to/change-the-master-key.md).",
        )
    if facts.allow_http:
        yield Finding(
            severity="note",
            code="settings.http_allowed",
            about="TOCSIN_ALLOW_HTTP",
            what="Endpoints may have http URLs.",
            why="What is sent there can be read and changed on the way.",
            remedy="Set it to false once every receiver has TLS; until then keep such receivers on a network of your own.",
        )
    yield from _network_findings(facts.allow_networks)
    if not facts.has_public_url:
        yield Finding(
            severity="note",
            code="settings.no_public_url",
            about="TOCSIN_PUBLIC_URL",
            what="It is not said where this server is reached from outside.",
            why="Receivers that are asked for consent see the machine's name, and cannot answer later; links in messages have no "
            "address to begin with.",
            remedy="Set TOCSIN_PUBLIC_URL, like https://hooks.example.com.",
        )
    if facts.host not in _LOOPBACK:
        yield Finding(
            severity="note",
            code="settings.listens_widely",
            about="TOCSIN_LISTEN",
            what=f"The server listens at {facts.host}, by plain HTTP.",
            why="API keys can be read on the way unless something before it ends TLS.",
            remedy="Put a proxy that ends TLS before it, and keep others away from the port itself.",
        )


def _network_findings(text: str) -> Iterator[Finding]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        return
    networks = [ip_network(name, strict=False) for name in names]
    wide = [network for network in networks if any(a in network for a in _METADATA if a.version == network.version)]
    if wide:
        yield Finding(
            severity="warning",
            code="settings.networks_wide",
            about="TOCSIN_ALLOW_NETWORKS",
            what=f"Deliveries may go to {', '.join(map(str, wide))}, where a cloud's metadata service answers.",
            why="Whoever may add endpoints can have requests sent there, and see the answers.",
            remedy="Name only the networks in which there are receivers.",
        )
        return
    yield Finding(
        severity="note",
        code="settings.networks_allowed",
        about="TOCSIN_ALLOW_NETWORKS",
        what=f"Deliveries may go to {', '.join(names)}, beside the public internet.",
        why="Whoever may add endpoints can have requests sent to anything there.",
        remedy="Name only the networks in which there are receivers.",
    )


def store_findings(store: StoreFacts, reserve: int, now: Millis) -> Iterator[Finding]:
    """The disk, the WAL, the clock. `reserve` in bytes."""
    yield from _disk_findings(store, reserve)
    if store.wal_bytes > LARGE_WAL:
        yield Finding(
            severity="warning",
            code="store.wal_large",
            what=f"The write-ahead log has {_size(store.wal_bytes)}.",
            why="It could not be copied into the database: something has been reading for long, or the disk does not keep up.",
            remedy="A backup that is being made explains it. Else look at the disk; a restart copies it.",
        )
    if store.migration < store.newest_migration:
        yield Finding(
            severity="warning",
            code="store.migrations_pending",
            what=f"The database is at migration {store.migration}; this version has {store.newest_migration}.",
            why="The next start brings it up to date, and an older version does not open it then.",
            remedy="Make a backup, then run `tocsin migrate` or start the server.",
        )
    if store.shared is not None:
        yield from _shared_findings(store.shared)
    if store.migration > store.newest_migration >= store.oldest_migration:
        yield Finding(
            severity="note",
            code="store.ahead",
            what=f"The database is at migration {store.migration}; this version has {store.newest_migration}, and may run on it.",
            why="A newer version of Tocsin runs on it, or did.",
            remedy="Upgrade this one too.",
        )
    if store.oldest_migration > store.newest_migration:
        yield Finding(
            severity="error",
            code="store.newer",
            what=f"The database is at migration {store.migration}, which this version does not know, and may not run on.",
            why="A newer version of Tocsin has opened it; this one does not start on it.",
            remedy="Run the newer version, or restore a backup from before the upgrade.",
        )
    if store.last_accepted_at is not None and store.last_accepted_at > now + CLOCK_MS:
        yield Finding(
            severity="warning",
            code="clock.went_back",
            what=f"The clock is {(store.last_accepted_at - now) / 1000:.0f} s behind the last event.",
            why="It was set back. Until it has caught up, events get the time of that one, and retries come late.",
            remedy="See to it that the machine's clock is kept by NTP and slewed, not stepped.",
        )


def _shared_findings(shared: SharedFacts) -> Iterator[Finding]:
    """Of PostgreSQL."""
    if not shared.is_durable:
        yield Finding(
            severity="error",
            code="store.not_durable",
            what="PostgreSQL runs with fsync or full_page_writes off.",
            why="What was accepted can be lost, and the database damaged, when its machine fails.",
            remedy="Turn both on, and reload the server.",
        )
    if not shared.has_checksums:
        yield Finding(
            severity="note",
            code="store.no_checksums",
            what="Pages of the database have no checksums.",
            why="A disk that gives back other bytes than were written is noticed late.",
            remedy="Stop the server and run pg_checksums --enable; pg_amcheck reads everything there is.",
        )
    if shared.connections > shared.most_connections * FULL:
        yield Finding(
            severity="warning",
            code="store.connections",
            what=f"{shared.connections} of {shared.most_connections} connections of PostgreSQL are used.",
            why="Who finds none left cannot write; each server of Tocsin takes a few, whoever else uses it the others.",
            remedy="Raise max_connections, or look in pg_stat_activity for who has them.",
        )
    if shared.transaction_seconds > LONG_SECONDS:
        yield Finding(
            severity="warning",
            code="store.long_transaction",
            what=f"A transaction has been going on in the database for {shared.transaction_seconds / 60:.0f} minutes.",
            why="Rows that were removed or replaced since keep their room, and retention may not drop what it holds.",
            remedy="Look in pg_stat_activity by xact_start; a dump that is being made explains it.",
        )
    if shared.transactions_behind > UNFROZEN:
        yield Finding(
            severity="warning",
            code="store.freezing_behind",
            what=f"The oldest rows were not frozen for {shared.transactions_behind / 1_000_000:.0f} million transactions.",
            why="At two billion PostgreSQL takes no more writes. Autovacuum should have done it at a tenth of that.",
            remedy="See that autovacuum is on and not held up by a long transaction, then run VACUUM (FREEZE).",
        )
    if shared.dead_rows > max(MANY_DEAD_ROWS, shared.live_rows):
        yield Finding(
            severity="warning",
            code="store.dead_rows",
            what=f"{shared.dead_rows} rows are dead, {shared.live_rows} are not.",
            why="Autovacuum does not keep up, so tables grow and are read more slowly.",
            remedy="Lower autovacuum_vacuum_scale_factor and autovacuum_vacuum_cost_delay; look for long transactions.",
        )


def _disk_findings(store: StoreFacts, reserve: int) -> Iterator[Finding]:
    free = store.free_bytes
    if free is None:
        return
    if free < reserve:
        yield Finding(
            severity="error",
            code="disk.reserve",
            what=f"{_size(free)} of the disk are free, less than the reserve of {_size(reserve)}.",
            why="Nothing is accepted (507); what was accepted is still delivered.",
            remedy="Make room, or keep less (TOCSIN_KEEP_BODIES, TOCSIN_KEEP_ROWS).",
        )
    elif free < 4 * reserve:
        yield Finding(
            severity="warning",
            code="disk.low",
            what=f"{_size(free)} of the disk are free; below {_size(reserve)} nothing is accepted.",
            why="At the present rate that may be soon.",
            remedy="Make room, or keep less (TOCSIN_KEEP_BODIES, TOCSIN_KEEP_ROWS).",
        )
    elif free - store.file_bytes < reserve:
        yield Finding(
            severity="note",
            code="disk.no_backup",
            what=f"{_size(free)} of the disk are free; the database has {_size(store.file_bytes)}.",
            why="A backup of the running server needs room for a second copy while it is made.",
            remedy="Make room, or take snapshots of the filesystem instead (docs/how-to/back-up-and-restore.md).",
        )


def integrity_findings(faults: Sequence[str]) -> Iterator[Finding]:
    """What SQLite found when it read the whole file."""
    for fault in faults:
        yield Finding(
            severity="error",
            code="store.damaged",
            what=f"The database is damaged: {fault}",
            why="The disk or the memory of the machine gives back other bytes than were written, or something else wrote the file.",
            remedy="Stop the server, keep the files, look at the hardware, restore the last good backup.",
        )


def server_findings(files: int, problems: Sequence[str], behind_seconds: float) -> Iterator[Finding]:
    """`files` may be open in this process at once (negative: any number); `problems` keep it from being ready; retention could
    have removed what comes next so many seconds ago."""
    for problem in problems:
        yield Finding(
            severity="error",
            code="server.not_ready",
            what=f"The server is not ready: {problem}.",
            why="It answers /readyz with 503, so that nothing should be led to it.",
            remedy="Its log says more.",
        )
    if 0 <= files < FEW_FILES:
        yield Finding(
            severity="warning",
            code="process.few_files",
            what=f"The process may have {files} files and connections open.",
            why="The API takes half of them; under load the sender may get no connection.",
            remedy="Allow more: LimitNOFILE=65536 in the unit, or `ulimit -n 65536` before it starts.",
        )
    if behind_seconds > BEHIND_SECONDS:
        yield Finding(
            severity="warning",
            code="retention.behind",
            what=f"Retention is {behind_seconds / 3600:.0f} hours behind.",
            why="More is written than it can remove beside the work, so the file grows.",
            remedy="Give it time after a change of the settings; else a faster disk, or less load.",
        )


def intake_findings(
    *, server: str, behind: int, held_bytes: int, max_bytes: int, replicas: int, in_sync: int
) -> Iterator[Finding]:
    """What there is to say of the replicated intake; that it is not reached, or is another one, is why the server is not ready."""
    del server, behind
    if in_sync < replicas:
        yield Finding(
            severity="warning",
            code="intake.replicas",
            what=f"{in_sync} of {replicas} copies of the intake have all of it.",
            why="One more server that goes, and it takes nothing.",
            remedy="Look after the NATS server that is missing: `nats stream info` names it.",
        )
    elif replicas == 1:
        yield Finding(
            severity="note",
            code="intake.alone",
            what="There is one copy of the intake.",
            why="When its server is lost, so is what waits there.",
            remedy="Three NATS servers, and a stream with three replicas.",
        )
    if max_bytes and held_bytes > max_bytes * FULL_PART:
        yield Finding(
            severity="warning",
            code="intake.full",
            what=f"The intake holds {_size(held_bytes)} of {_size(max_bytes)}.",
            why="When it is full, producers are answered 429.",
            remedy="See what holds up the accept; `nats stream edit --max-bytes` gives it more room.",
        )


def holding_findings(free: Sequence[int]) -> Iterator[Finding]:
    """`free`: the partitions that no process holds."""
    if free:
        yield Finding(
            severity="warning",
            code="holding.free",
            what=f"{len(free)} of the partitions have no holder.",
            why="What their tenants report is kept, and delivered once a process takes them. That takes a moment when one has just started "
            "or ended; otherwise none can.",
            remedy="Ask again in a minute; then see the logs of the processes for `holding.`.",
        )


def _size(count: int) -> str:
    """Bytes for people."""
    return f"{count / MIB:.0f} MiB" if count < 10_240 * MIB else f"{count / MIB / 1024:.0f} GiB"
