"""Tallies: numbers that are kept beside the rows that they count, so that no answer has to count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.model.exchange import ErrorKind
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun

ERROR_KINDS: Final = tuple(ErrorKind)
"""A kind's place here is its place in `Tally.errors`, in files too: a new kind comes last."""


class Tally(Noun, frozen=True, kw_only=True):
    """What is and what has been, of an endpoint, a tenant or the whole server, at one moment. `pending` and `dead` are how many
    such deliveries there are; everything else only grows, save `cancelled`, which a late success takes one from.

    `died` counts deliveries that became dead, also those that retention has removed since. `errors`, `attempt_ms` and
    `delivered_ms` are packed (`rules.histograms`): attempts by kind of error, how long attempts took, and how long it was from
    accept to delivered for what came by live traffic. `oldest_at` is when the oldest pending delivery was made, in ms, give or
    take the time in which the 2048 deliveries around it were made."""

    pending: int = 0
    dead: int = 0
    events: int = 0
    attempts_delivered: int = 0
    attempts_retry: int = 0
    attempts_rejected: int = 0
    delivered: int = 0
    died: int = 0
    cancelled: int = 0
    errors: int = 0
    attempt_ms: int = 0
    delivered_ms: int = 0
    oldest_at: Millis | None = None


class Percentiles(Noun, frozen=True, kw_only=True):
    """Durations in ms that 50, 95 and 99 of 100 do not pass, at most 5 % from the true ones; null when there were none."""

    p50: float | None
    p95: float | None
    p99: float | None


class Span(Noun, frozen=True, kw_only=True):
    """What happened from one moment to another: events accepted, attempts by outcome and by kind of error, deliveries by the
    state that they came to, and durations. `pending` and `oldest_at` are as they were at its end."""

    since: Millis
    until: Millis
    events: int
    attempts_delivered: int
    attempts_retry: int
    attempts_rejected: int
    delivered: int
    died: int
    cancelled: int
    errors: Mapping[ErrorKind, int]
    attempt_ms: Percentiles
    delivered_ms: Percentiles
    pending: int
    oldest_at: Millis | None
