"""The history of a record as numbers."""

from __future__ import annotations

from tocsin.ui.record_graph import LEFT, WIDTH, Meeting, Point, Way, graph


def point(label: int, verb: str = "updated", *meetings: tuple[str, Way]) -> Point:
    met = tuple(Meeting(name=name, href=f"/{name}", way=way) for name, way in meetings)
    return Point(label=str(label), verb=verb, href=f"#v{label}", title=f"Version {label}", meetings=met)


def test_two_lines_become_one_and_part_again() -> None:
    chart = graph([point(1, "created"), point(2, "updated", ("r2", "joins")), point(3, "updated", ("r2", "leaves"))],
                  has_older=False, name="r1")  # fmt: skip
    joins, leaves = chart.branches
    assert (joins.is_before, joins.x < chart.dots[1].x, joins.words) == (True, True, "r2 was merged into r1")
    assert (leaves.is_before, leaves.x > chart.dots[2].x, leaves.words) == (False, True, "r2 was separated from r1")
    for branch, dot in zip(chart.branches, chart.dots[1:], strict=True):
        assert branch.path.endswith(f"{dot.x} {chart.base}")
    assert [dot.kind for dot in chart.dots] == ["created", "updated", "updated"]
    assert joins.y != leaves.y


def test_where_the_record_was_gone_there_is_no_line() -> None:
    points = [point(1, "created"), point(2, "deleted", ("r1", "ends in")), point(3, "created", ("r1", "comes from"))]
    chart = graph(points, has_older=False, name="r2")
    one, two, three = (dot.x for dot in chart.dots)
    assert chart.line == f"M{one} {chart.base}H{two}M{three} {chart.base}H{three + 44}"
    assert [branch.words for branch in chart.branches] == ["r2 was merged into r1", "r2 was separated from r1"]


def test_a_name_at_the_left_edge_is_whole() -> None:
    chart = graph([point(1, "created", ("customers/record-17", "comes from"))], has_older=False, name="r2")
    (branch,) = chart.branches
    assert branch.x > len("customers/record-17") * 6
    assert float(branch.path[1:].split()[0]) > 0


def test_the_line_comes_from_further_back() -> None:
    assert graph([point(9)], has_older=True, name="r").line.startswith(f"M{LEFT} ")
    assert graph([], has_older=False, name="r").dots == ()


def test_many_versions_stay_within_the_drawing() -> None:
    chart = graph([point(n, "updated", (f"r{n}" * 20, "leaves")) for n in range(100)], has_older=True, name="r")
    assert all(0 < dot.x < WIDTH for dot in chart.dots)
    assert len({dot.x for dot in chart.dots}) == 100
    assert all(len(branch.name) < 30 for branch in chart.branches)
