"""The timeline of jobs as numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.ui.timeline import CAP, ENDS, LEFT, RIGHT, ROW, TOP, Sent, Span, Timeline, Track, timeline

NOW = 1_800_000_000_000


def track(*spans: tuple[str, int], sent: tuple[tuple[int, str], ...] = (), **fields: object) -> Track:
    """Times in seconds before now."""
    given: dict[str, object] = {"name": "job", "href": "/j", "depth": 0, "is_current": True, "more": "/more"}
    return Track(
        spans=tuple(Span(state=state, since=NOW - ago * 1000) for state, ago in spans),
        sent=tuple(
            Sent(at=NOW - ago * 1000, state=state, href=f"/d{n}", words=f"w{n} {state}")
            for n, (ago, state) in enumerate(sent)
        ),
        **given | fields,  # type: ignore[arg-type]
    )


def test_a_bar_for_each_state_from_its_begin_to_the_next() -> None:
    chart = timeline([track(("pending", 100), ("running", 80), ("succeeded", 20))], NOW)
    (row,) = chart.rows
    pending, running, end = row.bars
    assert (pending.x, running.x, end.x) == (LEFT, LEFT + (RIGHT - LEFT) / 4, RIGHT)
    assert pending.x + pending.width == running.x
    assert running.x + running.width == end.x
    assert (end.width, end.word, end.is_beside, end.grows) == (CAP, "succeeded", True, False)
    assert [bar.kind for bar in row.bars] == ["idle", "warn", "good"]
    assert (chart.is_running, row.y, chart.height) == (False, TOP, TOP + ROW + 16)


def test_what_runs_grows_up_to_now_and_has_room() -> None:
    chart = timeline([track(("running", 100)), track(("failed", 50), depth=1)], NOW)
    bar = chart.rows[0].bars[0]
    assert chart.is_running
    assert (bar.grows, bar.x) == (True, LEFT)
    assert RIGHT - 100 < bar.x + bar.width < RIGHT
    assert chart.rows[1].indent > chart.rows[0].indent
    assert chart.end > NOW


def test_deliveries_at_the_same_place_are_one_mark() -> None:
    sent = ((90, "delivered"), (90, "dead"), (10, "delivered"))
    (row,) = timeline([track(("running", 100), sent=sent)], NOW).rows
    early, late = row.marks
    assert (early.words, early.kind, early.href, early.is_late) == ("w0 delivered, w1 dead", "dead", "/more", False)
    assert (late.words, late.kind, late.href, late.is_late) == ("w2 delivered", "delivered", "/d2", True)
    (row,) = timeline([track(("running", 100), sent=((50, "pending"),) * 20)], NOW).rows
    assert row.marks[0].words.endswith("w5 pending and 14 more")


def test_a_job_that_ended_as_it_began() -> None:
    chart = timeline([track(("stopped", 0))], NOW)
    assert chart.rows[0].bars[0].x == LEFT
    assert timeline([], NOW).rows == ()


states = st.sampled_from(["pending", "running", "waiting", "succeeded", "failed", "stopping", "anything"])
tracks = st.lists(
    st.builds(
        lambda spans, sent: track(*spans, sent=tuple(sent)),
        st.lists(st.tuples(states, st.integers(-1000, 10**7)), min_size=1, max_size=30),
        st.lists(st.tuples(st.integers(-1000, 10**7), st.sampled_from(["delivered", "dead", "pending"])), max_size=30),
    ),
    max_size=4,
)


@given(tracks)
def test_everything_is_within_the_drawing(given_tracks: list[Track]) -> None:
    chart: Timeline = timeline(given_tracks, NOW)
    for row, given_track in zip(chart.rows, given_tracks, strict=True):
        assert all(LEFT <= bar.x <= RIGHT and bar.width >= 1 and bar.x + bar.width <= RIGHT + CAP for bar in row.bars)
        assert all(LEFT <= mark.x <= RIGHT for mark in row.marks)
        assert sum(mark.words.count("w") for mark in row.marks) <= len(given_track.sent)
        last = given_track.spans[-1]
        assert row.bars[-1].word == last.state
        assert row.bars[-1].grows is (last.state not in ENDS)
    assert chart.is_running is any(given_track.spans[-1].state not in ENDS for given_track in given_tracks)


def test_a_long_history_is_not_drawn_finer_than_a_pixel() -> None:
    spans = [("running" if n % 2 else "waiting", 10_000 - n) for n in range(9000)]
    (row,) = timeline([track(*spans)], NOW).rows
    assert len(row.bars) <= RIGHT - LEFT + 1


def test_the_scale_tells_its_times_apart() -> None:
    """Milliseconds where it is a few seconds long, seconds on a day, the date beyond."""
    assert [label for _, label in timeline([track(("running", 1), ("failed", 0))], NOW).hours][:2] == [
        "07:59:59.000",
        "07:59:59.200",
    ]
    assert timeline([track(("running", 60), ("failed", 0))], NOW).hours[0][1] == "07:59:00"
    assert timeline([track(("running", 2 * 86_400), ("failed", 0))], NOW).hours[0][1] == "01-13 08:00"
