"""Producers' CloudEvents: each MUST of the specification, in all three modes."""

import base64
import json
from urllib.parse import quote

import msgspec
import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent as SdkEvent
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api import cloudevent_attributes
from tocsin.api.cloudevents import decode_cloudevents, is_json_type, usual_events
from tocsin.errors import InvalidRequest, MalformedJson, TooLarge, UnsupportedMediaType
from tocsin.model.event import OWN_SUBJECT_TYPES, CloudContext
from tocsin.model.submission import CloudEvent
from tocsin.rules.needs import seen_hash

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
GOOD: dict[str, object] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "https://shop.example/orders",
    "type": "com.example.order.created",
}
HEADERS = {name: str(value) for name, value in GOOD.items()}


def structured(document: object, content_type: str = STRUCTURED) -> CloudEvent:
    (event,) = decode_cloudevents(json.dumps(document).encode(), content_type, {}).items
    return event


def binary(headers: dict[str, str], body: bytes = b"", content_type: str = "") -> CloudEvent:
    (event,) = decode_cloudevents(body, content_type, headers).items
    return event


def test_a_structured_event_keeps_everything() -> None:
    body = (
        b'{"specversion":"1.0","id":"e\\u00e9","source":"/s","type":"order.created","subject":"o-1",'
        b'"time":"2026-11-22T10:00:00.123456+01:00","datacontenttype":"application/vnd.x+json; charset=utf-8",'
        b'"dataschema":"https://x.example/schema","traceparent":"00-a","flag":true,"count":-5,"gone":null,'
        b'"data": {"b" : 1.0,"a":[] } }'
    )
    (event,) = decode_cloudevents(body, STRUCTURED, {}).items
    assert event == CloudEvent(
        digest=seen_hash("/s", "e\u00e9"),
        context=CloudContext(
            id="e\u00e9",
            source="/s",
            time="2026-11-22T10:00:00.123456+01:00",
            subject="o-1",
            datacontenttype="application/vnd.x+json; charset=utf-8",
            dataschema="https://x.example/schema",
            extensions={"traceparent": "00-a", "flag": True, "count": -5},
        ),
        type="order.created",
        subject_type="order",
        verb="created",
        time=1795338000123,
        data=b'{"b" : 1.0,"a":[] }',
    )


@pytest.mark.parametrize(
    ("kind", "subject_type", "verb"),
    [
        ("order.created", "order", "created"),
        ("com.example.order.created", "com.example.order", "created"),
        ("ping", "ping", ""),
        ("order.", "order", ""),
        ("job.x.y", "job.x", "y"),
        ("jobs.created", "jobs", "created"),
    ],
)
def test_the_type_is_split_at_the_last_dot(kind: str, subject_type: str, verb: str) -> None:
    event = structured(GOOD | {"type": kind})
    assert (event.type, event.subject_type, event.verb) == (kind, subject_type, verb)


@pytest.mark.parametrize("subject_type", sorted(OWN_SUBJECT_TYPES))
def test_own_subject_types_are_reserved(subject_type: str) -> None:
    for kind in (f"{subject_type}.succeeded", subject_type, f"{subject_type}."):
        with pytest.raises(InvalidRequest) as caught:
            structured(GOOD | {"type": kind})
        assert caught.value.errors[0].pointer == "/type"


@pytest.mark.parametrize(
    ("members", "data", "has_data", "is_base64"),
    [
        ({}, b"", False, False),
        ({"data": None}, b"null", True, False),
        ({"data": "text"}, b'"text"', True, False),
        ({"data": {"a": 1}, "datacontenttype": "application/json"}, b'{"a": 1}', True, False),
        ({"data": "a\u00e9\n", "datacontenttype": "text/plain"}, b"a\xc3\xa9\n", True, False),
        ({"data": "", "datacontenttype": "text/plain"}, b"", True, False),
        ({"data_base64": base64.b64encode(b"\x00\xff").decode()}, b"\x00\xff", True, True),
        ({"data_base64": "", "datacontenttype": "image/png"}, b"", True, True),
        ({"data_base64": None, "data": 1}, b"1", True, False),
    ],
)
def test_data_of_structured_events(members: dict[str, object], data: bytes, has_data: bool, is_base64: bool) -> None:
    event = structured(GOOD | members)
    assert (event.data, event.context.has_data, event.context.is_base64) == (data, has_data, is_base64)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": ""}, "/id"),
        ({"id": None}, "/id"),
        ({"id": 1}, "/id"),
        ({"source": ""}, "/source"),
        ({"source": "a b"}, "/source"),
        ({"source": "%zz"}, "/source"),
        ({"source": "\u00e9"}, "/source"),
        ({"specversion": "0.3"}, "/specversion"),
        ({"specversion": "1.0.2"}, "/specversion"),
        ({"specversion": 1.0}, "/specversion"),
        ({"type": ""}, "/type"),
        ({"type": "a\x01b"}, "/type"),
        ({"type": "x" * 2049}, "/type"),
        ({"subject": ""}, "/subject"),
        ({"subject": 7}, "/subject"),
        ({"subject": "\x7f"}, "/subject"),
        ({"subject": "\ufffe"}, "/subject"),
        ({"subject": "\U0001ffff"}, "/subject"),
        ({"time": "2026-11-22"}, "/time"),
        ({"time": "2026-11-22 10:00:00Z"}, "/time"),
        ({"time": ""}, "/time"),
        ({"datacontenttype": "json"}, "/datacontenttype"),
        ({"datacontenttype": "text/"}, "/datacontenttype"),
        ({"dataschema": "/relative"}, "/dataschema"),
        ({"dataschema": ""}, "/dataschema"),
        ({"Upper": "x"}, "/Upper"),
        ({"with_underscore": "x"}, "/with_underscore"),
        ({"a/b": "x"}, "/a~1b"),
        ({"ext": 2**31}, "/ext"),
        ({"ext": -(2**31) - 1}, "/ext"),
        ({"ext": 1.5}, "/ext"),
        ({"ext": {"a": 1}}, "/ext"),
        ({"ext": []}, "/ext"),
        ({"ext": "\x85"}, "/ext"),
        ({"ext": "\0"}, "/ext"),
        ({"data": 1, "data_base64": "AA=="}, "/data_base64"),
        ({"data_base64": "A"}, "/data_base64"),
        ({"data_base64": "A A="}, "/data_base64"),
        ({"data_base64": 1}, "/data_base64"),
        ({"data": {"a": 1}, "datacontenttype": "text/plain"}, "/data"),
        ({"data": {"a": "\ud800"}}, "/data/a"),
    ],
)
def test_a_bad_member_is_pointed_at(change: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        structured(GOOD | change)
    assert pointer in [error.pointer for error in caught.value.errors]
    with pytest.raises(InvalidRequest) as caught:
        decode_cloudevents(json.dumps([GOOD, GOOD | change]).encode(), BATCH, {})
    assert f"/1{pointer}" in [error.pointer for error in caught.value.errors]


def test_every_bad_attribute_is_told() -> None:
    with pytest.raises(InvalidRequest) as caught:
        structured({"specversion": "1.1", "type": "t", "subject": "", "X": 1})
    assert sorted(error.pointer for error in caught.value.errors) == [
        "/X",
        "/id",
        "/source",
        "/specversion",
        "/subject",
    ]


@given(
    st.text(),
    st.text(max_size=20) | st.none(),
    st.sampled_from(["2026-11-22T10:00:00Z", "2026-11-22 10:00:00Z", "soon", "", None]),
    st.sampled_from(["application/json", "text/plain", "x", None]),
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    ),
)
def test_the_quick_way_reads_the_same_or_leaves_it(
    event_id: str, subject: str | None, time: str | None, kind: str | None, data: object
) -> None:
    document = GOOD | {"id": event_id, "subject": subject, "time": time, "datacontenttype": kind, "data": data}
    quick = usual_events(json.dumps(document).encode(), is_batch=False)
    try:
        by_the_long_way = structured(document | {"extension": True})
    except (InvalidRequest, MalformedJson):
        assert quick is None
        return
    if kind == "text/plain":
        assert quick is None
    else:
        context = msgspec.structs.replace(by_the_long_way.context, extensions={})
        assert quick == (msgspec.structs.replace(by_the_long_way, context=context),)


@pytest.mark.parametrize(("around", "content_type"), [(b"%b", STRUCTURED), (b"[%b]", BATCH)])
def test_deep_data_are_refused_in_every_mode(around: bytes, content_type: str) -> None:
    deepest = 63 if content_type == STRUCTURED else 62
    for depth, is_read in ((deepest, True), (deepest + 1, False), (100_000, False)):
        event = json.dumps(GOOD).encode()[:-1] + b',"data":' + b"[" * depth + b"]" * depth + b"}"
        if is_read:
            assert len(decode_cloudevents(around % event, content_type, {}).items) == 1
        else:
            with pytest.raises(InvalidRequest):
                decode_cloudevents(around % event, content_type, {})


def test_batches() -> None:
    batch = [GOOD, GOOD | {"id": "e2", "data": 1}]
    events = decode_cloudevents(json.dumps(batch).encode(), f"{BATCH}; charset=utf-8", {}).items
    assert [event.context.id for event in events] == ["e1", "e2"]
    assert decode_cloudevents(b"[]", BATCH, {}).items == ()
    with pytest.raises(TooLarge):
        decode_cloudevents(json.dumps([GOOD] * 1001).encode(), BATCH, {})
    with pytest.raises(InvalidRequest):
        decode_cloudevents(json.dumps(GOOD).encode(), BATCH, {})
    with pytest.raises(InvalidRequest):
        decode_cloudevents(json.dumps([GOOD]).encode(), STRUCTURED, {})


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "", "text/json"])
def test_plain_json_is_read_as_structured_or_batched(content_type: str) -> None:
    assert structured(GOOD, content_type).context.id == "e1"
    assert len(decode_cloudevents(json.dumps([GOOD, GOOD]).encode(), content_type, {}).items) == 2


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+xml", "application/cloudevents", "text/plain", "image/png"]
)
def test_other_types_are_not_read(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        decode_cloudevents(b"x", content_type, {})


def test_the_type_decides_before_the_headers() -> None:
    (event,) = decode_cloudevents(json.dumps(GOOD).encode(), "APPLICATION/CloudEvents+JSON", {"id": "other"}).items
    assert event.context.id == "e1"


def test_a_binary_event_keeps_everything() -> None:
    headers = HEADERS | {"subject": "o%201", "time": "2026-11-22T10:00:00Z", "dataschema": "urn:x", "count": "5"}
    event = binary(headers, b'{"a" :1}', "application/json; charset=utf-8")
    assert event.context == CloudContext(
        id="e1",
        source="https://shop.example/orders",
        time="2026-11-22T10:00:00Z",
        subject="o 1",
        datacontenttype="application/json; charset=utf-8",
        dataschema="urn:x",
        extensions={"count": "5"},
    )
    assert (event.data, event.time) == (b'{"a" :1}', 1795341600000)


@pytest.mark.parametrize(
    ("body", "content_type", "has_data", "is_base64"),
    [
        (b"", "", False, False),
        (b"", "application/json", False, False),
        (b"{}", "", True, False),
        (b"\x00\xff", "", True, True),
        (b"\x00\xff", "application/octet-stream", True, False),
        (b"plain", "text/plain", True, False),
        (b"<a/>", "application/xml", True, False),
    ],
)
def test_data_of_binary_events(body: bytes, content_type: str, has_data: bool, is_base64: bool) -> None:
    event = binary(HEADERS, body, content_type)
    assert (event.data, event.context.has_data, event.context.is_base64) == (body, has_data, is_base64)
    assert event.context.datacontenttype == (content_type or None)


@pytest.mark.parametrize("body", [b"{", b'"\xff"', b"{} {}"])
def test_binary_json_must_be_json(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        binary(HEADERS, body, "application/json")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"datacontenttype": "application/json"}, "ce-datacontenttype"),
        ({"id": ""}, "ce-id"),
        ({"specversion": "2"}, "ce-specversion"),
        ({"source": "a%20b"}, "ce-source"),
        ({"subject": "%C0%A0"}, "ce-subject"),
        ({"subject": "%4"}, "ce-subject"),
        ({"subject": "%00"}, "ce-subject"),
        ({"subject": "caf\u00e9"}, None),
        ({"time": "noon"}, "ce-time"),
        ({"with-hyphen": "x"}, "ce-with-hyphen"),
        ({"type": "record.created"}, "ce-type"),
    ],
)
def test_bad_headers_are_named(change: dict[str, str], pointer: str | None) -> None:
    if pointer is None:
        assert binary(HEADERS | change).context.subject == "caf\u00e9"
        return
    with pytest.raises(InvalidRequest) as caught:
        binary(HEADERS | change)
    assert [error.pointer for error in caught.value.errors] == [pointer]


def test_missing_attributes_of_a_binary_event() -> None:
    with pytest.raises(InvalidRequest) as caught:
        binary({"id": "e1"})
    assert [error.pointer for error in caught.value.errors] == ["ce-source", "ce-specversion", "ce-type"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u20ac \U0001f600"),
        ("%e2%82%ac", "\u20ac"),
        ("%41bc", "Abc"),
        ("%2525", "%25"),
        ('"a b"', "a b"),
        (r'"a\"b\\c"', 'a"b\\c'),
        ('"%41"', "A"),
    ],
)
def test_header_values_are_unquoted_and_decoded_once(value: str, text: str) -> None:
    assert binary(HEADERS | {"subject": value}).context.subject == text


plain_text = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=[chr(p * 65536 + x) for p in range(17) for x in (0xFFFE, 0xFFFF)] + [chr(c) for c in range(0xFDD0, 0xFDF0)]),
    min_size=1,
    max_size=20,
)  # fmt: skip


@given(plain_text)
def test_any_text_survives_both_modes(text: str) -> None:
    assert structured(GOOD | {"subject": text}).context.subject == text
    encoded = quote(text, safe="!#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
    assert binary(HEADERS | {"subject": encoded}).context.subject == text


@pytest.mark.parametrize(
    ("kind", "is_json"),
    [
        (None, True),
        ("application/json", True),
        ("text/json; charset=utf-8", True),
        ("application/vnd.api+JSON", True),
        ("application/jsonx", False),
        ("application/x-json-stream", False),
        ("text/plain; a=/json", False),
    ],
)
def test_what_counts_as_json(kind: str | None, is_json: bool) -> None:
    assert is_json_type(kind) is is_json


@given(plain_text)
def test_what_the_sdk_sends_is_read(text: str) -> None:
    sent = SdkEvent(
        {"id": "a", "source": "/x", "type": "order.created", "specversion": "1.0", "subject": text, "ext": "1"},
        {"a": text},
    )
    for message in (to_structured_event(sent), to_binary_event(sent)):
        content_type = message.headers.get("content-type", "")
        attributes = {name[3:]: value for name, value in message.headers.items() if name.startswith("ce-")}
        (event,) = decode_cloudevents(message.body, content_type, attributes).items
        assert (event.context.subject, event.context.extensions) == (text, {"ext": "1"})
        assert json.loads(event.data) == {"a": text}


def test_values_that_are_too_long_are_not_remembered() -> None:
    """Or else a producer could fill the memory with them."""
    caches = (is_json_type, cloudevent_attributes._is_faulty, cloudevent_attributes._repeated_fault)
    for cache in caches:
        cache.cache_clear()
    for number in range(20):
        long = f"application/{number}" + "x" * 3000
        for name in ("datacontenttype", "type", "source", "dataschema"):
            for more in ({}, {"extension": "a"}):
                with pytest.raises(InvalidRequest):
                    structured({**GOOD, name: long, "data": "a", **more})
        with pytest.raises(InvalidRequest):
            binary(HEADERS, b"a", long)
    assert all(cache.cache_info().currsize < 10 for cache in caches)
