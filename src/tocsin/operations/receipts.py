"""Receipts: what came of a submission that was answered `queued`."""

from __future__ import annotations

from typing import Literal

import msgspec

from tocsin.errors import NotFound
from tocsin.model.intake import Receipt
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.ports.intake import IntakeStore
from tocsin.rules.intake import receipt_name

_ERROR = 400


class ReceiptShown(Noun, frozen=True, kw_only=True):
    """A submission that was handed in: `queued` until its verdict, `at` its time. `answer` is what its producer would have got, `problem` why
    it was refused; both are null when nothing of it was kept: it was accepted at once, or a day ago."""

    id: str
    state: Literal["queued", "accepted", "refused"]
    at: str | None = None
    answer: msgspec.Raw | None = None
    problem: msgspec.Raw | None = None


class Receipts:
    """`store` is None without a replicated intake: then there are none."""

    def __init__(self, store: IntakeStore | None) -> None:
        self._store = store

    async def get(self, receipt_id: str, tenant: str | None) -> ReceiptShown:
        """One, seen by a tenant (None: the operator). Raises NotFound, StoreUnavailable."""
        name = receipt_name(receipt_id, tenant)
        if name is None or self._store is None:
            raise NotFound
        # The cursors first: what is behind them is written together with them.
        _, cursors = await self._store.cursors()
        cursor = cursors.get(name.partition)
        if cursor is None:
            raise NotFound
        receipt = await self._store.receipt(receipt_id, tenant)
        if receipt is not None:
            return _shown(receipt)
        is_through = name.number <= cursor.numbers.get(name.node, -1)
        return ReceiptShown(id=receipt_id, state="accepted" if is_through else "queued")


def _shown(receipt: Receipt) -> ReceiptShown:
    body = msgspec.Raw(receipt.body) if receipt.body else None
    at = to_text(receipt.at)
    if receipt.status >= _ERROR:
        return ReceiptShown(id=receipt.id, state="refused", at=at, problem=body)
    return ReceiptShown(id=receipt.id, state="accepted", at=at, answer=body)
