"""The history of a record as numbers for SVG: its line with a dot for each version, and the lines of records that it merged with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from tocsin.model.noun import Noun

WIDTH: Final = 1160
LEFT: Final = 24
STEP: Final = 80
"""Between two versions, at most; less where there are many."""
TIERS: Final = 4
"""The names of other records stand on so many heights, so that neighbours do not cover one another."""
TIER: Final = 20
REACH: Final = 44
"""How far to the side another record's line begins or ends."""
LONGEST: Final = 26
LETTER: Final = 6.5
"""How wide a letter of a name is, about."""
NAME_ROOM: Final = 180
"""What such a name takes, behind the newest version."""
VERBS: Final = frozenset({"created", "deleted", "updated"})

Way = Literal["joins", "leaves", "ends in", "comes from"]
"""Another record joins this one in a merge, leaves it in an unmerge; this one ends in the other, or comes from it."""


class Meeting(Noun, frozen=True, kw_only=True):
    """Another record that a version has to do with; `way` says how, seen from this record."""

    name: str
    href: str
    way: Way


class Point(Noun, frozen=True, kw_only=True):
    """A version: what happened to this record, its address on the page, and its words on hover."""

    label: str
    verb: str
    href: str
    title: str
    meetings: tuple[Meeting, ...] = ()


class Dot(Noun, frozen=True, kw_only=True):
    """A version on the line."""

    x: float
    kind: str
    label: str
    href: str
    title: str


class Branch(Noun, frozen=True, kw_only=True):
    """The line of another record, as a path, with its name at its far end."""

    path: str
    x: float
    y: float
    is_before: bool
    name: str
    full_name: str
    href: str
    words: str


class Graph(Noun, frozen=True, kw_only=True):
    """The drawing. `line` is the record's own, with a gap where it was gone; `base` is how far down it runs."""

    dots: tuple[Dot, ...]
    branches: tuple[Branch, ...]
    line: str
    base: int
    width: int
    height: int


def graph(points: Sequence[Point], *, has_older: bool, name: str) -> Graph:
    """Versions from the oldest at the left to the newest at the right. `has_older`: the line comes from further back."""
    tiers = min(sum(len(point.meetings) for point in points), TIERS)
    base = tiers * TIER + 24
    begin = LEFT + REACH
    step = min(STEP, (WIDTH - begin - REACH - NAME_ROOM) / max(len(points) - 1, 1))
    dots: list[Dot] = []
    branches: list[Branch] = []
    for index, point in enumerate(points):
        x = round(begin + index * step, 1)
        kind = point.verb if point.verb in VERBS else "updated"
        label = point.label if step >= STEP / 2 or index % 2 == 0 else ""
        dots.append(Dot(x=x, kind=kind, label=label, href=point.href, title=point.title))
        for meeting in point.meetings:
            branches.append(_branch(meeting, x, (tiers - 1 - len(branches) % tiers, base), name))
    if not dots:
        return Graph(dots=(), branches=(), line="", base=base, width=WIDTH, height=base)
    places = [LEFT if has_older else dots[0].x, *(dot.x for dot in dots), min(dots[-1].x + REACH, WIDTH - 4)]
    lasting = [has_older, *(dot.kind != "deleted" for dot in dots)]
    line = "".join(
        f"M{begin} {base}H{end}" for begin, end, lasts in zip(places, places[1:], lasting, strict=False) if lasts
    )
    return Graph(dots=tuple(dots), branches=tuple(branches), line=line, base=base, width=WIDTH, height=base + 32)


def _branch(meeting: Meeting, x: float, place: tuple[int, int], name: str) -> Branch:
    """At a version's x; `place` is the height on which the other record's name stands, and how far down this one's line is."""
    tier, base = place
    is_before = meeting.way in {"joins", "comes from"}
    far = x - REACH if is_before else x + REACH
    y = TIER * (tier + 1)
    shown = meeting.name if len(meeting.name) <= LONGEST else meeting.name[: LONGEST - 1] + "…"
    long = len(shown) * LETTER
    end = max(far, long + LETTER) if is_before else far
    begin = end - long if is_before else far + long
    words = {
        "joins": f"{meeting.name} was merged into {name}",
        "leaves": f"{meeting.name} was separated from {name}",
        "ends in": f"{name} was merged into {meeting.name}",
        "comes from": f"{name} was separated from {meeting.name}",
    }
    return Branch(
        path=f"M{begin:g} {y}H{far}C{x} {y} {far} {base} {x} {base}",
        x=end,
        y=y,
        is_before=is_before,
        name=shown,
        full_name=meeting.name,
        href=meeting.href,
        words=words[meeting.way],
    )
