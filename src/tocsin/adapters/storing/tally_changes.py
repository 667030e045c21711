"""What a part of a transaction changes of the tallies, gathered by endpoint before it is written in one go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, cast

from tocsin.adapters.storing.values import Row
from tocsin.model.attempt import Attempt, Settlement
from tocsin.model.delivery import TRANSITIONS, DeliveryState
from tocsin.model.ids import Millis
from tocsin.model.tally import ERROR_KINDS, Tally
from tocsin.rules import histograms

BLOCK_BITS: Final = 11
"""A block is 2048 delivery numbers."""
FIELDS: Final = Tally.__struct_fields__[:-1]
"""In the order of the columns; the last three are packed."""
(
    PENDING, DEAD, EVENTS, ATTEMPTS, RETRY, REJECTED, DELIVERED, DIED, CANCELLED, ERRORS, ATTEMPT_MS, DELIVERED_MS,
) = range(len(FIELDS))  # fmt: skip
PACKED: Final = ERRORS
"""The place of the first packed field."""
_OUTCOME: Final = {"delivered": ATTEMPTS, "retry": RETRY, "rejected": REJECTED}
_ERROR: Final = {kind: histograms.one_of(index) for index, kind in enumerate(ERROR_KINDS)}


class Change:
    """What changes for one endpoint: the counts, pending deliveries by block, and durations that are not in the counts yet."""

    __slots__ = ("attempt_ms", "blocks", "counts", "delivered_ms")

    def __init__(self) -> None:
        self.counts = [0] * len(FIELDS)
        self.blocks: dict[int, int] = {}
        self.attempt_ms: list[float] = []
        self.delivered_ms: list[float] = []

    def attempted(self, attempt: Attempt) -> None:
        self.counts[_OUTCOME[attempt.outcome]] += 1
        self.attempt_ms.append(attempt.timings.total)
        if attempt.error is not None:
            self.counts[ERRORS] += _ERROR[attempt.error.kind]

    def finished(self) -> list[int]:
        """The counts, with the durations."""
        self.counts[ATTEMPT_MS] += histograms.of(self.attempt_ms)
        self.counts[DELIVERED_MS] += histograms.of(self.delivered_ms)
        self.attempt_ms, self.delivered_ms = [], []
        return self.counts


class Changes:
    """By endpoint, and the progress of replays by their numbers: pending, done, failed."""

    __slots__ = ("by_endpoint", "replays")

    def __init__(self) -> None:
        self.by_endpoint: dict[int, Change] = {}
        self.replays: dict[int, list[int]] = {}

    def of(self, endpoint: int) -> Change:
        found = self.by_endpoint.get(endpoint)
        if found is None:
            found = self.by_endpoint[endpoint] = Change()
        return found

    def moved(self, endpoint: int, lane: int, number: int, before: DeliveryState, after: DeliveryState | None) -> None:
        """A delivery went from one state to another; None: its row was removed."""
        change = self.of(endpoint)
        counts = change.counts
        if before is DeliveryState.PENDING:
            counts[PENDING] -= 1
            block = number >> BLOCK_BITS
            change.blocks[block] = change.blocks.get(block, 0) - 1
        elif before is DeliveryState.DEAD:
            counts[DEAD] -= 1
            if after is not None:
                counts[DIED] -= 1
        elif before is DeliveryState.CANCELLED and after is not None:
            counts[CANCELLED] -= 1
        if after is DeliveryState.DELIVERED:
            counts[DELIVERED] += 1
        elif after is DeliveryState.DEAD:
            counts[DEAD] += 1
            counts[DIED] += 1
        elif after is DeliveryState.CANCELLED:
            counts[CANCELLED] += 1
        if lane and (after is not None or before is DeliveryState.PENDING):
            moves = self.replays.setdefault(lane, [0, 0, 0])
            moves[_place_in_replay(before)] -= 1
            if after is not None:
                moves[_place_in_replay(after)] += 1

    def settled(self, settlements: Iterable[Settlement]) -> None:
        """Attempts were made for deliveries that were pending."""
        by_endpoint = self.by_endpoint
        for one in settlements:
            change = by_endpoint.get(one.endpoint) or self.of(one.endpoint)
            attempt = one.attempt
            change.attempted(attempt)
            if attempt.outcome == "delivered" and one.accepted_at is not None:
                change.delivered_ms.append(one.settled_at - one.accepted_at)
            if one.ends:
                after = TRANSITIONS[DeliveryState.PENDING, one.step_taken]
                self.moved(one.endpoint, one.lane, one.delivery, DeliveryState.PENDING, after)

    def attempted(self, endpoint: int, attempt: Attempt, waited_ms: Sequence[Millis] = ()) -> None:
        """An attempt was made: for a batch, or for a delivery that was not pending. `waited_ms` is how long it was from accept, for
        each delivery that was delivered by it."""
        change = self.of(endpoint)
        change.attempted(attempt)
        change.delivered_ms.extend(waited_ms)


def moves_of(rows: Iterable[Row], before: DeliveryState, after: DeliveryState | None) -> Changes:
    """What it changes that deliveries went from one state to another (None: their rows were removed); each row is number,
    endpoint and lane."""
    changes = Changes()
    for number, endpoint, lane in cast("Iterable[tuple[int, int, int]]", rows):
        changes.moved(endpoint, lane, number, before, after)
    return changes


def by_block(first: int, endpoints: Sequence[int]) -> dict[tuple[int, int], int]:
    """How many new deliveries each endpoint has in each block: these are the endpoints of deliveries with rising numbers from
    `first` on."""
    found: dict[tuple[int, int], int] = {}
    at = 0
    while at < len(endpoints):
        block = (first + at) >> BLOCK_BITS
        end = ((block + 1) << BLOCK_BITS) - first
        found.update({(endpoint, block): count for endpoint, count in Counter(endpoints[at:end]).items()})
        at = end
    return found


def _place_in_replay(state: DeliveryState) -> int:
    return 0 if state is DeliveryState.PENDING else 1 if state is DeliveryState.DELIVERED else 2


def packed_bytes(packed: int) -> bytes:
    """A packed number as it is stored."""
    return packed.to_bytes((packed.bit_length() + 7) // 8, "little")
