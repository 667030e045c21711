"""Charts as numbers for SVG: pure functions from values to the shapes that the templates draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tocsin.model.noun import Noun

_TALL: Final = {"none": 0.125, "good": 0.625, "warn": 0.8}


class Sparkline(Noun, frozen=True, kw_only=True):
    """A line through `points`, as SVG takes them; gaps where there is no value. The box is `width` by `height`."""

    paths: tuple[str, ...]
    area: str
    width: int
    height: int


class Bar(Noun, frozen=True, kw_only=True):
    """A rectangle with a class for its colour, and what it says on hover."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str = ""


class Bars(Noun, frozen=True, kw_only=True):
    """Rectangles in a box of `width` by `height`; `top` is the value at its upper edge."""

    bars: tuple[Bar, ...]
    width: int
    height: int
    top: float = 0


class Bands(Noun, frozen=True, kw_only=True):
    """Lines or shapes in one box, as (kind, path); `top` is the value at the upper edge, where there is a scale."""

    lines: tuple[tuple[str, str], ...]
    width: int
    height: int
    top: float


def sparkline(values: Sequence[float | None], width: int = 120, height: int = 24) -> Sparkline:
    """One point for each value, from 0 at the bottom to the greatest at the top; None leaves a gap."""
    top = max((value for value in values if value is not None), default=0) or 1
    step = width / max(len(values) - 1, 1)
    runs: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{index * step:.1f} {height - 1 - value / top * (height - 2):.1f}")
    drawn = [run for run in runs if run]
    whole = len(drawn) == 1 and len(drawn[0]) == len(values) > 1
    return Sparkline(
        paths=tuple("M" + ("L".join(run) if len(run) > 1 else _dash(run[0], width)) for run in drawn),
        area=f"M0 {height}L{'L'.join(drawn[0])}L{width} {height}Z" if whole else "",
        width=width,
        height=height,
    )


def _dash(point: str, width: int) -> str:
    """A value without neighbours, wide enough to be seen."""
    x, y = point.split()
    left = min(max(float(x) - 2, 0), width - 4)
    return f"{left:.1f} {y}h4"


def bands(series: Sequence[tuple[str, Sequence[float | None]]], width: int = 720, height: int = 120) -> Bands:
    """A line for each series, from 0 at the bottom; None leaves a gap, and a value between gaps is a dot."""
    top = max((value for _, values in series for value in values if value is not None), default=0)
    lines: list[tuple[str, str]] = []
    for kind, values in series:
        step, path, is_down = width / max(len(values) - 1, 1), "", False
        for index, value in enumerate(values):
            if value is not None:
                x, y = index * step, height - 1 - value / (top or 1) * (height - 2)
                path += f"L{x:.1f} {y:.1f}" if is_down else f"M{max(x - 3, 0):.1f} {y:.1f}H{max(x, 3):.1f}"
            is_down = value is not None
        lines.append((kind, path))
    return Bands(lines=tuple(lines), width=width, height=height, top=top)


def stacked(
    columns: Sequence[tuple[str, Mapping[str, float]]], kinds: Sequence[str], width: int = 720, height: int = 120
) -> Bars:
    """A bar for each column (its title, and its values by kind), the kinds on top of one another in their order."""
    top = max((sum(max(values.get(kind, 0), 0) for kind in kinds) for _, values in columns), default=0)
    step = width / max(len(columns), 1)
    bars = []
    for index, (title, values) in enumerate(columns):
        floor = float(height)
        for kind in kinds:
            tall = max(values.get(kind, 0), 0) / (top or 1) * (height - 1)
            if tall > 0:
                floor -= tall
                bars.append(_bar(index * step, floor, max(step - 1, 0.5), tall, kind, title))
    return Bars(bars=tuple(bars), width=width, height=height, top=top)


def strip(cells: Sequence[tuple[str, str]], cell: int = 6, height: int = 16) -> Bars:
    """Cells side by side: of each its kind (a state, or `none`) and its title."""
    bars = tuple(_bar(i * cell, 0, cell - 1, height, kind, title) for i, (kind, title) in enumerate(cells))
    return Bars(bars=bars, width=cell * len(cells), height=height)


def cells(kinds: Sequence[str], cell: int = 5, height: int = 16) -> Bands:
    """Cells side by side as one shape for each kind: much lighter than `strip` where a page has many, and without titles. The worse, the
    taller, so that it is seen without colours."""
    shapes: dict[str, list[str]] = {}
    for index, kind in enumerate(kinds):
        tall = round(height * _TALL.get(kind, 1))
        shapes.setdefault(kind, []).append(f"M{index * cell} {height - tall}h{cell - 1}v{tall}h-{cell - 1}z")
    lines = tuple((kind, "".join(parts)) for kind, parts in shapes.items())
    return Bands(lines=lines, width=cell * len(kinds), height=height, top=0)


def timing(phases: Sequence[tuple[str, float | None]], width: int = 480, height: int = 12) -> Bars:
    """How long each phase took, one after the other; phases that did not happen are left out."""
    given = [(kind, value) for kind, value in phases if value]
    whole = sum(value for _, value in given) or 1
    bars, at = [], 0.0
    for kind, value in given:
        wide = value / whole * width
        bars.append(_bar(at, 0, max(wide - 1, 0.5), height, kind, f"{kind}: {value:g} ms"))
        at += wide
    return Bars(bars=tuple(bars), width=width, height=height, top=whole)


def _bar(x: float, y: float, width: float, height: float, kind: str, title: str) -> Bar:
    return Bar(x=round(x, 1), y=round(y, 1), width=round(width, 1), height=round(height, 1), kind=kind, title=title)
