"""CEL in filters: what it sees, that nothing in it can fail loudly, and that its cost is bounded before it runs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.formats import sample_event
from tocsin.model.event import CloudContext, Event
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter
from tocsin.model.ids import EventId
from tocsin.rules.matching import matches
from tocsin.rules.where import MAX_DATA_BYTES, MAX_LENGTH, check_where, condition_of

ORDER = {"amount": 150.5, "lines": [{"n": 1}, {"n": 3}], "text": "abc", "empty": {}, "at": "2026-01-01T00:00:00Z"}


def order(data: bytes | None = None, **extensions: str | bool | int) -> EventView:
    cloud = CloudContext(id="c-1", source="/shop", extensions=extensions, datacontenttype="application/json")
    return EventView(
        Event(
            position=1,
            id=EventId("evt_1"),
            tenant="acme",
            type="order.created",
            subject_type="order",
            subject_id="o/7",
            verb="created",
            time=1,
            accepted_at=1,
            data=json.dumps(ORDER).encode() if data is None else data,
            cloud=cloud,
        )
    )


def sample(kind: str) -> EventView:
    event = sample_event(kind, tenant="acme", event_id=EventId("evt_1"), now=1_800_000_000_000)
    assert event is not None
    return EventView(event)


@pytest.mark.parametrize(
    "text",
    [
        "type == 'order.created'",
        "subject.startsWith('o/')",
        "data.amount > 100 && data.amount < 151.0",
        "data.lines.exists(line, line.n == 3)",
        "data.lines.filter(line, line.n > 1).size() == 1",
        "data.lines.all(a, a.n > 0) && data.lines.exists(b, b.n == 1)",
        "data['text'] in ['abc', 'def']",
        "data.text.matches('^a.c$')",
        "has(data.amount) && !has(data.missing)",
        "timestamp(data.at) < timestamp('2026-06-01T00:00:00Z')",
        "attributes.region == 'eu'",
        "attributes.source == '/shop' && attributes.id == 'c-1'",
        "attributes.subject_type == 'order' && attributes.verb == 'created'",
        "'data.lines.exists(a, data.lines.all(b, true))' != '' // exists(a, all(b, c))",
        "attributes.count == 5 && attributes.big",
    ],
)
def test_what_holds(text: str) -> None:
    assert condition_of(text)(order(region="eu", count=5, big=True))
    assert not condition_of(f"!({text.partition('//')[0]})")(order(region="eu", count=5, big=True))


@pytest.mark.parametrize(
    "text",
    [
        "data.missing == 1",
        "data.lines[9].n == 1",
        "data.text > 5",
        "1 / 0 == 1",
        "data.text",
        "null",
        "data.text.matches('(')",
        "int(data.text) == 1",
        "attributes.region == 'eu'",
        "data.empty.deeper.still == 1",
    ],
)
def test_a_fault_and_anything_but_true_is_no_match(text: str) -> None:
    assert not condition_of(text)(order())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("data.lines.all(a, data.lines.exists(b, a.n == b.n))", "inside another"),
        ("[1].exists(a, ([1, 2].filter(b, true).size() > 0))", "inside another"),
        ("data.lines.map(l, l.n)[0] == 1", "map is not supported"),
        ("data.lines . map (l, l.n)[0] == 1", "map is not supported"),
        ("cel.bind(x, 1, x == 1)", "bind is not supported"),
        ("data.amount >", "Not a CEL expression"),
        ("", "Not a CEL expression"),
        ("amount > 1", "no variable amount"),
        ("x == 1 && [1].exists(y, y == 1)", "no variable x"),
        ("size(data.lines) == frobnicate(1)", "frobnicate is not supported"),
        ("type == '" + "x" * MAX_LENGTH + "'", "at most"),
    ],
)
def test_what_is_refused_when_it_is_configured(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_where(text)


def test_own_events_show_their_attributes() -> None:
    job = sample("job.succeeded")
    assert job.job is not None
    assert condition_of("data.state == 'succeeded' && size(data.history) > 0 && type == 'job.succeeded'")(job)
    for name, value in job.job.attributes.items():
        assert condition_of(f"attributes.{name} == {json.dumps(value)}")(job)
    record = sample("record.updated")
    assert record.record is not None
    assert condition_of(f"attributes.table == '{record.record.table}' && attributes.version_id > 0")(record)
    assert condition_of("has(data.new_data)")(record)


def test_large_data_is_not_read_but_the_rest_of_the_event_is() -> None:
    view = order(b'{"a": "' + b"x" * MAX_DATA_BYTES + b'"}')
    assert not condition_of("has(data.a)")(view)
    assert not condition_of("!has(data.b)")(view)
    assert condition_of("type == 'order.created'")(view)


@pytest.mark.parametrize(
    "data", [b"\xff\x00", b"not json", b"[" * 2000, b"", b"1e999999", b'{"a": 99999999999999999999999}']
)
def test_any_data_is_judged(data: bytes) -> None:
    assert condition_of("type != ''")(order(data))
    assert condition_of("data.a == 1")(order(data)) is False


def test_it_holds_beside_the_other_conditions() -> None:
    view = order()
    assert matches(Filter(verbs=("created",), where="data.amount > 100"), view)
    assert not matches(Filter(verbs=("created",), where="data.amount > 200"), view)
    assert not matches(Filter(verbs=("deleted",), where="data.amount > 100"), view)


@given(st.text(st.sampled_from("abx.()[]{}'\"\\/ ,&|!=<>?:+-*1_rn\n"), max_size=60) | st.text(max_size=30))
def test_any_text_is_refused_or_judged(text: str) -> None:
    try:
        condition = condition_of(text)
    except ValueError:
        return
    assert condition(order()) in {True, False}
