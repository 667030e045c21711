"""Charts: the shapes say the numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.ui.drawing import bands, cells, sparkline, stacked, strip, timing

COUNTS = st.dictionaries(st.sampled_from(["good", "bad"]), st.integers(0, 1000))


def test_a_line_from_nothing_to_the_greatest() -> None:
    line = sparkline([0, 5, 10], width=100, height=20)
    assert line.paths == ("M0.0 19.0L50.0 10.0L100.0 1.0",)
    assert line.area == "M0 20L0.0 19.0L50.0 10.0L100.0 1.0L100 20Z"


def test_a_line_has_gaps_where_there_is_nothing() -> None:
    line = sparkline([1, None, 1, 1, None], width=40, height=20)
    assert line.paths == ("M0.0 1.0h4", "M20.0 1.0L30.0 1.0")
    assert line.area == ""
    assert sparkline([None, None]).paths == ()
    assert sparkline([]).paths == ()


@given(st.lists(st.tuples(st.text(), COUNTS), max_size=20))
def test_stacked_bars_are_as_tall_as_their_numbers(columns: list[tuple[str, dict[str, int]]]) -> None:
    chart = stacked(columns, ("good", "bad"), width=100, height=101)
    top = max((sum(values.values()) for _, values in columns), default=0)
    assert chart.top == top
    assert len(chart.bars) == sum(1 for _, values in columns for count in values.values() if count)
    for kind in ("good", "bad"):
        tall = sum(bar.height for bar in chart.bars if bar.kind == kind)
        wanted = sum(values.get(kind, 0) for _, values in columns) / (top or 1) * 100
        assert abs(tall - wanted) <= 0.06 * max(len(columns), 1)
    assert all(-0.1 <= bar.y <= 101 and bar.y + bar.height <= 101.2 for bar in chart.bars)


def test_a_strip_and_a_timing_bar() -> None:
    chart = strip([("delivered", "a"), ("none", "b")], cell=6)
    assert [(bar.x, bar.kind, bar.title) for bar in chart.bars] == [(0, "delivered", "a"), (6, "none", "b")]
    assert chart.width == 12
    bar = timing([("dns", 1.0), ("connect", None), ("wait", 3.0)], width=400)
    assert [(one.kind, one.x, one.width) for one in bar.bars] == [("dns", 0, 99), ("wait", 100, 299)]
    assert bar.bars[1].title == "wait: 3 ms"


def test_bands_share_a_scale_and_show_single_values() -> None:
    chart = bands([("p99", [10, 5, None]), ("p50", [None, None, 5])], width=100, height=12)
    assert chart.top == 10
    assert dict(chart.lines) == {"p99": "M0.0 1.0H3.0L50.0 6.0", "p50": "M97.0 6.0H100.0"}
    assert bands([("p50", [])]).lines == (("p50", ""),)


def test_cells_are_one_shape_for_each_kind() -> None:
    chart = cells(["good", "bad", "good", "none"], cell=5, height=16)
    assert dict(chart.lines) == {
        "good": "M0 6h4v10h-4zM10 6h4v10h-4z",
        "bad": "M5 0h4v16h-4z",
        "none": "M15 14h4v2h-4z",
    }
    assert (chart.width, chart.height) == (20, 16)
