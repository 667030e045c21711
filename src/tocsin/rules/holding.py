"""Who may be fenced, and how many partitions are a fair share: decided from what a process saw of the others. Times in ms of a clock
that goes on while the machine sleeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tocsin.model.noun import Noun


class Seen(Noun, frozen=True, kw_only=True):
    """How often another process had beaten when it was looked at, and since when that is so, at the latest."""

    beats: int
    since: int


class Observed(Noun, frozen=True, kw_only=True):
    """What was seen of the others, by epoch, up to the last successful beat of one's own, which was `at`."""

    at: int
    seen: Mapping[int, Seen]


def observed(before: Observed | None, beats: Mapping[int, int], at: int, lease: int) -> Observed:
    """After a successful beat that was over `at`, and showed how often each of the others had beaten. Everything begins anew when
    one's own last beat is too long ago: then the store may have been away for all of them."""
    known = {} if before is None or at - before.at > longest_gap(lease) else before.seen
    return Observed(
        at=at,
        seen={
            epoch: last
            if (last := known.get(epoch)) is not None and last.beats == count
            else Seen(beats=count, since=at)
            for epoch, count in beats.items()
        },
    )


def longest_gap(lease: int) -> int:
    """Between two beats of one's own; they are a third of a lease apart."""
    return 2 * lease // 3


def silent(what: Observed, lease: int) -> list[int]:
    """Those that have not beaten for a full lease: they may be fenced."""
    return [epoch for epoch, seen in what.seen.items() if what.at - seen.since >= lease]


def share(partitions: int, nodes: int) -> int:
    """How many of the partitions each of so many processes holds, at most."""
    return -(-partitions // max(1, nodes))


def too_much(held: Collection[int], fair: int) -> Sequence[int]:
    """What to give back: the highest ones, so that the first partition, with what runs once, moves least."""
    return sorted(held)[fair:]
