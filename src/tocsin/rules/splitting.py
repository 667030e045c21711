"""What the exchange of a batch means for its members: retried together, or split in two until the bad one stands alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tocsin.model.batch import Batch, BatchSettlement, BatchState, Part
from tocsin.model.delivery import Step
from tocsin.model.endpoint import Retry
from tocsin.model.ids import BatchId
from tocsin.rules.outcome import EXHAUSTED, Settled

SPLITTING: Final = frozenset({400, 413, 422})
"""Statuses that speak of what was sent rather than of the receiver: half as much may pass, or the half that is at fault."""

Member = tuple[int, tuple[str, ...]]
"""A delivery's number, and its order keys: none where its endpoint has no order."""


def batch_settlement_of(
    batch: Batch, settled: Settled, retry: Retry, members: Sequence[Member], mint: Callable[[], BatchId]
) -> BatchSettlement:
    """`settled` is the judgement over the batch as if it were a single delivery; `members` are in order.

    A batch whose schedule is used up is split as well, and each half is tried once more: one event at fault does not take its
    neighbours with it. What the endpoint cannot read at all (415) and what is too old is given up on as a whole.
    """
    settlement = settled.settlement
    response = settlement.attempt.response
    state: BatchState = "pending"
    parts: tuple[Part, ...] = ()
    step = settlement.schedule_step
    if settlement.step_taken is Step.SUCCEED:
        state = "delivered"
    elif len(members) > 1 and response is not None and response.status in SPLITTING:
        state, step, parts = "split", batch.step, halves(members, mint)
    elif settlement.step_taken is Step.GIVE_UP:
        state = "dead"
        if len(members) > 1 and (settlement.reason or "").startswith(EXHAUSTED):
            state, step, parts = "split", len(retry.schedule_seconds), halves(members, mint)
    return BatchSettlement(
        batch=batch,
        state=state,
        reason=settlement.reason if state == "dead" else None,
        due_at=settlement.settled_at if parts else settlement.due_at,
        schedule_step=step,
        at_once=settlement.at_once,
        attempt=settlement.attempt,
        settled_at=settlement.settled_at,
        parts=parts,
    )


def halves(members: Sequence[Member], mint: Callable[[], BatchId]) -> tuple[Part, ...]:
    """Two parts that share no order key, so that neither waits for the other; or, when all members hang together, the earlier
    half and the later one, which waits."""
    middle = (len(members) + 1) // 2
    groups = _tied(members)
    if len(groups) == 1:
        numbers = [number for number, _ in members]
        return (
            Part(id=mint(), members=tuple(numbers[:middle])),
            Part(id=mint(), members=tuple(numbers[middle:]), waits=True),
        )
    first: list[int] = []
    second: list[int] = []
    for group in groups:
        (first if not first or len(first) + len(group) <= middle else second).extend(group)
    return (Part(id=mint(), members=tuple(sorted(first))), Part(id=mint(), members=tuple(sorted(second))))


def _tied(members: Sequence[Member]) -> list[list[int]]:
    """The members in groups: those that share a key, directly or through others, are in one."""
    groups: dict[int, list[int]] = {}
    holds: dict[str, int] = {}
    keys_of: dict[int, set[str]] = {}
    for number, keys in members:
        tied = sorted({holds[key] for key in keys if key in holds})
        into = tied[0] if tied else number
        groups.setdefault(into, []).append(number)
        news = set(keys)
        for other in tied[1:]:
            groups[into].extend(groups.pop(other))
            news |= keys_of.pop(other)
        keys_of.setdefault(into, set()).update(news)
        holds.update(dict.fromkeys(news, into))
    return list(groups.values())
