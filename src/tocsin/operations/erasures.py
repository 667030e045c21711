"""What people ask for when somebody is to be forgotten: an erasure, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tocsin.errors import InvalidRequest, NotFound
from tocsin.model.audit import Actor
from tocsin.model.erasure import Erasure, ErasureState, Progress, Subject
from tocsin.model.ids import ErasureId, IdMint, Millis
from tocsin.operations.auditing import audit_entry
from tocsin.operations.documents import erasure_shown
from tocsin.ports import ErasureQuery
from tocsin.ports import Erasures as ErasureStore


class Eraser(Protocol):
    """What the erasing loop of this process is told."""

    def added(self, tenant: str) -> None:
        """There is a new erasure for this tenant."""


class Erasures:
    """Erasures of the tenants that a caller may see; each is in the audit log as asked for `by` somebody."""

    __slots__ = ("_eraser", "_mint", "_now_ms", "_store")

    def __init__(self, store: ErasureStore, *, eraser: Eraser, mint: IdMint, now_ms: Callable[[], Millis]) -> None:
        self._store = store
        self._eraser = eraser
        self._mint = mint
        self._now_ms = now_ms

    async def create(self, subject: Subject, *, by: Actor) -> Erasure:
        """Begin to erase everything about the subject that was accepted so far. It need not be known. Raises InvalidRequest."""
        if subject.type == "record" and "/" not in subject.id:
            raise InvalidRequest.at("/subject_id", "The subject id of a record is <table>/<record id>.")
        now = self._now_ms()
        new = Erasure(
            number=0,
            id=self._mint.erasure(),
            subject=subject,
            state=ErasureState.RUNNING,
            reason=None,
            last=0,
            progress=Progress(),
            created_at=now,
            finished_at=None,
        )
        shown = erasure_shown(new)
        entry = audit_entry(self._mint, now, by, "erasure.created", new.id, tenant=subject.tenant, after=shown)
        erasure = await self._store.add(new, entry)
        self._eraser.added(subject.tenant)
        return erasure

    async def get(self, erasure_id: ErasureId, tenant: str | None) -> Erasure:
        """One, with what it has found. Raises NotFound."""
        erasure = await self._store.erasure(erasure_id, tenant)
        if erasure is None:
            raise NotFound
        return erasure

    async def list(self, query: ErasureQuery) -> Sequence[Erasure]:
        """A page of them, newest first."""
        return await self._store.erasures(query)
