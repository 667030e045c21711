"""The timeline of jobs as numbers for SVG: one row for each job, a bar for each state, marks where deliveries were sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.ui.navigation import look_of
from tocsin.ui.texts import clock, utc

WIDTH: Final = 1160
LEFT: Final = 240
"""Where time begins; the names of jobs stand before it."""
RIGHT: Final = WIDTH - 90
"""Where time ends; the word of the last state may stand behind it."""
ROW: Final = 32
TOP: Final = 24
CAP: Final = 6
"""How wide an end is drawn, which takes no time."""
LETTER: Final = 7
"""How wide a letter is, about."""
TOGETHER: Final = 6
"""Marks that are nearer than this are one."""
SHOWN_NAMES: Final = 6
ENDS: Final = frozenset({"succeeded", "failed", "stopped"})
_DAY_MS: Final = 86_400_000
_FEW_SECONDS_MS: Final = 10_000
_WORST: Final = {"dead": 0, "pending": 1, "cancelled": 2, "delivered": 3}


class Span(Noun, frozen=True, kw_only=True):
    """A state of a job and when it was entered."""

    state: str
    since: Millis


class Sent(Noun, frozen=True, kw_only=True):
    """A delivery: when it was made, its state, where it is shown, and in words."""

    at: Millis
    state: str
    href: str
    words: str


class Track(Noun, frozen=True, kw_only=True):
    """A job as it goes into the timeline: its states, oldest first, and what it sent. `more` is where all its deliveries are."""

    name: str
    href: str
    depth: int
    is_current: bool
    spans: tuple[Span, ...]
    sent: tuple[Sent, ...]
    more: str


class Bar(Noun, frozen=True, kw_only=True):
    """A state. `word` stands in the bar, or behind it (`is_beside`), or nowhere if there is no room; `grows` while it lasts."""

    x: float
    width: float
    kind: str
    word: str
    title: str
    is_beside: bool = False
    grows: bool = False


class Mark(Noun, frozen=True, kw_only=True):
    """One or several deliveries. `is_late` says on which side of it the words have room."""

    x: float
    kind: str
    href: str
    words: str
    is_late: bool


class Row(Noun, frozen=True, kw_only=True):
    """One job. `y` is its upper edge, `indent` how far its name is moved to the right."""

    y: int
    name: str
    full_name: str
    href: str
    indent: int
    is_current: bool
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]


class Timeline(Noun, frozen=True, kw_only=True):
    """The drawing. Times run from `begin` at `left` to `end` at `right`; `hours` are the labels on top, by their x."""

    rows: tuple[Row, ...]
    hours: tuple[tuple[float, str], ...]
    begin: Millis
    end: Millis
    left: int
    right: int
    width: int
    height: int
    is_running: bool


def timeline(tracks: Sequence[Track], now: Millis) -> Timeline:
    """All tracks on one scale of time. What still runs goes up to now, with some room to grow."""
    is_running = any(track.spans and track.spans[-1].state not in ENDS for track in tracks)
    times = [span.since for track in tracks for span in track.spans]
    times += [sent.at for track in tracks for sent in track.sent]
    begin = min(times, default=now)
    end = max([*times, now] if is_running else times, default=now)
    room = max((end - begin) // 20, 1000)
    scale = _Scale(begin=begin, end=end + (room if is_running else 0) + (end == begin))
    return Timeline(
        rows=tuple(_row(track, place, scale, now) for place, track in enumerate(tracks)),
        hours=tuple(_hours(scale)),
        begin=scale.begin,
        end=scale.end,
        left=LEFT,
        right=RIGHT,
        width=WIDTH,
        height=TOP + ROW * len(tracks) + 16,
        is_running=is_running,
    )


class _Scale(Noun, frozen=True, kw_only=True):
    begin: Millis
    end: Millis

    def x(self, at: Millis) -> float:
        """Where a time is."""
        share = (min(max(at, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return round(LEFT + share * (RIGHT - LEFT), 1)


def _hours(scale: _Scale, count: int = 5) -> list[tuple[float, str]]:
    span = scale.end - scale.begin
    times = [scale.begin + span * index // count for index in range(count + 1)]
    if span > _DAY_MS:
        return [(scale.x(at), utc(at)[5:16]) for at in times]
    return [(scale.x(at), utc(at)[11:23] if span < _FEW_SECONDS_MS else clock(at)) for at in times]


def _row(track: Track, place: int, scale: _Scale, now: Millis) -> Row:
    indent = 4 + min(track.depth, 10) * 12
    room = (LEFT - indent - 12) // LETTER
    return Row(
        y=TOP + place * ROW,
        name=track.name if len(track.name) <= room else track.name[: room - 1] + "…",
        full_name=track.name,
        href=track.href,
        indent=indent,
        is_current=track.is_current,
        bars=tuple(_bars(track, scale, now)),
        marks=tuple(_marks(track, scale)),
    )


def _bars(track: Track, scale: _Scale, now: Millis) -> list[Bar]:
    """What is narrower than a pixel, and begins where the bar before it ends, is left to the table."""
    bars: list[Bar] = []
    drawn_to = -1.0
    last = len(track.spans) - 1
    for index, span in enumerate(track.spans):
        is_last = index == last
        is_end = is_last and span.state in ENDS
        until = now if is_last else track.spans[index + 1].since
        x = scale.x(span.since)
        width = float(CAP) if is_end else max(round(scale.x(until) - x, 1), 1)
        if not is_last and width <= 1 and x < drawn_to + 1:
            continue
        drawn_to = x + width
        has_room = width > len(span.state) * LETTER + 8
        bars.append(
            Bar(
                x=x,
                width=width,
                kind=look_of(span.state).kind,
                word=span.state if has_room or is_last else "",
                title=f"{span.state} since {utc(span.since)}",
                is_beside=is_last and not has_room,
                grows=is_last and not is_end,
            )
        )
    return bars


def _marks(track: Track, scale: _Scale) -> list[Mark]:
    groups: list[list[Sent]] = []
    begin = 0.0
    for sent in sorted(track.sent, key=lambda sent: sent.at):
        x = scale.x(sent.at)
        if groups and x - begin < TOGETHER:
            groups[-1].append(sent)
        else:
            groups.append([sent])
            begin = x
    return [_mark(group, track.more, scale) for group in groups]


def _mark(group: list[Sent], more: str, scale: _Scale) -> Mark:
    x = scale.x(group[0].at)
    words = ", ".join(sent.words for sent in group[:SHOWN_NAMES])
    if len(group) > SHOWN_NAMES:
        words += f" and {len(group) - SHOWN_NAMES} more"
    return Mark(
        x=x,
        kind=min((sent.state for sent in group), key=lambda state: _WORST.get(state, 0)),
        href=group[0].href if len(group) == 1 else more,
        words=words,
        is_late=x > (LEFT + RIGHT) / 2,
    )
