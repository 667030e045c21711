"""Charts as numbers for SVG: pure functions from values to the shapes that the templates draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tocsin.model.noun import Noun


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
        paths=tuple("M" + "L".join(run if len(run) > 1 else run * 2) for run in drawn),
        area=f"M0 {height}L{'L'.join(drawn[0])}L{width} {height}Z" if whole else "",
        width=width,
        height=height,
    )


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
