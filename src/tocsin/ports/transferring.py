"""Transfers: everything in one store is copied to another. What that needs of a store: its rows by table, in neutral values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol

import msgspec

from tocsin.model.ids import Millis
from tocsin.model.noun import Noun

Neutral = None | int | float | bytes | str | tuple[str, ...]
"""A value as every store gives and takes it."""
NeutralRow = tuple[Neutral, ...]
_MODULUS: Final = 1 << 256


class Table(Noun, frozen=True):
    """One table, the same in every store. `columns` in their order here, the first `keys` of them its primary key; the values of
    `wide` may be long; `lists` hold several texts. `is_single`: a new store has its one row already."""

    name: str
    columns: tuple[str, ...]
    keys: int = 1
    wide: str | None = None
    lists: frozenset[str] = frozenset()
    is_single: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        return self.columns[: self.keys]

    def key_of(self, row: NeutralRow) -> NeutralRow:
        return row[: self.keys]


def _table(
    name: str,
    columns: str,
    *,
    keys: int = 1,
    wide: str | None = None,
    lists: frozenset[str] = frozenset(),
    is_single: bool = False,
) -> Table:
    return Table(name, tuple(columns.split()), keys, wide, lists, is_single)


_COUNTS: Final = (
    "pending dead events attempts_delivered attempts_retry attempts_rejected delivered died cancelled errors attempt_ms"
    " delivered_ms"
)
TABLES: Final = (
    _table(
        "event", "position id tenant type subject_type subject_id verb time accepted_at keys cloud data", wide="data"
    ),
    _table(
        "job",
        "number tenant id state job_type mode name parent root created_at updated_at overdue_at lost_at snapshot",
        wide="snapshot",
    ),
    _table("seen", "tenant hash event_id at", keys=2),
    _table("answer", "tenant route key body_hash status body at", keys=3, wide="body"),
    _table("version", "tenant version_id content_hash event_ids", keys=2, wide="event_ids"),
    _table("tenant", "name version_counter created_at"),
    _table("cursor", "partition position endpoint", is_single=True),
    _table("directory", "one revision", is_single=True),
    _table("endpoint", "number id tenant revision active_from created_at deleted_at moved config", wide="config"),
    _table("standing", "endpoint state"),
    _table(
        "delivery",
        "number id tenant endpoint position lane state reason blocked due_at step at_once attempts created_at settled_at"
        " resend_of batch",
    ),
    _table("line", "endpoint lane key delivery", keys=4),
    _table("attempt", "place detail body", wide="body"),
    _table("api_key", "number id name role tenant hash created_at expires_at last_used_at revoked_at"),
    _table("data_key", "id master_key wrapped created_at"),
    _table("audit", "number id at tenant actor_key actor_name actor_role action target before after", wide="after"),
    _table(
        "replay",
        "number id tenant endpoint state reason filters only_these dead_reason rate_per_second new_webhook_ids since until"
        " position last total made pending done failed created_at finished_at",
    ),
    _table(
        "batch",
        "number id tenant endpoint lane parent state due_at step at_once attempts created_at settled_at waits_for removed",
    ),
    _table("batch_attempt", "place detail body", wide="body"),
    _table("batch_left", "delivery batch", keys=2),
    _table("retention", "tenant rules"),
    _table("retention_cursor", "what scope keep policy position", keys=3),
    _table("retention_left", "what number", keys=2),
    _table("retention_clock", "one at"),
    _table("tally", f"tenant endpoint minute {_COUNTS}", keys=2),
    _table("tally_history", f"tenant endpoint step minute {_COUNTS} oldest_at", keys=4),
    _table("pending_block", "tenant endpoint block pending since", keys=3),
    _table("notice", "number tenant type about time data once", wide="data"),
    _table("given_up", "endpoint minute reason count delivery_ids", keys=3, lists=frozenset({"delivery_ids"})),
    _table("streak", "tenant hash failures at", keys=2),
    _table(
        "erasure",
        "number id tenant subject_type subject_id state reason last progress created_at finished_at",
        wide="progress",
    ),
)
"""Everything that is kept for somebody. What is not among these is each store's own business."""


class Progress(Noun, frozen=True, kw_only=True):
    """How far one table is: `rows` were written, up to the key `after`; `digest` is of these rows as the source gave them.
    `is_checked`: it was read again in the target, and is the same."""

    after: NeutralRow | None = None
    rows: int = 0
    digest: int = 0
    is_checked: bool = False

    def beyond(self, table: Table, rows: Sequence[NeutralRow]) -> Progress:
        """With these rows too."""
        digest = (self.digest + sum(map(digest_of, rows))) % _MODULUS
        return Progress(after=table.key_of(rows[-1]), rows=self.rows + len(rows), digest=digest)


def digest_of(row: NeutralRow) -> int:
    """SHA-256 of a row. Digests are added up, so that the order in which a store gives its rows does not matter."""
    return int.from_bytes(hashlib.sha256(msgspec.msgpack.encode(row)).digest(), "big")


class TransferMark(Noun, frozen=True, kw_only=True):
    """What a store knows of its last transfer. `id` is the same on both sides, `other` where the other side is, for people."""

    id: str
    side: Literal["source", "target"]
    other: str
    began_at: Millis
    is_over: bool

    @property
    def is_servable(self) -> bool:
        """Whether everything is here, and nowhere else."""
        return self.side == "target" and self.is_over


class Transfers(Protocol):
    """One side of a transfer. Nothing else may use the store meanwhile."""

    async def mark(self) -> TransferMark | None: ...

    async def set_mark(self, mark: TransferMark | None) -> None:
        """Durable when it returns, as is everything that is written here."""

    async def begin(self, mark: TransferMark) -> None:
        """Set the mark of an empty target, and take out the rows that every new store has."""

    async def finish(self, mark: TransferMark) -> None:
        """Set the mark of a whole target, and forget the progress."""

    async def count(self, table: Table) -> int:
        """Raises Conflict when a table has no rows for another store yet."""

    async def page(self, table: Table, after: NeutralRow | None) -> list[NeutralRow]:
        """The next rows in the order of their key, bounded in number and bytes; none at the end."""

    async def progress(self) -> Mapping[str, Progress]:
        """By the name of the table, of those begun."""

    async def save(self, table: Table, rows: Sequence[NeutralRow], progress: Progress) -> None:
        """Write rows and how far the table is now, in one transaction. Raises Conflict when the store cannot keep one of them."""

    async def heads(self) -> Mapping[str, int]:
        """The last number that was given, by table, where numbers are given; and the last time in the event log."""

    async def set_heads(self, heads: Mapping[str, int]) -> None:
        """Go on with numbers behind these."""
