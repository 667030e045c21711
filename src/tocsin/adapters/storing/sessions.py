"""Sessions as rows, the same in every store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from tocsin.adapters.storing.values import Row
from tocsin.model.access import Caller, Role
from tocsin.model.ids import KeyId, Millis
from tocsin.ports import KeptSession

SESSIONS_OF_KEY: Final = 64
"""Sessions by one key; the one used longest ago makes room."""
LINKS: Final = 64
"""One-time links; the oldest makes room."""


def session_of(rows: Sequence[Row]) -> KeptSession | None:
    """Of `session`."""
    if not rows:
        return None
    key_id, name, role, tenant, started_at, seen_at, is_by_link = cast(
        "tuple[str, str, str, str | None, Millis, Millis, int]", rows[0]
    )
    return KeptSession(
        caller=Caller(key_id=KeyId(key_id), key_name=name, role=Role(role), tenant=tenant),
        started_at=started_at,
        seen_at=seen_at,
        is_by_link=bool(is_by_link),
    )
