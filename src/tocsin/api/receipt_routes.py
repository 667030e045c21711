"""Receipts over HTTP: what came of a submission that was answered `queued`."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.api.auth import EVERYBODY
from tocsin.api.paging import TENANT
from tocsin.api.routing import Reply, Request, Route
from tocsin.errors import NotFound
from tocsin.operations.receipts import ReceiptShown


async def _get(request: Request) -> Reply:
    receipt = await request.services.receipts.get(request.parts["receipt_id"], request.tenant_read())
    return Reply(body=msgspec.json.encode(receipt))


RECEIPT_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/receipts/{receipt_id}",
        name="get_receipt",
        summary="What came of a submission that was answered `queued` (only with a replicated intake).",
        answer=_get,
        roles=EVERYBODY,
        parameters=(TENANT,),
        gives=ReceiptShown,
        problems=(NotFound,),
    ),
)
