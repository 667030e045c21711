"""Deliveries as people see them, from rows of `deliveries.sql`: where their last attempts stand, and what is made of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import msgspec

from tocsin.adapters.storing.rows import ATTEMPT_BITS, LAST_ATTEMPT
from tocsin.adapters.storing.values import Row
from tocsin.model.attempt import Outcome
from tocsin.model.exchange import ErrorKind, Timings
from tocsin.ports import DeliveryView, LastAttempt

Place = tuple[str, int]
"""A statement that reads attempts, and a place in its table."""
_ALONE: Final = "attempt_details"
_BATCHED: Final = "batch_attempt_details"
_DETAILS: Final = (_ALONE, _BATCHED)
_NAMES: Final = DeliveryView.__struct_fields__[:-1]
_ATTEMPTS: Final = _NAMES.index("attempts")


class _Config(msgspec.Struct):
    """What of an endpoint's configuration a list shows."""

    name: str | None = None


class _SeenError(msgspec.Struct):
    kind: ErrorKind


class _SeenResponse(msgspec.Struct):
    status: int


class _SeenAttempt(msgspec.Struct):
    """What of an attempt a list shows."""

    started_at: int
    outcome: Outcome
    error: _SeenError | None
    response: _SeenResponse | None
    timings: Timings


_decode_seen = msgspec.json.Decoder(_SeenAttempt).decode
_decode_config = msgspec.json.Decoder(_Config).decode


def last_places(rows: Sequence[Row]) -> dict[str, list[int]]:
    """Where the last attempts of the deliveries may be, by the statement that reads them."""
    places = [place for row in rows for place in _places(row)]
    return {name: [at for kind, at in places if kind == name] for name in _DETAILS}


def views_of(rows: Sequence[Row], details: Mapping[Place, bytes]) -> list[DeliveryView]:
    """With those last attempts that were found."""
    views: list[DeliveryView] = []
    for row in rows:
        detail = next((details[place] for place in _places(row) if place in details), None)
        fields: dict[str, object] = dict(zip(_NAMES, row[: len(_NAMES)], strict=True))
        config = cast("bytes | None", fields["endpoint_name"])
        fields["endpoint_name"] = None if config is None else _decode_config(config).name
        fields["is_erased"] = bool(fields["is_erased"])
        fields["last"] = None if detail is None else _last_of(detail)
        views.append(msgspec.convert(fields, DeliveryView))
    return views


def _places(row: Row) -> list[Place]:
    """The likeliest first: in its batch, in its batch's parent, by itself. The last attempt of a batch that a split has just made
    is its parent's."""
    attempts = min(cast("int", row[_ATTEMPTS]), LAST_ATTEMPT)
    if attempts == 0:
        return []
    numbers = [(_BATCHED, batch) for batch in row[len(_NAMES) :] if batch is not None] + [(_ALONE, row[0])]
    return [(name, cast("int", number) << ATTEMPT_BITS | attempts) for name, number in numbers]


def _last_of(detail: bytes) -> LastAttempt:
    """What a list shows of an attempt's detail; its texts and bodies are not made."""
    seen = _decode_seen(detail)
    return LastAttempt(
        started_at=seen.started_at,
        outcome=seen.outcome,
        status=None if seen.response is None else seen.response.status,
        error=None if seen.error is None else seen.error.kind,
        total_ms=seen.timings.total,
    )
